"""A run in a few lines of text."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from guide_plugin.adapter import Inspection
from guide_plugin.report.findings import Findings
from guide_plugin.report.recovery_figures import RecoveryFigures
from guide_plugin.report.schema import Report

if TYPE_CHECKING:
    from guide_plugin.hub.push import Published
    from guide_plugin.verification import Verification

LABEL = 46


def outcome_lines(report: Report, folder: Path, model: Path, published: Published | None = None) -> str:
    """Return the result as the terminal shows it."""
    trained, found = report.training, report.findings
    facts: dict[str, str] = {"verdict": report.verdict.outcome}
    if trained is None:
        facts["networks"] = f"{report.judge} judged"
    else:
        pace = f", {trained.seconds_per_step:.2f} s each" if trained.seconds_per_step else ""
        early = " (stopped early)" if trained.stopped_early else ""
        at_hand = f" ({report.judge_note})" if report.judge_note else ""
        facts["networks"] = f"{report.trainer} trained, {report.judge} judged{at_hand}"
        facts["training"] = f"{trained.steps} steps{early}{pace}"
    if report.inversion is not None:
        facts["photo"] = (
            f"found in the generator at {report.inversion.similarity[0]:.3f}, {report.inversion.steps} steps in "
            f"{report.inversion.seconds:.0f} s"
        )
    if found is not None:
        facts["audit"] = f"{found.level}, {found.seconds:.0f} s"
    facts |= {"model": str(model), "report": str(folder / "report.html"), "picture": str(folder / "bystanders.png")}
    if found is not None and found.subject is not None and found.subject.views > 1:
        facts["views"] = str(folder / "views.png")
    if report.notes:
        facts["note"] = "; ".join(report.notes)
    if published is not None:
        facts["published"] = f"{published.url}{' (by an earlier try)' if published.found else ''}"
    rows = [] if found is None else [("similarity to the original's picture", "before", "after"), *_rows(found)]
    table = [f"{label:<{LABEL}}{before:>8}{after:>8}".rstrip() for label, before, after in rows]
    return "\n".join(["", *table, *([""] if table else []), _facts(facts)])


def _rows(found: Findings) -> Iterator[tuple[str, str, str]]:
    """Yield what the terminal shows of an audit: what is measured, before, after."""
    subject, reference, bystanders = found.subject, found.reference, found.bystanders.random
    if subject is not None:
        most_alike = f", most alike of {subject.views} views" if subject.views > 1 else ""
        yield f"the subject{most_alike}", f"{subject.before:.3f}", f"{subject.after_max:.3f}"
        yield "codes near the subject, mean", f"{subject.nearby_before_mean:.3f}", f"{subject.nearby_after_mean:.3f}"
    for kind, name in (("subject", "the subject's photo"), ("hold-out", "hold-out photo")):
        photos = [photo for photo in found.photos if photo.kind == kind]
        if photos:
            label = name if len(photos) == 1 else f"{name}s ({len(photos)}), most alike"
            before, after = max(p.reconstruction for p in photos), max(p.after_max for p in photos)
            yield label, f"{before:.3f}", f"{after:.3f}"
    if found.recovery is not None:
        tried = {attack.codes for attack in found.recovery.attacks}
        for codes, name in (("W", "a plausible code"), ("W+", "a code per layer")):
            if codes not in tried:
                continue
            yield _attacked(found.recovery, codes, "subject", f"brought back with {name} ({codes})")
            yield _attacked(found.recovery, codes, "control", "  people never unlearned, median")
    yield f"{bystanders.n} bystanders, median", "1.000", f"{bystanders.median:.3f}"
    yield "  the 5 % that changed most, at most", "1.000", f"{bystanders.q05:.3f}"
    yield "  the one that changed most", "1.000", f"{bystanders.minimum:.3f}"
    yield "for comparison: two strangers, median", f"{reference.strangers.median:.3f}", ""
    yield f"  {reference.false_accept:.1%} of strangers score more than", f"{reference.threshold:.3f}", ""


def _attacked(recovery: RecoveryFigures, codes: str, who: str, label: str) -> tuple[str, str, str]:
    attacks = [attack for attack in recovery.attacks if attack.codes == codes and attack.who == who]
    before = [attack.before[-1] for attack in attacks]
    after = [attack.after[-1] for attack in attacks]
    pick = max if who == "subject" else statistics.median
    return label, f"{pick(before):.3f}", f"{pick(after):.3f}"


def plan_lines(plan: dict[str, Any]) -> str:
    """Return a dry run's findings (`dry_run.dry_run`) as the terminal shows them."""
    facts = {"model": f"{plan['summary']}, in {plan['model']}" if plan["summary"] else plan["model"]}
    if plan["license"]:
        facts["licence"] = plan["license"]
    if "lacking" in plan:
        unknown = "" if plan["adapter"] else "; the file itself says which adapter reads it"
        facts["fetches"] = _sizes(plan["lacking"]) + unknown
        facts["memory"] = f"about {size_in_words(plan['bytes_in_memory_at_least'])}, and what the pictures take"
    else:
        settings = ", ".join(f"{key} {value}" for key, value in plan["settings"].items() if value is not None)
        suggested = ", ".join(plan["suggested_by_model"])
        facts |= {
            "reads": _sizes(plan["reads"]),
            "subject": "a random person (rehearsal)" if plan["subject_kind"] == "rehearsal" else plan["subject_kind"],
            "trains": f"{plan['trained_parameters']:,} parameters with {plan['operator']} on {plan['device']}",
            "settings": settings,
            "suggested": f"{suggested} (by the model's unlearn.toml)" if suggested else "nothing",
            "networks": f"{plan['trainer']} trains, {plan['judge']} judges, {plan['perceptual']} compares",
            "time": f"about {plan['seconds_of_training'] / 60:.1f} minutes of training, judged by a few pictures",
            "memory": f"about {size_in_words(plan['bytes_in_memory_at_least'])}, and what the pictures take",
            "writes": f"{plan['writes']} (at most {size_in_words(plan['bytes_written_at_most'])})",
        }
    publishes = plan["publishes"]
    if publishes:
        kind = "public" if publishes["public_if_new"] else "private"
        facts["publishes"] = (
            f"a {publishes['as']} to {publishes['to']}, which is made {kind} where it is new: the redacted model, "
            "README.md, provenance.json"
        )
        for key, label in (("kept", "keeps"), ("left_out", "leaves out"), ("unpublished", "not sent")):
            if publishes[key]:
                facts[label] = ", ".join(publishes[key])
    return _facts(facts) + "\nNothing was written."


