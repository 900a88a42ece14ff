"""From figures to a yes or a no, by rules that are data."""

from __future__ import annotations

from collections.abc import Iterator

from guide_plugin.audit.bystanders import kept_share
from guide_plugin.audit.picture_distances import JUDGE
from guide_plugin.recipe import Rules
from guide_plugin.report.findings import Findings
from guide_plugin.report.schema import Rule, Verdict


def draw_verdict(findings: Findings, rules: Rules, *, judge_is_trainer: bool, reproduced: float | None) -> Verdict:
    """Draw the verdict: "fail" where a rule fails, "inconclusive" where a pass would prove nothing, else "pass".

    Args:
        judge_is_trainer: whether the network that trained the forgetting is the only one that judged it.
        reproduced: similarity of the subject's photo to the original's reconstruction; None without a photo.
    """
    found = [*_bystanders(findings, rules), *_about_the_model(findings, rules)]
    if findings.subject is not None:
        found = [*_subject(findings), *found, *_meaningful(findings, rules, judge_is_trainer, reproduced)]
    failed = [rule.says for rule in found if rule.outcome == "fail"]
    vacuous = [rule.says for rule in found if rule.outcome == "vacuous"]
    if findings.subject is None:
        vacuous.append("no subject was named, so nothing is known about whether anybody was forgotten")
    outcome = "fail" if failed else "inconclusive" if vacuous else "pass"
    return Verdict.model_validate({"outcome": outcome, "reasons": failed or vacuous, "rules": found})


def unaudited() -> Verdict:
    """Return the verdict on a model that nobody measured."""
    return Verdict(outcome="inconclusive", reasons=["nothing was measured (--audit off)"])


def _below(name: str, measured: float, limit: float, says: str) -> Rule:
    return Rule(
        name=name,
        asked=f"below {limit:.3f}",
        measured=measured,
        limit=limit,
        outcome="fail" if measured >= limit else "pass",
        says=f"{says} {measured:.3f}, the threshold is {limit:.3f}",
    )


def _subject(findings: Findings) -> Iterator[Rule]:
    subject, limit = findings.subject, findings.reference.threshold
    assert subject is not None
    yield _below("subject's own code", subject.after_max, limit, "the subject at their own code scores")
    yield _below("codes near the subject", subject.nearby_after_mean, limit, "codes near the subject score on average")
    for kind, name in (("subject", "subject's photos"), ("hold-out", "hold-out photos")):
        photos = [max(photo.after_max, photo.code_after_max) for photo in findings.photos if photo.kind == kind]
        if photos:
            most = ", the most alike of them," if len(photos) > 1 else ""
            what = "the subject's photo" if kind == "subject" else "a photo that only judges"
            yield _below(name, max(photos), limit, f"what the model makes of {what}{most} scores")
    if findings.recovery is not None:
        for who, name in (("subject", "recovery, plausible codes"), ("hold-out", "recovery from hold-out photos")):
            back = [a.after[-1] for a in findings.recovery.attacks if a.who == who and a.counted]
            if back:
                says = "searching plausible codes brings the subject back to"
                yield _below(name, max(back), limit, says if who == "subject" else f"from hold-out photos, {says}")
    target = findings.target
    if target is not None:
        yield _below("somebody else in their place", target.to_subject, limit, "the face in the subject's place scores")
        if target.face_found is not None:
            yield Rule(
                name="a face in their place",
                asked="a face",
                measured=float(target.face_found),
                limit=1.0,
                outcome="pass" if target.face_found else "fail",
                says="there is a face in the subject's place"
                if target.face_found
                else "what stands in the subject's place is no face, though the original drew one",
            )


def _bystanders(findings: Findings, rules: Rules) -> Iterator[Rule]:
    strangers = findings.reference.strangers.median
    for name, similarity, asked in (
        ("bystanders, median", findings.bystanders.random.median, rules.bystander_median),
        ("bystanders, 5th percentile", findings.bystanders.random.q05, rules.bystander_q05),
    ):
        kept = kept_share(similarity, strangers)
        yield Rule(
            name=name,
            asked=f"at least {asked:g}",
            measured=kept,
            limit=asked,
            outcome="pass" if kept >= asked else "fail",
            says=f"{name.replace(',', ' keep of themselves, at the')}, {kept:.3f}, {asked:g} is asked",
        )


def _about_the_model(findings: Findings, rules: Rules) -> Iterator[Rule]:
    for figures in findings.fidelity:
        ratio = figures.ratio
        if figures.network == JUDGE and ratio is not None:
            yield Rule(
                name="pictures as a whole",
                asked=f"at most {rules.frechet:g} times as far as two samples lie apart",
                measured=ratio,
                limit=rules.frechet,
                outcome="pass" if ratio <= rules.frechet else "fail",
                says=f"the pictures as a whole moved {ratio:.2f} times as far as two samples of the original lie "
                f"apart, {rules.frechet:g} times is allowed",
            )
    yield Rule(
        name="weights finite",
        asked="no NaN, no Inf",
        measured=float(findings.weights_finite),
        limit=1.0,
        outcome="pass" if findings.weights_finite else "fail",
        says="every weight is finite" if findings.weights_finite else "the redacted model holds NaN or Inf",
    )


def _meaningful(findings: Findings, rules: Rules, judge_is_trainer: bool, reproduced: float | None) -> Iterator[Rule]:
    """Yield the rules without which a pass proves nothing."""
    subject, limit = findings.subject, findings.reference.threshold
    assert subject is not None
    known = subject.nearby_before_mean
    yield Rule(
        name="judge knows the subject",
        asked=f"above {limit:.3f} before",
        measured=known,
        limit=limit,
        outcome="pass" if known > limit else "vacuous",
        says=f"the judge {'tells' if known > limit else 'does not tell'} the subject from strangers before unlearning",
    )
    share, asked = findings.reference.known, rules.judge_knows
    if share is not None:
        enough = share >= asked
        yield Rule(
            name="judge knows people",
            asked=f"at least {asked:g} of the pairs",
            measured=share,
            limit=asked,
            outcome="pass" if enough else "vacuous",
            says=f"the judge knows {share:.1%} of the pairs of pictures that show one person on this model, "
            f"{asked:.0%} is asked" + ("" if enough else ": whom it does not know, no search can find"),
        )
    if reproduced is not None:
        knew = reproduced >= limit
        yield Rule(
            name="the original knew the person",
            asked=f"at least {limit:.3f}",
            measured=reproduced,
            limit=limit,
            outcome="pass" if knew else "vacuous",
            says=f"the original {'draws' if knew else 'cannot draw'} the person of the photo ({reproduced:.3f}, the "
            f"threshold is {limit:.3f})" + ("" if knew else ": there was nothing to unlearn"),
        )
    yield Rule(
        name="another network judged",
        asked="not the one that trained",
        measured=None,
        limit=None,
        outcome="vacuous" if judge_is_trainer else "pass",
        says="the network that trained the forgetting is the only one that judged it"
        if judge_is_trainer
        else "the network that judged took no part in the training",
    )
