"""What an audit measures, as frozen records. Nothing here identifies the subject."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

class Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Distribution(Record):
    """A sample in a few numbers.

    Attributes:
        interval: 95 % bootstrap interval of the mean, where a mean is quoted.
        counts: of a similarity, how many lie in each of `BINS` equal bins from -1 to 1; empty elsewhere.
    """

    n: int
    minimum: float
    q05: float
    median: float
    q95: float
    q99: float
    maximum: float
    mean: float
    interval: tuple[float, float] | None = None
    counts: list[int] = []


BINS = 80


class Reference(Record):
    """What is low: the judge's similarities on the original generator.

    Attributes:
        people: random people that were drawn.
        strangers: every pair of different people among them.
        same_person: each of them against a code a tenth of the way to somebody else, where they are still themselves,
            and under another view where the generator has views.
        false_accept: the share of strangers' pairs above `threshold`.
        threshold: above it, two pictures count as one person.
    """

    people: int
    strangers: Distribution
    same_person: Distribution
    false_accept: float
    threshold: float


class SubjectFigures(Record):
    """Cosine similarity to the original generator's picture of the subject, their own code, all views.

    Before unlearning the subject's own code scores 1 by definition; the codes nearby do not.

    Attributes:
        nearby_*: codes a tenth of the way from the subject's to random ones.
    """

    views: int = 1
    before: float = 1.0
    after_mean: float
    after_max: float
    nearby_before_mean: float
    nearby_after_mean: float
    nearby_after_max: float


class PhotoFigures(Record):
    """One photo of the subject.

    Attributes:
        kind: "subject" was used to unlearn, "hold-out" only judges.
        reconstruction: similarity of the photo to the original's picture at the code found for it.
        after_mean, after_max: similarity of the photo to the redacted model's pictures at that code, over all views.
        code_after_max: similarity of the two models' pictures at that code, the highest of all views (the paper's ID,
            and ID_others for a hold-out).
    """

    kind: Literal["subject", "hold-out"]
    reconstruction: float
    after_mean: float
    after_max: float
    code_after_max: float


class BystanderFigures(Record):
    """Everybody else, before against after.

    Attributes:
        random: similarity of random people's two pictures.
        neighbours: the same of those random people whom the judge finds most like the subject, but who are not them.
        neighbours_to_subject: how like the subject those were before. Both are None for an audit without a subject.
        pixels: mean absolute change of values in [-1, 1] of the random people's pictures.
        perceptual: their perceptual distance before to after.
        merged: share of pairs of random people whom the judge told apart before and takes for one person after.
    """

    random: Distribution
    neighbours: Distribution | None
    neighbours_to_subject: Distribution | None
    pixels: Distribution
    perceptual: Distribution
    merged: float


class FidelityFigures(Record):
    """How much the pictures as a whole changed, in one network's features.

    Attributes:
        network: whose features: "judge", or "Inception (pytorch-fid)".
        samples: random people of each generator.
        frechet: Fréchet distance before to after (with Inception: FID_pre).
        frechet_unchanged: the same between two samples of different people, both the original's.
        kid, kid_unchanged: the kernel distance (unbiased MMD², cubic kernel), likewise.
        delta_real: with statistics of real pictures, the distance to them after less the one before.
        not_measured: why there are no numbers.
    """

    network: str
    samples: int
    frechet: float | None = None
    frechet_unchanged: float | None = None
    kid: float | None = None
    kid_unchanged: float | None = None
    delta_real: float | None = None
    not_measured: str | None = None


Who = Literal["subject", "hold-out", "control", "stranger"]


class Attack(Record):
    """One picture, inverted into both generators with the same budget: can they still draw this person?

    Attributes:
        who: "subject", "hold-out" (other photos of the subject), "control" (people who were never unlearned, drawn by
            the original), "stranger" (people whom the generator never saw).
        codes: "W" one code for all layers (plausible: what the generator itself knows), "W+" a code per layer.
        start: where the search began: "mean", "random", "old code".
        steps: at which steps `before` and `after` were measured, ascending; the last is the attack's end.
        before, after: similarity of the picture to the best drawing so far, original and redacted generator; the
            original is attacked from the mean code alone.
        distance_before, distance_after: of the code found, to the mean code, in units of the typical random code.
    """

    who: Who
    codes: Literal["W", "W+"]
    start: Literal["mean", "random", "old code"]
    steps: list[int]
    before: list[float]
    after: list[float]
    distance_before: float
    distance_after: float


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
        attacks: inversions, see `Attack`.
        path: codes around the old one.
        searched: random codes of the redacted generator that were compared with the subject.
        search_before, search_after: the highest similarity to the subject among them, both generators.
        fine_tune: only in a full audit.
    """

    attacks: list[Attack]
    path: list[PathPoint]
    searched: int
    search_before: float
    search_after: float
    fine_tune: FineTune | None = None


class LeakFigures(Record):
    """Who can be found by one who holds both models: the codes whose pictures changed most.

    Attributes:
        starts: random codes from which the change was maximised.
        found: similarity of the original's pictures at the codes found to the subject, the highest.
        found_mean: and their mean.
        by_chance: the highest similarity to the subject among as many random codes.
        change: mean absolute change of the picture at the best code, of values in [-1, 1]; `change_random` at random
            codes, `change_subject` at the subject's own.
    """

    starts: int
    found: float
    found_mean: float
    by_chance: float
    change: float
    change_random: float
    change_subject: float


class TargetFigures(Record):
    """Who stands in the subject's place.

    Attributes:
        face_found: whether MTCNN finds a face in the redacted picture; None where it could not look.
        to_subject: the judge's similarity of that picture to the subject's photos and original picture, the highest.
    """

    face_found: bool | None
    to_subject: float


class Findings(Record):
    """What the audit measured, all similarities by the judge; parts that a quick or partial audit left out are None.

    Attributes:
        not_measured: what was left out, and why, in sentences.
    """

    level: Literal["quick", "full"]
    seconds: float
    reference: Reference
    bystanders: BystanderFigures
    fidelity: list[FidelityFigures]
    weights_finite: bool
    subject: SubjectFigures | None = None
    photos: list[PhotoFigures] = []
    target: TargetFigures | None = None
    recovery: RecoveryFigures | None = None
    leak: LeakFigures | None = None
    not_measured: list[str] = []
