"""What a comparison of methods leaves in `comparison.json`, as frozen records. Nothing here identifies the subject."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from guide_plugin.report.record import Record
from guide_plugin.report.schema import InversionFigures

SCHEMA_VERSION = 1


class MethodRun(Record):
    """What one method came to; the run's own `report.json` holds every figure.

    Attributes:
        method: the operator's name, and that of its run's folder inside the comparison's.
        settings: what was set otherwise than by the operator's defaults, files without their folders.
        verdict: of the audit.
        refusals: why the model may not be released, by verdict and gates; empty where it may.
        seconds: of all steps; what the method does before them is not counted.
    """

    method: str
    settings: dict[str, Any]
    verdict: Literal["pass", "fail", "inconclusive"]
    refusals: list[str]
    steps: int
    seconds: float

    @property
    def refused_by_gates(self) -> bool:
        """Whether the audit passed the model and a release gate did not."""
        return self.verdict == "pass" and bool(self.refusals)


class Row(Record):
    """One line of the table, its numbers by method.

    Attributes:
        key: its name for programs.
        label: what is measured, in words; indented where it belongs to the line above.
        before: what the method's audit found of the original: the same for every method, but for what a GPU rounds
            and for methods that change the views.
        after: the same of the redacted model; neither has a number where there is nothing to measure.
    """

    key: str
    label: str
    before: dict[str, float]
    after: dict[str, float]


class Comparison(Record):
    """Methods compared on the same subject, with the same draws for every audit.

    Attributes:
        level: how much was measured, "quick" or "full".
        subject_kind: as in a report.
        inversion: how the photos became a code, once for all methods; None without photos.
        methods: those that are done, in the order asked for.
        rows: similarities to the original's picture; and "frechet_ratio", how many times as far the pictures as a
            whole moved as two samples of the original lie apart.
    """

    schema_version: int = SCHEMA_VERSION
    date: str
    package_version: str
    torch_version: str
    device: str
    model: str
    adapter: str
    level: str
    subject_kind: str
    inversion: InversionFigures | None
    trainer: str
    judge: str
    judge_is_trainer: bool
    perceptual: str
    methods: list[MethodRun] = Field(default_factory=list)
    rows: list[Row] = Field(default_factory=list)
