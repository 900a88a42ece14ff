"""Where a release comes from: written down as `provenance.json`, read again, held against a folder."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from guide_plugin.errors import UsageError
from guide_plugin.hub.provenance_record import (
    FORMAT_VERSION,
    NetworksUsed,
    Provenance,
    Rechecked,
    RuleOutcome,
    SourceModel,
    VerdictOutcome,
)
from guide_plugin.hub.weight_files import holds_weights
from guide_plugin.hub.without_folders import without_folders
from guide_plugin.recipe import Recipe
from guide_plugin.report.schema import Report
from guide_plugin.whole_files import sha256

PROVENANCE = "provenance.json"


def provenance_of(
    report: Report,
    recipe: Recipe,
    source: SourceModel,
    files: Mapping[str, str],
    left_out: Iterable[str] = (),
    earlier: Provenance | None = None,
    rechecked: Mapping[str, Rechecked] | None = None,
) -> Provenance:
    """Put together where a release comes from.

    Args:
        files: SHA-256 of every file to be published, by path; `provenance.json` itself is not among them.
        earlier: what the source's own `provenance.json` says, where it is a release of this package too.
        rechecked: what was measured again of earlier removals, by `release_id`; without it, nothing is said of them.

    Raises:
        ValueError: `rechecked` speaks of a release that is not in the history.
    """
    rechecked = dict(rechecked or {})
    before = [] if earlier is None else [*earlier.history, earlier]
    history = [
        one.model_copy(update={"history": [], "rechecked": rechecked.pop(release_id(one), None)}) for one in before
    ]
    if rechecked:
        raise ValueError(f"No earlier release has the id {', '.join(rechecked)}.")
    return Provenance(
        date=report.date,
        package_version=report.package_version,
        versions={"torch": report.torch_version, **report.versions},
        adapter=report.adapter,
        operator=report.operator,
        settings=without_folders(report.settings),
        recipe_sha256=recipe_sha256(recipe),
        networks=NetworksUsed(
            trainer=without_folders(report.trainer),
            judge=without_folders(report.judge),
            perceptual=without_folders(report.perceptual),
            files=without_folders(report.network_files),
        ),
        verdict=VerdictOutcome(
            outcome=report.verdict.outcome,
            rules=[
                RuleOutcome(
                    name=rule.name,
                    asked=rule.asked,
                    measured=_number(rule.measured),
                    limit=_number(rule.limit),
                    outcome=rule.outcome,
                )
                for rule in report.verdict.rules
            ],
        ),
        source=source,
        files=dict(sorted(files.items())),
        left_out=sorted(left_out),
        history=history,
    )


def recipe_sha256(recipe: Recipe) -> str:
    """Return the SHA-256 of what was asked, apart from the subject and from where files lie.

    The subject stays out because it could be guessed back: there are 2³² seeds, and hashing them all takes minutes. The
    model stays out because a release names it separately.
    """
    asked = recipe.model_dump(mode="json", exclude={"subject", "hub"})
    return hashlib.sha256(_canonical(without_folders(asked))).hexdigest()


def release_id(provenance: Provenance) -> str:
    """Return 16 hexadecimal digits that name a release: the beginning of the SHA-256 of its canonical JSON.

    History and rechecks stay out, so that a release is called the same in the history of a later one.
    """
    held = provenance.model_dump(mode="json", exclude={"history", "rechecked"})
    return hashlib.sha256(_canonical(held)).hexdigest()[:16]


def read_provenance(path: Path) -> Provenance:
    """Read `provenance.json`.

    Raises:
        UsageError: it cannot be read, is damaged, or is of a format that this version does not know.
    """
    try:
        held = json.loads(path.read_bytes())
        version = held["format_version"]
        if isinstance(version, int) and version != FORMAT_VERSION:
            raise UsageError(
                f"{path} has format {version}, this version of guide-plugin reads {FORMAT_VERSION}.",
                "Use the version of guide-plugin that wrote it, or a newer one.",
            )
        return Provenance.model_validate(held)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.", "Fetch the whole release again.") from None
    except (ValueError, KeyError, TypeError, RecursionError):
        raise UsageError(f"{path} is damaged.", "Fetch the whole release again.") from None


def differences(provenance: Provenance, folder: Path) -> list[str]:
    """Say in sentences how a folder differs from the release; an empty list means that it is the release.

    Files beside the listed ones are told only where their endings are those of weight files.
    """
    found = []
    for name, expected in provenance.files.items():
        path = folder / name
        if not path.is_file():
            found.append(f"{name} is missing.")
        elif (actual := sha256(path)) != expected:
            found.append(f"{name} is not the released file: its SHA-256 begins {actual[:12]}, not {expected[:12]}.")
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if name not in provenance.files and holds_weights(path.name) and path.is_file():
            found.append(f"{name} may hold weights, and the release does not list it.")
    return found


def _canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _number(value: float | None) -> float | None:
    return value if value is None or math.isfinite(value) else None
