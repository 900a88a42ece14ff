"""Several methods on one subject: each in a run of its own, all measured alike."""

from __future__ import annotations

import copy
import datetime
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import torch

import guide_plugin
from guide_plugin.adapter import LocalCheckpoint
from guide_plugin.comparison.pictures import draw, write_pictures
from guide_plugin.comparison.plans import make_plans
from guide_plugin.comparison.record import Comparison, MethodRun
from guide_plugin.comparison.rows import rows_of
from guide_plugin.errors import UsageError
from guide_plugin.operator import Losses, OperatorSettings
from guide_plugin.pipeline import Outcome, carry_out, whose
from guide_plugin.plan import Display, Plan, Silent, default_output, shown
from guide_plugin.plugins import PluginHost
from guide_plugin.recipe import Recipe
from guide_plugin.report.findings import Findings
from guide_plugin.subject import Case
from guide_plugin.whole_files import json_bytes, make_new, write_whole

RECORD = "comparison.json"


def compare(
    recipe: Recipe,
    methods: Sequence[str],
    output: Path | None = None,
    host: PluginHost | None = None,
    display: Display | None = None,
) -> tuple[Comparison, Path]:
    """Unlearn the same subject by several methods, and put side by side what their audits found.

    The subject is found once, every method starts from the original, and all audits draw the same people. A model that
    is refused is a result like any other. Of what the model's owner suggests, the operator that it is written for takes
    everything, the others what suits the model whatever the method: steps and learning rate.

    Args:
        recipe: as for `unlearn`, but that its operator does not count; a setting "METHOD.KEY" is for one method.
        methods: names of operators, at least two.
        output: the folder to make, by default `runs/compare-MODEL-DATE-TIME`: `comparison.json`, written anew after
            each method, a run folder per method, and `comparison.png`, bystanders as every model draws them. The
            subject is drawn beside them in `private/comparison.png`, where the recipe keeps evidence.

    Returns:
        What was found, and the folder.

    Raises:
        UnlearnError: its subclasses say what went wrong; the methods done until then stay in the record.
    """
    host, display = host or PluginHost(), display or Silent()
    if recipe.release.push:
        raise UsageError("A comparison publishes nothing.", "Publish one of its runs: unlearn push RUN.")
    if recipe.audit.level == "off":
        raise UsageError("Without an audit there is nothing to compare.", 'Choose "quick" or "full".')
    plans = make_plans(recipe, methods, host, display)
    plan = plans[methods[0]]
    case = whose(plan, host, display)
    comparison, drawn = _begin(plan, case), {"original": draw(plan.teacher, plan, case)}
    found: dict[str, Findings] = {}
    folder = output or default_output(plan.source, "compare")
    make_new(folder)
    try:
        for method, plan in plans.items():
            own = replace(plan, teacher=copy.deepcopy(plan.teacher))  # a method may change its views
            outcome = carry_out(own, case, folder / method, host, _Naming(display, method))
            redacted = type(plan.teacher).load(LocalCheckpoint(outcome.model, plan.claim.files), plan.teacher.device)
            drawn[method] = draw(redacted, plan, case)
            assert outcome.report.findings is not None
            found[method] = outcome.report.findings
            done = [*comparison.methods, _summary(method, plan.operator.settings, outcome)]
            comparison = comparison.model_copy(update={"methods": done, "rows": rows_of(found)})
            write_whole(folder / RECORD, json_bytes(comparison.model_dump(mode="json")))
        write_pictures(folder, drawn, with_subject=recipe.audit.keep_evidence)
    finally:
        with suppress(OSError):
            folder.rmdir()  # only where nothing came of it
    return comparison, folder


class _Naming:
    """A display that says which method is at work."""

    def __init__(self, display: Display, method: str) -> None:
        self.display, self.method = display, method

    def stage(self, text: str) -> None:
        self.display.stage(f"{self.method}: {text}")

    def step(self, step: int, steps: int, losses: Losses) -> None:
        self.display.step(step, steps, losses)


def _begin(plan: Plan, case: Case) -> Comparison:
    return Comparison(
        date=datetime.date.today().isoformat(),
        package_version=guide_plugin.__version__,
        torch_version=torch.__version__,
        device=str(plan.teacher.device),
        model=plan.source.name,
        adapter=plan.teacher.name,
        level=plan.recipe.audit.level,
        subject_kind=case.subject.kind,
        inversion=case.inversion,
        trainer=shown(plan.recipe.networks.trainer),
        judge=shown(plan.judge_choice),
        judge_is_trainer=plan.judge_is_trainer,
        perceptual=shown(plan.recipe.networks.perceptual),
    )


def _summary(method: str, settings: OperatorSettings, outcome: Outcome) -> MethodRun:
    trained = outcome.report.training
    assert trained is not None
    said = settings.model_dump(exclude_defaults=True)
    return MethodRun(
        method=method,
        settings={key: value.name if isinstance(value, Path) else value for key, value in said.items()},
        verdict=outcome.verdict,
        refusals=list(outcome.refusals),
        steps=trained.steps,
        seconds=trained.seconds,
    )
