"""Earlier runs: found by what they were asked or what they made, and opened again."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from guide_plugin.errors import UnlearnError, UsageError
from guide_plugin.plan import Display, Plan, prepare
from guide_plugin.plugins import PluginHost
from guide_plugin.recipe import Recipe, parse
from guide_plugin.report.schema import Report
from guide_plugin.run_dir import RunDir
from guide_plugin.subject import Case
from guide_plugin.whole_files import sha256


def reopened(run: RunDir, changes: dict[str, Any], host: PluginHost, display: Display) -> tuple[Plan, Case]:
    """Load what an earlier run began with.

    Args:
        changes: by part of the recipe, what is asked otherwise now: `{"audit": {"level": "full"}}`.

    Raises:
        UsageError: the model changed since the run began.
    """
    written, tensors = run.read_recipe()
    asked = {**written["recipe"], **{part: {**written["recipe"][part], **of} for part, of in changes.items()}}
    plan = prepare(parse(Recipe, asked, str(run.recipe)), host, display)
    changed = [file for file, digest in written["files"].items() if sha256(plan.source.folder / file) != digest]
    if changed:
        raise UsageError(f"{changed[0]} in {plan.source.folder} changed since this run began.", "Start the run anew.")
    return plan, Case.from_tensors(tensors, written, plan.teacher.device)


def asked_of(recipe: Recipe) -> dict[str, Any]:
    """Return what a run is asked, as its recipe file keeps it: the recipe, and the content of the photos it names."""
    subject = recipe.subject
    named = [*subject.faces, *subject.holdout_faces, *subject.control_faces, *([subject.code] if subject.code else [])]
    return {
        "recipe": recipe.model_dump(mode="json"),
        "subject_files": [sha256(path) for path in named if path.is_file()],
    }


def accepted_run(plan: Plan, places: Collection[Path]) -> RunDir | None:
    """Return a done run of exactly this recipe whose model was accepted, from among these folders."""
    asked = asked_of(plan.recipe)
    for run in _done(places):
        try:
            written = run.read_recipe()[0]
        except UnlearnError:
            continue
        if all(written.get(key) == value for key, value in asked.items()) and (run.folder / "model").is_dir():
            return run
    return None


def run_that_made(weights: Collection[str], places: Collection[Path]) -> RunDir | None:
    """Return a done run whose redacted model has one of these SHA-256s, from among these folders."""
    for run in _done(places):
        try:
            report = Report.model_validate_json(run.report.read_bytes())
        except ValueError:
            continue
        if not set(weights).isdisjoint(report.model_files.values()):
            return run
    return None


def _done(places: Collection[Path]) -> Iterator[RunDir]:
    for folder in sorted(places, reverse=True):
        try:
            yield RunDir.open(folder, done=True)
        except (UnlearnError, json.JSONDecodeError):
            continue
