"""What `provenance.json` holds, as frozen records. Nothing in it identifies a person or names a local folder."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from guide_plugin.report.record import Record

FORMAT_VERSION: Literal[1] = 1
CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def _inside(path: str) -> str:
    parts = PurePosixPath(path).parts
    if not parts or parts[0] == "/" or ".." in parts or "\\" in path or CONTROL.search(path):
        raise ValueError("a file's path leads out of its folder or is none")
    return path


Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Files = dict[Annotated[str, AfterValidator(_inside)], Digest]
"""SHA-256 by POSIX path in a repository."""


class SourceModel(Record):
    """The model that the person was taken out of.

    Attributes:
        repo: "ORG/NAME" on the Hub; None for a local folder, whose name and place are nobody's business.
        commit: 40 hexadecimal digits; None for a local folder.
        files: SHA-256 of its files by path.
    """

    repo: Annotated[str, StringConstraints(pattern=r"^\w[\w.-]*(/\w[\w.-]*)?$")] | None = None
    commit: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{40}$")] | None = None
    files: Files = Field(default_factory=dict)


class NetworksUsed(Record):
    """The frozen networks as reports show them, and the SHA-256 of their weights by what they did."""

    trainer: str
    judge: str
    perceptual: str
    files: dict[str, str | None] = Field(default_factory=dict)


class RuleOutcome(Record):
    """One rule of the verdict, see `report.schema.Rule`; what was measured but is no number is None."""

    name: str
    asked: str
    measured: float | None
    limit: float | None
    outcome: Literal["pass", "fail", "vacuous", "not measured"]


class VerdictOutcome(Record):
    """The verdict, without its sentences."""

    outcome: Literal["pass", "fail", "inconclusive"]
    rules: list[RuleOutcome] = Field(default_factory=list)


class Rechecked(Record):
    """Whether somebody who was removed earlier is still gone from this model.

    Attributes:
        measured: the highest similarity to them; None where it was not measured, and then `why` says why, in words
            that name neither a person nor a file.
        limit: below it, they count as gone.
    """

    measured: float | None
    limit: float | None
    outcome: Literal["pass", "fail", "not measured"]
    why: str | None = None

    @model_validator(mode="after")
    def _measured_or_why(self) -> Self:
        if (self.measured is None) != (self.outcome == "not measured") or (self.measured is None and not self.why):
            raise ValueError("give what was measured, or say why it was not")
        return self


class Provenance(Record):
    """Where a release comes from.

    Attributes:
        date: of the audit, YYYY-MM-DD.
        versions: of the packages that this one stands on.
        settings: the operator's; of a path, the file's name.
        recipe_sha256: see `recipe_sha256`.
        files: SHA-256 of every published file by path, this one excepted.
        left_out: weight files of the source that were not carried over, because they may still hold the person.
        history: earlier removals that this model stands on, the oldest first, each without a history of its own.
        rechecked: only in a history: whether that person is still gone from the newest model.
    """

    format_version: Literal[1] = FORMAT_VERSION
    date: str
    package_version: str
    versions: dict[str, str]
    adapter: str
    operator: str | None
    settings: dict[str, Any]
    recipe_sha256: Digest
    networks: NetworksUsed
    verdict: VerdictOutcome
    source: SourceModel
    files: Files
    left_out: list[str] = Field(default_factory=list)
    history: list[Provenance] = Field(default_factory=list)
    rechecked: Rechecked | None = None

    @model_validator(mode="after")
    def _flat(self) -> Self:
        if any(earlier.history for earlier in self.history):
            raise ValueError("an earlier release in a history has a history of its own")
        return self
