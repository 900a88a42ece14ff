"""What the attempts to bring the subject back came to, as frozen records."""

from __future__ import annotations

from typing import Literal

from guide_plugin.report.record import Record

Who = Literal["subject", "hold-out", "control", "stranger"]
Start = Literal["mean", "random", "picked", "old code"]
Codes = Literal["W", "W+", "Z"]
Guide = Literal["trainer", "judge"]


class Attack(Record):
    """One search for a picture, in both generators with the same budget: can they still draw this person?

    Attributes:
        who: "subject", "hold-out" (other photos of the subject), "control" (people who were never unlearned, drawn by
            the original), "stranger" (people whom the generator never saw).
        codes: what was searched: "W" one code for all layers, "Z" what the generator's mapping network makes codes from
            (both plausible: what the generator itself knows), "W+" a code per layer.
        start: where the search began: "mean", "random", "old code", or "picked" from many random codes as the one whose
            picture is the most alike to the recogniser that trained.
        guide: whose opinion of the face led the search, that of the recogniser that trained or the judge's.
        steps: at which steps `before` and `after` were measured, ascending; the last is the attack's end.
        before, after: similarity of the picture to the best drawing so far, original and redacted generator; the
            original is searched once for each picture and kind of codes, and further searches are held against that.
        distance_before, distance_after: of the code found, to the mean code, in units of the typical random code.
    """

    who: Who
    codes: Codes
    start: Start
    guide: Guide = "trainer"
    steps: list[int]
    before: list[float]
    after: list[float]
    distance_before: float
    distance_after: float

    @property
    def counted(self) -> bool:
        """Whether the verdict counts it: a search for the subject among codes that the generator itself makes."""
        return self.codes != "W+" and self.who in ("subject", "hold-out")


class SearchCost(Record):
    """What all searches together took: how many, their steps, and seconds of wall-clock time."""

    searches: int
    steps: int
    seconds: float


class LikenessFigures(Record):
    """What the eye would see where the best search that the verdict counts ended, beside other people.

    Attributes:
        codes: over what it searched, "W" or "Z".
        people: random bystanders as the original draws them, under the view of the picture searched for.
        perceptual: perceptual distance of the redacted generator's picture there to the picture searched for.
        perceptual_nearest: that of a bystander's than which 5 % of them are nearer.
        nearer: how many bystanders' pictures are nearer than the search's.
        scales: at how many scales MS-SSIM was taken: 5, or fewer for pictures under 176 pixels; 0 below 11.
        ms_ssim, ms_ssim_nearest, more_alike: the same by MS-SSIM, 1 for equal pictures; None for 0 scales.
    """

    codes: Codes
    people: int
    perceptual: float
    perceptual_nearest: float
    nearer: int
    scales: int
    ms_ssim: float | None = None
    ms_ssim_nearest: float | None = None
    more_alike: int | None = None


class PathPoint(Record):
    """Codes around the subject's old one.

    Attributes:
        towards: "random" people, or the "mean" code.
        fraction: how far along the way the codes lie; 0 is the subject's own.
        before_*, after_*: mean and highest similarity to the original's picture of the subject.
    """

    towards: Literal["random", "mean"]
    fraction: float
    before_mean: float
    before_max: float
    after_mean: float
    after_max: float


class FineTune(Record):
    """A short fine-tune of the redacted generator on hold-out photos (or the subject's, where there are none).

    Attributes:
        photos: which photos it saw: "hold-out" or "subject".
        steps: at which steps similarity was measured, 0 first.
        subject: similarity of what the redacted generator then draws to the subject's photo.
        control: the same of a person who was never unlearned, the redacted generator fine-tuned on them alike.
    """

    photos: Literal["hold-out", "subject"]
    steps: list[int]
    subject: list[float]
    control: list[float]


class RecoveryFigures(Record):
    """Can the subject be brought back?

    Attributes:
        attacks: searches for pictures, see `Attack`.
        cost: of all of these.
        likeness: what the best of them ended at; None in a report of an earlier version, as is `cost`.
        path: codes around the old one.
        searched: random codes of the redacted generator that were compared with the subject.
        search_before, search_after: the highest similarity to the subject among them, both generators.
        fine_tune: only in a full audit.
    """

    attacks: list[Attack]
    cost: SearchCost | None = None
    likeness: LikenessFigures | None = None
    path: list[PathPoint]
    searched: int
    search_before: float
    search_after: float
    fine_tune: FineTune | None = None
