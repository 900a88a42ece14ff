"""An audit on its own: of a run that is done, or of two models, one of which somebody else redacted."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

from guide_plugin.adapter import LocalCheckpoint
from guide_plugin.assessment import all_files, assess, bystander_sheets, hashes, write_pages
from guide_plugin.earlier import reopened
from guide_plugin.errors import UsageError
from guide_plugin.hub.source import find
from guide_plugin.pipeline import Outcome, conclude, whose
from guide_plugin.plan import Display, Silent, load_model, prepare
from guide_plugin.plugins import PluginHost
from guide_plugin.recipe import Recipe
from guide_plugin.report.schema import Report
from guide_plugin.run_dir import RunDir
from guide_plugin.whole_files import json_bytes, make_new, write_whole


def audit_run(
    folder: Path, audit: dict[str, Any], host: PluginHost | None = None, display: Display | None = None
) -> Outcome:
    """Audit a done run anew, and file its model and report under the new verdict.

    Args:
        audit: what to do otherwise than the run's recipe says, as `recipe.Audit` names it: `{"level": "full"}`.

    Raises:
        UnlearnError: this is no run that is done, or the original model changed since.
    """
    host, display = host or PluginHost(), display or Silent()
    run = RunDir.open(folder, done=True)
    plan, case = reopened(run, {"audit": audit}, host, display)
    before = Report.model_validate_json(run.report.read_bytes())
    model = run.model()
    redacted = load_model(type(plan.teacher), LocalCheckpoint(model, plan.claim.files), plan.teacher.device)
    files = hashes(model, all_files(model))
    if files != before.model_files:
        raise UsageError(f"The model in {model} is not the one that the run wrote.", "Audit it with --before, --after.")
    report, audited = assess(plan, case, redacted, files, before.training, before.facts, display)
    report = report.model_copy(update={"notes": before.notes})

    def finish(written: dict[str, Any], accepted: bool) -> Path:
        run.write_json(run.report, written)
        return run.file_away(model, accepted)

    return conclude(plan, run, redacted, report, audited, host, finish)


def audit_models(
    recipe: Recipe,
    after: str,
    output: Path | None = None,
    host: PluginHost | None = None,
    display: Display | None = None,
) -> Outcome:
    """Audit a model that somebody else redacted.

    Args:
        recipe: its model is the original; whom its subject names was to be unlearned, nobody where it names none.
        after: the redacted model: a folder, a file, or "ORG/NAME[@REVISION]".
        output: the folder to make; by default `runs/audit-MODEL-DATE-TIME`.

    Raises:
        UnlearnError: a model cannot be had, the two are of different kinds, or a photo cannot be used.
    """
    host, display = host or PluginHost(), display or Silent()
    plan = prepare(recipe, host, display)
    source, adapter, claim = find(after, None, host.adapters)
    redacted = load_model(adapter, LocalCheckpoint(source.folder, claim.files), plan.teacher.device)
    if adapter is not type(plan.teacher) or redacted.latent_shape != plan.teacher.latent_shape:
        raise UsageError("The model after is not of the kind of the one before.", "Name the one that was made from it.")
    case = whose(plan, host, display) if recipe.subject.named else None
    now = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
    folder = output or Path("runs") / f"audit-{plan.source.name.rpartition('/')[2]}-{now}"
    make_new(folder)
    report, audited = assess(plan, case, redacted, hashes(source.folder, claim.files), None, {}, display)
    sheets = bystander_sheets(plan.teacher, redacted, recipe.method.training_seed)
    write_pages(folder, report, sheets, audited.evidence if audited else {})
    write_whole(folder / "report.json", json_bytes(report.model_dump(mode="json")))
    reasons = () if report.verdict.outcome == "pass" else tuple(report.verdict.reasons)
    return Outcome(folder, source.folder, report, reasons)
