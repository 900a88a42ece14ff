"""What `report.json` holds, as frozen records. Nothing here identifies the subject."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

SCHEMA_VERSION = 1


class Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Quantiles(Record):
    """A sample in a few numbers."""

    n: int
    minimum: float
    q05: float
    median: float
    q95: float
    q99: float
    maximum: float


class SubjectFigures(Record):
    """Cosine similarity to the original generator's picture of the subject; over all views where there are several.

    Before unlearning the subject's own code scores 1 by definition; the codes nearby do not.
    """

    views: int = 1
    before: float = 1.0
    after_mean: float
    after_max: float
    nearby_before_mean: float
    nearby_after_mean: float
    nearby_after_max: float


class Verdict(Record):
    """The yes or no; `reasons` says what stands against a yes."""

    outcome: Literal["pass", "fail", "inconclusive"]
    reasons: list[str]


class TrainingFigures(Record):
    steps: int
    stopped_early: bool
    seconds: float
    seconds_per_step: float | None
    losses: dict[str, list[float]]


class Findings(Record):
    """What the audit measured, all similarities by the judge.

    Attributes:
        subject: the subject, before and after.
        strangers: pairs of different random people before unlearning.
        bystanders: random people before and after.
        bystander_pixels: their mean absolute change, of values in [-1, 1].
        bystander_perceptual: their perceptual distance before to after.
    """

    subject: SubjectFigures
    strangers: Quantiles
    bystanders: Quantiles
    bystander_pixels: Quantiles
    bystander_perceptual: Quantiles


class Report(Record):
    """One run.

    Attributes:
        facts: what the operator says of its prepared run.
        judge_is_trainer: whether the network that trained the forgetting is the only one that judged it.
        vetoes: what the gates say against a release.
        notes: what the adapter says of the files it wrote, such as other networks that were emptied.
        model_files: SHA-256 of every file of the redacted model.
    """

    schema_version: int = SCHEMA_VERSION
    package_version: str
    torch_version: str
    device: str
    model: str
    adapter: str
    operator: str
    subject_kind: str
    settings: dict[str, Any]
    facts: dict[str, Any]
    suggested_by_model: dict[str, Any]
    trainer: str
    judge: str
    judge_is_trainer: bool
    perceptual: str
    trained_parameters: int
    training: TrainingFigures
    findings: Findings
    verdict: Verdict
    vetoes: list[str]
    notes: list[str] = []
    model_files: dict[str, str]
