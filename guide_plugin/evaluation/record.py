"""What an evaluation leaves in `evaluation.json`, as frozen records. Nothing here identifies the subject."""

from __future__ import annotations

from typing import Any

from guide_plugin.report.record import Record

SCHEMA_VERSION = 1

PAPERS_SAMPLES = 5000


class Figure(Record):
    """One number of the paper's table, or why there is none.

    Attributes:
        value: the number; None where it was not measured.
        not_measured: the reason, in a sentence; None where it was measured.
        measured_by: the network that measured it.
        as_published: whether network and amount are those of the published number.
        pairs, pairs_measured: of an identity: pictures before and after, and in how many pairs both faces were found.
        samples: of a Fréchet distance: random people of each generator.
    """

    value: float | None = None
    not_measured: str | None = None
    measured_by: str | None = None
    as_published: bool = False
    pairs: int | None = None
    pairs_measured: int | None = None
    samples: int | None = None


class Reconstruction(Record):
    """How well the codes found for the subject's pictures draw them.

    Attributes:
        similarity: the judge's cosine between each picture and its reconstruction, the unlearned one first.
        losses: the search's loss terms, mean over pictures.
        seconds: of the whole search.
    """

    judge: str
    similarity: list[float]
    losses: dict[str, float]
    steps: int
    seconds: float


class Training(Record):
    """What was unlearned; `run` is the run's folder inside the evaluation's."""

    run: str
    steps: int
    seconds: float
    trainer: str
    refusals: list[str]


class Case(Record):
    """One of the paper's three cases.

    Attributes:
        case: "random", "in-domain" or "out-of-domain".
        pictures: how many of the subject were given.
        reconstruction: None where the code was drawn from a seed.
        training: None where an existing redacted model was measured.
        id: similarity of the subject before and after, mean over the audit views.
        id_others: the same for the subject's other pictures.
        fid_pre: Fréchet distance of the original's pictures to the redacted model's.
        delta_fid_real: how much further from real pictures the redacted model is than the original.
    """

    case: str
    pictures: int
    reconstruction: Reconstruction | None
    training: Training | None
    id: Figure
    id_others: Figure
    fid_pre: Figure
    delta_fid_real: Figure


class PublishedRow(Record):
    """A row of the method's own publication, measured on another model and another person."""

    row: str
    id: float
    id_others: float
    fid_pre: float
    delta_fid_real: float


PUBLISHED = [
    PublishedRow(row="GUIDE", id=0.0183, id_others=0.2797, fid_pre=7.497, delta_fid_real=3.331),
    PublishedRow(row="baseline", id=0.0818, id_others=0.4122, fid_pre=9.487, delta_fid_real=4.891),
]


class Evaluation(Record):
    """A whole evaluation.

    Attributes:
        released_views: whether the views are those of the released code, where these differ from the backbone's own.
        settings: the operator's settings that were asked for beyond its defaults and the model's suggestion.
        published: the publication's rows, for comparison; another model and another person.
    """

    schema_version: int = SCHEMA_VERSION
    protocol: str = "guide"
    package_version: str
    torch_version: str
    device: str
    model: str
    adapter: str
    redacted: str | None
    encoder: str | None
    perceptual: str
    released_views: bool
    settings: dict[str, Any]
    cases: list[Case]
    published: list[PublishedRow] = PUBLISHED