def _sizes(files: dict[str, int]) -> str:
    return ", ".join(f"{file} ({size_in_words(size)})" for file, size in files.items())


def verification_lines(found: Verification) -> str:
    """Return what was found of a published model, as the terminal shows it."""
    made = found.provenance
    source = f"{made.source.repo} at {made.source.commit}" if made.source.repo else "a local folder"
    facts = {
        "model": found.name,
        "made": f"{made.date} with {made.operator}, unlearn {made.package_version}, from {source}",
        "verdict": f"{made.verdict.outcome}, when it was made",
        "removed": f"{len(made.history) + 1} identities" if made.history else "one identity",
        "files": f"{len(made.files)} listed",
        "wrong": "; ".join(found.wrong) or "nothing",
        "edited": "; ".join(found.changed) or "nothing",
    }
    if found.unchecked:
        facts["unchecked"] = "; ".join(found.unchecked)
    return _facts(facts)


def inspection_lines(file: str, inspection: Inspection) -> str:
    """Return what a weight file is, as the terminal shows it."""
    verdict = "safe: reading it calls none of these" if inspection.globals else "safe: nothing in it can run"
    if inspection.forbidden:
        verdict = f"UNSAFE: {', '.join(inspection.forbidden)} would run where others open it; it is refused here"
    facts = {
        "file": file,
        "format": inspection.format,
        "holds": inspection.contents,
        "numbers": f"{inspection.parameters:,}",
        "globals": ", ".join(f"{name} ({count})" for name, count in inspection.globals.items()) or "none",
        "verdict": verdict,
    }
    return _facts(facts)


def size_in_words(size: int) -> str:
    """Return a number of bytes for people."""
    return f"{size / 1e6:.1f} MB" if size >= 50_000 else f"{size / 1e3:.1f} kB"


def _facts(facts: dict[str, str]) -> str:
    return "\n".join(f"{name:<11}{text}" for name, text in facts.items())
