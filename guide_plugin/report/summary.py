"""An audit in a few lines: what a reader wants to know first, as numbers."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from typing import NamedTuple

from guide_plugin.report.attack_groups import counted, share_above
from guide_plugin.report.findings import Findings
from guide_plugin.report.recovery_figures import RecoveryFigures


class SummaryRow(NamedTuple):
    """One line: a similarity to the original's picture, or a share, original and redacted model.

    Attributes:
        key: its name for programs.
        label: what is measured, in words.
        after: None where there is only the original to measure.
    """

    key: str
    label: str
    before: float
    after: float | None


def summary_rows(found: Findings) -> Iterator[SummaryRow]:
    """Yield what an audit found, the subject first; what was not measured is left out."""
    subject, reference, bystanders = found.subject, found.reference, found.bystanders.random
    if subject is not None:
        most_alike = f", most alike of {subject.views} views" if subject.views > 1 else ""
        yield SummaryRow("subject", f"the subject{most_alike}", subject.before, subject.after_max)
        nearby = subject.nearby_before_mean, subject.nearby_after_mean
        yield SummaryRow("subject_nearby", "codes near the subject, mean", *nearby)
    for kind, key, name in (
        ("subject", "subject_photos", "the subject's photo"),
        ("hold-out", "holdout_photos", "hold-out photo"),
    ):
        photos = [photo for photo in found.photos if photo.kind == kind]
        if photos:
            label = name if len(photos) == 1 else f"{name}s ({len(photos)}), most alike"
            before, after = max(p.reconstruction for p in photos), max(p.after_max for p in photos)
            yield SummaryRow(key, label, before, after)
    if found.recovery is not None:
        tried = {attack.codes for attack in found.recovery.attacks}
        for codes, key, name in (
            ("W", "w", "a plausible code"),
            ("Z", "z", "a plausible code"),
            ("W+", "w_plus", "a code per layer"),
        ):
            if codes not in tried:
                continue
            label = f"brought back with {name} ({codes})"
            yield SummaryRow(f"recovered_{key}", label, *_attacked(found.recovery, codes, "subject"))
            label = "  people never unlearned, median"
            yield SummaryRow(f"recovered_{key}_controls", label, *_attacked(found.recovery, codes, "control"))
        yield from _of_searches(found.recovery, reference.threshold)
    yield SummaryRow("bystanders_median", f"{bystanders.n} bystanders, median", 1.0, bystanders.median)
    yield SummaryRow("bystanders_q05", "  the 5 % that changed most, at most", 1.0, bystanders.q05)
    yield SummaryRow("bystanders_minimum", "  the one that changed most", 1.0, bystanders.minimum)
    strangers = reference.strangers.median
    yield SummaryRow("strangers_median", "for comparison: two strangers, median", strangers, None)
    label = f"  {reference.false_accept:.1%} of strangers score more than"
    yield SummaryRow("threshold", label, reference.threshold, None)
    if reference.known is not None:
        yield SummaryRow("judge_knows", "  share of same-person pairs above that", reference.known, None)
    if found.erasure is not None:
        erased = found.erasure
        yield SummaryRow("ea", f"erased, of {erased.pictures} pictures of the subject (EA)", 0.0, erased.ea)
        yield SummaryRow("ra", f"retained, of {erased.people} bystanders (RA)", 1.0, erased.ra)
        yield SummaryRow("erb", "  balance of both (ERB)", 0.0, erased.erb)


def _of_searches(recovery: RecoveryFigures, threshold: float) -> Iterator[SummaryRow]:
    """Yield what share of the searches that the verdict counts end as the same person."""
    attacks = counted(recovery.attacks)
    if attacks:
        before = sum(attack.before[-1] >= threshold for attack in attacks) / len(attacks)
        label = f"share of {len(attacks)} searches (W, Z) that succeed"
        yield SummaryRow("searches_above", label, before, share_above(attacks, threshold))


def _attacked(recovery: RecoveryFigures, codes: str, who: str) -> tuple[float, float]:
    attacks = [attack for attack in recovery.attacks if attack.codes == codes and attack.who == who]
    pick = max if who == "subject" else statistics.median
    return pick(attack.before[-1] for attack in attacks), pick(attack.after[-1] for attack in attacks)
