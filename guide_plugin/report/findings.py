"""What an audit measures, as frozen records. Nothing here identifies the subject."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from guide_plugin.report.record import Record
from guide_plugin.report.recovery_figures import RecoveryFigures


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
    counts: list[int] = Field(default_factory=list)


BINS = 80


class Reference(Record):
    """What is low, and what is high: the judge's similarities on the original generator.

    Attributes:
        people: random people that were drawn.
        strangers: every pair of different people among them.
        same_person: each of them against a code a tenth of the way to somebody else, where they are still themselves,
            framed and lit a little otherwise, and so under another view where the generator has views; and the
            subject's photos, each against each.
        false_accept: the share of strangers' pairs above `threshold`.
        threshold: above it, two pictures count as one person.
        known: share of the same-person pairs that reach `threshold`: how well the judge knows people on this model.
        photo_pairs, photo_pairs_known: how many of these pairs are of photos, and how many of those reach it.
        alike: median cosine of random people in the judge's own embeddings; like `known`, None in a report of an
            earlier version.
        centred: whether `alike` is so high that every similarity is taken from the mean of random people's embeddings.
    """

    people: int
    strangers: Distribution
    same_person: Distribution
    false_accept: float
    threshold: float
    known: float | None = None
    photo_pairs: int = 0
    photo_pairs_known: int = 0
    alike: float | None = None
    centred: bool = False


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
        lost: how many random people count as somebody else after: similarity below the threshold.
        merged: share of pairs of random people whom the judge told apart before and takes for one person after.
    """

    random: Distribution
    neighbours: Distribution | None
    neighbours_to_subject: Distribution | None
    pixels: Distribution
    perceptual: Distribution
    lost: int
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

    @property
    def ratio(self) -> float | None:
        """How many times as far the pictures moved as two samples of the original lie apart."""
        if self.frechet is None or not self.frechet_unchanged:
            return None
        return self.frechet / self.frechet_unchanged


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


class ErasureFigures(Record):
    """Erased and retained, by the judge at its threshold.

    Attributes:
        pictures: those of the subject that the judge verified as them when the original drew them: their own code under
            all views, the codes nearby, each photo at its code, and the ends of the searches that the verdict counts.
        ea: erasing accuracy, the share of these in which it no longer verifies them when the redacted generator draws.
        people: the random bystanders.
        ra: retaining accuracy, the share of these whom it still verifies as themselves, before against after.
        erb: erasing-retaining balance, the harmonic mean of both.
    """

    pictures: int
    ea: float
    people: int
    ra: float
    erb: float


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
    photos: list[PhotoFigures] = Field(default_factory=list)
    target: TargetFigures | None = None
    recovery: RecoveryFigures | None = None
    erasure: ErasureFigures | None = None
    leak: LeakFigures | None = None
    not_measured: list[str] = Field(default_factory=list)
