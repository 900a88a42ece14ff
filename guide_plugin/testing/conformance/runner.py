"""All clauses, one after another, held against one adapter."""

from __future__ import annotations

import tempfile
import traceback
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from guide_plugin.adapter import Adapter, LocalCheckpoint, RepoListing
from guide_plugin.hub.source import pull
from guide_plugin.testing.conformance import (
    batches,
    codes,
    damage,
    declaration,
    devices,
    drawing,
    gradients,
    loading,
    matching,
    old_weights,
    saving,
    students,
    views,
)
from guide_plugin.testing.conformance.bench import Bench
from guide_plugin.testing.conformance.clause import Broken, Clause, NotHere
from guide_plugin.testing.conformance.report import AS_EXPECTED, CheckReport, CheckResult, Result

TOPICS = (
    declaration,
    matching,
    loading,
    codes,
    drawing,
    batches,
    views,
    gradients,
    students,
    saving,
    old_weights,
    devices,
    damage,
)
CLAUSES: tuple[Clause, ...] = tuple(clause for topic in TOPICS for clause in topic.CLAUSES)


def check_adapter(
    adapter_class: type[Adapter],
    checkpoint: Path | LocalCheckpoint,
    told: Callable[[int, int], None] | None = None,
) -> CheckReport:
    """Hold every clause of the adapter contract against an adapter, with a model that it should be able to load.

    The checkpoint is only read; damaged and saved copies of it lie in a temporary folder.

    Args:
        checkpoint: the model's folder or file; or, of a folder that holds more, the model's files.
        told: hears how many clauses are done, of how many.

    Raises:
        UsageError: there is nothing at `checkpoint`.
    """
    results: dict[Clause, CheckResult] = {}
    with tempfile.TemporaryDirectory(prefix="unlearn-check-") as place:
        folder, listing = _found(checkpoint)
        bench = Bench(adapter_class, folder, listing, Path(place))
        for clause in CLAUSES:
            lacking = next((need for need in map(results.get, clause.needs) if need and need.result != "passed"), None)
            results[clause] = _without(clause, lacking) if lacking else _look(clause, bench)
            if told:
                told(len(results), len(CLAUSES))
    return CheckReport(getattr(adapter_class, "name", "") or adapter_class.__name__, tuple(results.values()))


def _found(checkpoint: Path | LocalCheckpoint) -> tuple[Path, RepoListing]:
    if isinstance(checkpoint, Path):
        source = pull(str(checkpoint))
        return source.folder, source.listing
    source = pull(str(checkpoint.folder))
    chosen = replace(
        source.listing,
        files={name: size for name, size in source.listing.files.items() if name in checkpoint.files},
        documents={name: held for name, held in source.listing.documents.items() if name in checkpoint.files},
    )
    return source.folder, chosen


def _without(clause: Clause, lacking: CheckResult) -> CheckResult:
    """Pass on why a clause was not looked at, or name the one that failed, to those that build on it."""
    if lacking.result == "failed":
        return _result(clause, "not run", f"depends on {lacking.name}")
    return _result(clause, lacking.result, lacking.found)


def _look(clause: Clause, bench: Bench) -> CheckResult:
    try:
        return _result(clause, "passed", clause.look(bench) or AS_EXPECTED)
    except Broken as broken:
        return _result(clause, "failed", str(broken))
    except NotHere as why:
        return _result(clause, "skipped", str(why))
    except (Exception, SystemExit) as error:
        return _result(clause, "failed", _in_words(error))


def _result(clause: Clause, result: Result, found: str) -> CheckResult:
    return CheckResult(clause.name, result, clause.expected, found, clause.matters, clause.mend)


def _in_words(error: BaseException) -> str:
    """Say what was raised, and in which line of the adapter: the last one that is neither ours nor torch's."""
    frames = traceback.extract_tb(error.__traceback__)
    here = Path(__file__).parent
    theirs = [frame for frame in frames if here != Path(frame.filename).parent and "/torch/" not in frame.filename]
    where = f" ({Path(theirs[-1].filename).name}, line {theirs[-1].lineno})" if theirs else ""
    said = " ".join(str(error).split())
    return f"{type(error).__name__}: {said}{where}" if said else f"{type(error).__name__}{where}"
