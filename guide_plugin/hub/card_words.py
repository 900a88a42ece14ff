"""What a card says of a release, in plain English and without a word about who was removed."""

from __future__ import annotations

from collections.abc import Iterator

from guide_plugin.hub.card_figures import card_figures
from guide_plugin.hub.markdown import code, prose, table
from guide_plugin.hub.provenance_record import Provenance
from guide_plugin.hub.weight_files import holds_weights
from guide_plugin.report.findings import LeakFigures
from guide_plugin.report.limits import limits
from guide_plugin.report.numbers import count, minus, plain, three
from guide_plugin.report.schema import Report
from guide_plugin.report.verdict_words import headline, knowledge_words, similarity_words, subject_kind

GUIDE = "[GUIDE](https://arxiv.org/abs/2405.09879)"
WORDS = {"pass": "passed", "fail": "failed", "inconclusive": "inconclusive"}
OWN_CODE = "subject's own code"
"""The rule that holds the most like the person that is still drawn where they were, see `audit.verdict`."""


def section(provenance: Provenance, report: Report, repo: str) -> str:
    """Return the section of a release's card as Markdown."""
    parts = [
        _opening(provenance, report),
        _done(provenance, report),
        _measured(provenance, report),
        _open(provenance, report),
        _asking(repo),
        _earlier(provenance),
    ]
    return "\n".join(line for part in parts for line in part)


def _opening(provenance: Provenance, report: Report) -> Iterator[str]:
    verdict = headline(report)
    passed = verdict.mark == "pass"
    yield f"## {'A person was removed from this model' if passed else 'A person was to be removed from this model'}"
    yield ""
    yield (
        f"This is a changed copy of {_source(provenance)}. "
        f"{'It no longer draws one person' if passed else 'It was meant not to draw one person any more'} "
        f"({prose(subject_kind(report.subject_kind))}); everybody else should look as before. "
        "Who it was is said nowhere in this repository. Whatever else this page says of the model was written before."
    )
    if provenance.history:
        n = len(provenance.history)
        yield ""
        yield (
            f"{'Another person was' if n == 1 else f'{n} other people were'} removed before, see the end. The numbers "
            "are about the last removal."
        )
    yield ""
    yield f"**{verdict.word}.** {verdict.sentence}"
    if report.verdict.reasons:
        yield ""
        yield from (f"- {prose(minus(reason))}" for reason in report.verdict.reasons)
    yield ""


def _done(provenance: Provenance, report: Report) -> Iterator[str]:
    settings = ", ".join(f"{name} {plain(value)}" for name, value in provenance.settings.items() if value is not None)
    rows = [("Source", _source(provenance)), ("Method", _method(provenance.operator))]
    if report.training is not None:
        early = ", stopped early" if report.training.stopped_early else ""
        rows.append(("Steps", count(report.training.steps) + early))
    networks = provenance.networks
    rows += [
        ("Settings", code(settings) if settings else "none"),
        ("Kind of model", code(provenance.adapter)),
        ("Networks", f"{code(networks.trainer)} trained the forgetting, {code(networks.judge)} judged it"),
        ("Made with", code(f"guide-plugin {provenance.package_version}") + f" on {prose(provenance.date)}"),
    ]
    yield from ["### What was done", "", *table(("", ""), rows), ""]
    weights = {name: digest for name, digest in provenance.files.items() if holds_weights(name)}
    if weights:
        yield from _sums("SHA-256 of the weight files here:", weights)
    still = {
        name: digest
        for name, digest in provenance.source.files.items()
        if holds_weights(name) and digest not in weights.values()
    }
    if still:
        yield from _sums("And of the files that they replace, which can still draw the person:", still)
    if provenance.left_out:
        names = ", ".join(code(name) for name in provenance.left_out)
        yield from [f"Left out, because they may still hold the person: {names}.", ""]
    yield from ["`provenance.json` lists every file, version and rule.", ""]


def _measured(provenance: Provenance, report: Report) -> Iterator[str]:
    yield from ["### What was measured", ""]
    if report.findings is None:
        yield from ["Nothing: the audit was switched off.", ""]
        return
    yield from [prose(similarity_words(report.findings)), ""]
    known = knowledge_words(report.findings)
    yield from [prose(known), ""] if known else []
    yield from [
        "In the table, rows about the person say how like them the faces are that were found, and rows about other "
        "people how like themselves they stayed.",
        "",
    ]
    rows = [[prose(cell) for cell in figure.columns] for figure in card_figures(report.findings)]
    yield from [*table(("", "Original", "This model", "Compare with"), rows), ""]


def _open(provenance: Provenance, report: Report) -> Iterator[str]:
    says = limits(report.model_copy(update={"judge": provenance.networks.judge}))
    found = report.findings
    if found is None or found.leak is not None:
        says.append(
            (
                "Both models together can give the person away.",
                "Whoever holds the original beside this model can look for where they differ."
                + (_looked(found.leak, found.reference.threshold) if found and found.leak else ""),
            )
        )
    if provenance.source.repo is not None:
        says.append(
            (
                "The source’s history still holds the original.",
                f"Every earlier version in {provenance.source.repo} can still draw the person. Only its owners can "
                "remove those.",
            )
        )
    yield from ["### What this does not prove", ""]
    yield from (f"- **{prose(name)}** {prose(minus(sentence))}" for name, sentence in says)
    yield ""


def _looked(leak: LeakFigures, threshold: float) -> str:
    if leak.by_chance >= threshold:
        return " Our own search says nothing: random faces come as close."
    if leak.found >= threshold:
        return " Our own search found the person that way."
    if leak.found > leak.by_chance:
        return " Our own search came closer to the person than chance does, but did not reach them."
    return " Our own search did not lead to the person."


def _asking(repo: str) -> Iterator[str]:
    yield from ["### How to ask for a removal", ""]
    yield (
        f"If this model draws you, open a discussion in the Community tab of {code(repo)} and ask to be removed. That "
        "page is public: no pictures and no names there, say how to reach you in private. The maintainers run the tool "
        "on photos that you send them, and publish the next version."
    )
    yield ""


def _earlier(provenance: Provenance) -> Iterator[str]:
    if not provenance.history:
        return
    yield from ["### Earlier removals", ""]
    rows = [(prose(one.date), _source(one), _method(one.operator), _then(one), _now(one)) for one in provenance.history]
    yield from table(("Date", "Removed from", "Method", "Similarity to them then", "And in this model"), rows)
    yield ""


def _then(one: Provenance) -> str:
    measured = next((rule.measured for rule in one.verdict.rules if rule.name == OWN_CODE), None)
    return f"{three(measured)} ({WORDS[one.verdict.outcome]})"


def _now(one: Provenance) -> str:
    again = one.rechecked
    if again is None or again.measured is None:
        return "not measured" + (f": {prose(again.why)}" if again and again.why else "")
    asked = "" if again.limit is None else f", {three(again.limit)} is the limit"
    return f"{three(again.measured)} ({'still gone' if again.outcome == 'pass' else '**back**'}{asked})"


def _source(provenance: Provenance) -> str:
    source = provenance.source
    if source.repo is None:
        return "a model that came from no hub"
    return code(source.repo) + (f" at commit {code(source.commit)}" if source.commit else "")


def _method(operator: str | None) -> str:
    return "not told" if operator is None else GUIDE if operator == "guide" else code(operator)


def _sums(title: str, files: dict[str, str]) -> Iterator[str]:
    yield from [title, "", "```text", *(f"{digest}  {name}" for name, digest in files.items()), "```", ""]
