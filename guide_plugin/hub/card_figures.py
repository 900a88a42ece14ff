"""The measured numbers that a card shows, each with what it has to be compared with."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from guide_plugin.report.attack_groups import counted, group_of, grouped, plausible, share_above
from guide_plugin.report.findings import Findings
from guide_plugin.report.numbers import count, plain, three

JUDGE = "judge"
"""What the figures call the judge's features, see `FidelityFigures`."""


@dataclass(frozen=True)
class Figure:
    """One number.

    Attributes:
        name: what was measured, in words.
        before, after: original and redacted model; `before` is None where there is nothing to measure.
        compare: what the number has to be compared with.
        metric: its name in the card's metadata; None where it stands in the text alone.
        interval: 95 % bootstrap interval of `after`.
        form: how the numbers are printed.
    """

    name: str
    before: float | None
    after: float
    compare: str
    metric: str | None = None
    interval: tuple[float, float] | None = None
    form: Callable[[float | None], str] = three

    @property
    def columns(self) -> tuple[str, str, str, str]:
        """The figure as a row: name, before, after, what to compare with."""
        low, high = (self.form(end) for end in self.interval) if self.interval else ("", "")
        after = self.form(self.after) + (f" ({low} to {high})" if self.interval else "")
        return self.name, "" if self.before is None else self.form(self.before), after, self.compare


def card_figures(found: Findings | None) -> list[Figure]:
    """Return what was measured, the person first; what is no number is left out."""
    if found is None:
        return []
    figures = [*_person(found), *_attacks(found), *_others(found)]
    return [figure for figure in figures if math.isfinite(figure.after)]


def _person(found: Findings) -> Iterator[Figure]:
    reference = found.reference
    below = f"below {three(reference.threshold)}"
    if found.subject is not None:
        views = f", highest of {found.subject.views} views" if found.subject.views > 1 else ""
        yield Figure(
            f"The person, where the model used to draw them{views}",
            found.subject.before,
            found.subject.after_max,
            f"{below}; two strangers: {three(reference.strangers.median)}",
            "subject_similarity_max",
        )
        yield Figure(
            "The person, close to there, mean",
            found.subject.nearby_before_mean,
            found.subject.nearby_after_mean,
            below,
        )
    for kind, name in (("subject", "photos that were used"), ("hold-out", "photos that were held back")):
        photos = [photo for photo in found.photos if photo.kind == kind]
        if photos:
            yield Figure(
                f"The person, {name} ({len(photos)}), highest",
                max(photo.reconstruction for photo in photos),
                max(photo.after_max for photo in photos),
                below,
            )


def _attacks(found: Findings) -> Iterator[Figure]:
    below = f"below {three(found.reference.threshold)}"
    attacks = found.recovery.attacks if found.recovery else []
    for groups, name, metric in (
        (plausible(attacks), "The person, searched for in the model, highest", "recovery_similarity_max"),
        (grouped(attacks, "W+"), "The same with a code for every layer (W+), not counted", None),
    ):
        person, others = group_of(groups, "subject", "hold-out"), group_of(groups, "control", "stranger")
        if person:
            said = [
                f"{group.name[0].lower()}{group.name[1:]} ({group.codes}): {three(group.after)}" for group in others
            ]
            yield Figure(
                name,
                max(group.before for group in person),
                max(group.after for group in person),
                "; ".join([below, *said] if metric else said or [below]),
                metric,
            )
    if counted(attacks):
        n, alike = len(counted(attacks)), share_above(counted(attacks), found.reference.threshold)
        yield Figure(f"Share of these {count(n)} searches that end as the same person", None, alike, "0 is none")
    likeness = found.recovery.likeness if found.recovery else None
    if likeness is not None:
        yield Figure(
            "Where the best of them ended: perceptual distance to the picture searched for",
            None,
            likeness.perceptual,
            f"{count(likeness.nearer)} of {count(likeness.people)} other people are nearer; the nearest 5 % within "
            f"{three(likeness.perceptual_nearest)}",
        )
    if likeness is not None and likeness.ms_ssim is not None:
        yield Figure(
            f"The same by MS-SSIM at {likeness.scales} scales, 1 for equal pictures",
            None,
            likeness.ms_ssim,
            f"{count(likeness.more_alike or 0)} of {count(likeness.people)} other people score higher",
        )
    tune = found.recovery.fine_tune if found.recovery else None
    if tune is not None and tune.steps:
        yield Figure(
            f"The person, after {count(tune.steps[-1])} steps of further training on photos",
            None,
            tune.subject[-1],
            f"{below}; somebody who was never unlearned: {three(tune.control[-1])}",
        )
    if found.leak is not None:
        yield Figure(
            "The person, found by comparing this model with the original, highest",
            None,
            found.leak.found,
            f"as many random faces: {three(found.leak.by_chance)}",
        )


def _others(found: Findings) -> Iterator[Figure]:
    others, reference = found.bystanders.random, found.reference
    same = f"1 is unchanged; the same person twice: {three(reference.same_person.median)}"
    yield Figure(f"{count(others.n)} other people, median", 1.0, others.median, same, "bystander_similarity_median")
    yield Figure(
        "Of them, the 5 % who changed most, at most",
        1.0,
        others.q05,
        f"below {three(reference.threshold)}: somebody else",
        "bystander_similarity_q05",
    )
    if others.interval is not None:
        yield Figure(
            "All of these people, mean (95 % interval)", 1.0, others.mean, "1 is unchanged", interval=others.interval
        )
    if found.erasure is not None:
        erased = found.erasure
        yield Figure(
            f"Erased: share of {count(erased.pictures)} pictures of the person no longer verified (EA)",
            0.0,
            erased.ea,
            "1 is all",
            "erasing_accuracy",
        )
        yield Figure(
            f"Retained: share of {count(erased.people)} other people still verified (RA)",
            1.0,
            erased.ra,
            "1 is all",
            "retaining_accuracy",
        )
        yield Figure("Harmonic mean of both (ERB)", 0.0, erased.erb, "1 is both", "erasing_retaining_balance")
    for figures in found.fidelity:
        if figures.network == JUDGE and figures.frechet is not None:
            unchanged = figures.frechet_unchanged
            yield Figure(
                "Pictures as a whole: Fréchet distance to the original’s, in the judge’s features",
                None,
                figures.frechet,
                "0 is unchanged" + ("" if unchanged is None else f"; two samples of the original: {plain(unchanged)}"),
                "frechet_distance_recogniser",
                form=plain,
            )
