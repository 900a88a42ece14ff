"""What `report.json` holds, as frozen records. Nothing here identifies the subject."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from guide_plugin.report.findings import Findings
from guide_plugin.report.record import Record

SCHEMA_VERSION = 3
"""2 is read too: since then searches over Z, their cost, what their ends look like, how well the judge knows people."""


class Rule(Record):
    """One rule of the verdict.

    Attributes:
        name: short: "subject gone", "bystanders, median".
        asked: what is asked, in words with its number: "below 0.597".
        measured: the number, None where it was not measured.
        limit: the number asked for.
        outcome: "vacuous" where a pass would prove nothing.
        says: one sentence for a reader.
    """

    name: str
    asked: str
    measured: float | None
    limit: float | None
    outcome: Literal["pass", "fail", "vacuous", "not measured"]
    says: str


class Verdict(Record):
    """The yes or no; `reasons` says what stands against a yes."""

    outcome: Literal["pass", "fail", "inconclusive"]
    reasons: list[str]
    rules: list[Rule] = Field(default_factory=list)


class InversionFigures(Record):
    """How the photos became codes.

    Attributes:
        photos: of the subject, hold-outs not counted.
        similarity: the judge's, photo to reconstruction, of each of the subject's photos.
        vacuous: whether the first lies below the recogniser's threshold, so that there was nothing to unlearn.
    """

    photos: int
    steps: int
    seconds: float
    similarity: list[float]
    losses: dict[str, float]
    vacuous: bool


class TrainingFigures(Record):
    steps: int
    stopped_early: bool
    seconds: float
    seconds_per_step: float | None
    losses: dict[str, list[float]]


class Report(Record):
    """One run, or one audit of two given models (then `training`, `operator` and settings are empty or None).

    Attributes:
        date: of the audit, YYYY-MM-DD.
        facts: what the operator says of its prepared run.
        subject_kind: "photo", "seed", "code", "name", "rehearsal", or "none" for an audit without a subject.
        judge_is_trainer: whether the network that trained the forgetting is the only one that judged it.
        judge_note: how the judge was chosen, where nobody named it.
        network_files: SHA-256 of the networks' weight files, by name; None where a network brings its own.
        findings: None with --audit off.
        verdict: "inconclusive" with --audit off.
        vetoes: what the gates say against a release.
        notes: what the adapter says of the files it wrote, such as other networks that were emptied.
        model_files: SHA-256 of every file of the redacted model.
        source_files: SHA-256 of the original's files.
        versions: of this package and those it stands on.
    """

    schema_version: int = SCHEMA_VERSION
    date: str
    package_version: str
    torch_version: str
    device: str
    model: str
    adapter: str
    operator: str | None
    subject_kind: str
    settings: dict[str, Any]
    facts: dict[str, Any]
    suggested_by_model: dict[str, Any]
    trainer: str
    judge: str
    judge_is_trainer: bool
    judge_note: str | None = None
    perceptual: str
    network_files: dict[str, str | None] = Field(default_factory=dict)
    trained_parameters: int
    inversion: InversionFigures | None = None
    training: TrainingFigures | None
    findings: Findings | None
    verdict: Verdict
    vetoes: list[str]
    notes: list[str] = Field(default_factory=list)
    model_files: dict[str, str]
    source_files: dict[str, str] = Field(default_factory=dict)
    versions: dict[str, str] = Field(default_factory=dict)
