"""The main job, as one line of stages: pull, load, subject, unlearn, stage, reload, audit, gates."""

from __future__ import annotations

import copy
import shlex
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch

from guide_plugin.adapter import Adapter, LocalCheckpoint, Saved
from guide_plugin.assessment import all_files, assess, bystander_sheets, hashes, write_pages
from guide_plugin.audit.audit import Audited
from guide_plugin.earlier import accepted_run, asked_of, reopened
from guide_plugin.errors import Refused, UnlearnError, UsageError
from guide_plugin.hub.push import Published
from guide_plugin.hub.source import Source
from guide_plugin.operator import Losses, Subject
from guide_plugin.plan import Display, Plan, Silent, default_output, load_encoder, prepare
from guide_plugin.plugins import PluginHost
from guide_plugin.publication import prepare_publication, publish, stage_release
from guide_plugin.random_streams import stream_seed
from guide_plugin.recipe import Recipe
from guide_plugin.report.schema import Report, TrainingFigures
from guide_plugin.run_dir import RunDir, RunRecord
from guide_plugin.subject import Case, find_case
from guide_plugin.training import Interrupted, Training, forgotten_below, train
from guide_plugin.whole_files import CannotWrite, json_bytes, require_space, write_private


@dataclass(frozen=True)
class Outcome:
    """What a run left behind.

    Attributes:
        folder: the run folder.
        model: the redacted model's folder inside it.
        report: what was measured.
        refusals: why the model may not be released; empty where it may.
        published: where it was published; None where that was not asked or is refused.
    """

    folder: Path
    model: Path
    report: Report
    refusals: tuple[str, ...]
    published: Published | None = None

    @property
    def verdict(self) -> Literal["pass", "fail", "inconclusive"]:
        """What the audit says; gates may refuse a model that passed."""
        return self.report.verdict.outcome


def unlearn(
    recipe: Recipe, output: Path | None = None, host: PluginHost | None = None, display: Display | None = None
) -> Outcome:
    """Unlearn the subject from the model and measure whether it worked.

    Args:
        output: the run folder to make; by default `runs/MODEL-DATE-TIME`.
        host: the plugins; by default the installed ones.
        display: told how far the run is.

    Raises:
        UnlearnError: its subclasses say what went wrong. A refused model is not an error: see `Outcome.refusals`.
    """
    host, display = host or PluginHost(), display or Silent()
    plan = prepare(recipe, host, display)
    if plan.recipe.release.push:
        done = accepted_run(plan, [output] if output else list(Path("runs").glob("*")))
        if done:
            display.stage(f"The run in {done.folder} did all this already; only publishing is left")
            return publish_run(done.folder, {}, host, display)
        prepare_publication(plan)
    return carry_out(plan, whose(plan, host, display), output or default_output(plan.source), host, display)


def whose(plan: Plan, host: PluginHost, display: Display) -> Case:
    """Find whom the plan's recipe names."""
    choice, teacher = plan.recipe.photos.encoder, plan.teacher
    encode = load_encoder(choice, host, teacher.device, teacher.latent_shape) if choice else None
    return find_case(plan.recipe, teacher, plan.networks, plan.centring.of(plan.judge), encode, display)


def carry_out(plan: Plan, case: Case, folder: Path, host: PluginHost, display: Display) -> Outcome:
    """Unlearn a subject whose code is known already, as `unlearn` does; the plan's operator must be fresh."""
    require_space(folder, plan.bytes_written)
    run = RunDir.create(folder)
    try:
        run.write_subject(case.tensors())
        files = hashes(plan.source.folder, (*plan.claim.files, *plan.source.companions))
        recipe = {**asked_of(plan.recipe), "files": files, **case.told()}
        write_private(run.recipe, json_bytes(recipe))
        return _run(plan, case, run, host, display)
    except BaseException:
        if not run.checkpoint.exists() and not run.report.exists():
            run.discard()
        raise


def resume(folder: Path, host: PluginHost | None = None, display: Display | None = None) -> Outcome:
    """Go on with an interrupted run, to the same result as if it had never stopped.

    Raises:
        UnlearnError: as `unlearn`; also where the model changed since the run began.
    """
    host, display = host or PluginHost(), display or Silent()
    run = RunDir.open(folder)
    plan, case = reopened(run, {}, host, display)
    return _run(plan, case, run, host, display)


def publish_run(
    folder: Path, release: dict[str, Any], host: PluginHost | None = None, display: Display | None = None
) -> Outcome:
    """Publish the accepted model of a run that is done.

    Args:
        release: where to, as `recipe.Release` names it; what is absent stays as the run's recipe says.

    Raises:
        UnlearnError: the run's model was refused or changed, or the Hub does not take it.
    """
    host, display = host or PluginHost(), display or Silent()
    run = RunDir.open(folder, done=True)
    plan, case = reopened(run, {"release": release}, host, display)
    report = Report.model_validate_json(run.report.read_bytes())
    if plan.recipe.release.push is None:
        raise UsageError("The run's recipe does not say where to publish.", "Give --to ORG/NAME.")
    if not (folder / "model").is_dir():
        raise Refused([*report.verdict.reasons, *report.vetoes], "Only an accepted model can be published.")
    stage_release(plan, case, run, folder / "model", report, host, display)
    vetoes = host.vetoes(_record(plan, run, report, run.release), plan.recipe.release.required)
    if vetoes:
        shutil.rmtree(run.release)
        return Outcome(folder, run.model(), report, tuple(vetoes))
    published = publish(run, plan.recipe.release, plan, display)
    return Outcome(folder, run.model(), report, (), published)


def _run(plan: Plan, case: Case, run: RunDir, host: PluginHost, display: Display) -> Outcome:
    record = _record(plan, run)
    try:
        host.notify("unlearn_before", run=record)
        student, training = _train(plan, case.subject, run, host, display)
        display.stage("Writing the redacted model and reading it back")
        saved = run.stage(lambda folder: _write_model(student, plan.source, folder))
        redacted = type(student).load(LocalCheckpoint(run.staging, plan.claim.files), plan.teacher.device)
        figures = TrainingFigures(**vars(training))
        files = hashes(run.staging, all_files(run.staging))
        notes = (*saved.notes, *plan.operator.notes())
        report, audited = assess(plan, case, redacted, files, figures, plan.operator.facts(), display, notes)
        unstaged: UnlearnError | None = None
        if plan.recipe.release.push and report.verdict.outcome == "pass":
            try:
                stage_release(plan, case, run, run.staging, report, host, display)
            except Refused as error:
                report = report.model_copy(update={"vetoes": [f"release: {reason}" for reason in error.reasons]})
            except UnlearnError as error:  # what the run made is kept, and publishing can be tried again
                unstaged = error
        outcome = conclude(plan, run, redacted, report, audited, host, run.finish)
    except BaseException as error:
        onwards = f"unlearn resume {shlex.quote(str(run.folder))}"
        if isinstance(error, CannotWrite) and run.checkpoint.exists():
            error.remedy = f"Mend that, then go on with: {onwards}"
        shutil.rmtree(run.staging, ignore_errors=True)
        host.notify("unlearn_error", run=record, error=error)
        if isinstance(error, KeyboardInterrupt) and run.checkpoint.exists():
            raise Interrupted("Stopped; the training so far is saved.", f"Go on with: {onwards}") from None
        raise
    if outcome.refusals or not plan.recipe.release.push:
        shutil.rmtree(run.release, ignore_errors=True)
        return outcome
    if unstaged:
        raise unstaged
    return replace(outcome, published=publish(run, plan.recipe.release, plan, display))


def _record(plan: Plan, run: RunDir, report: Report | None = None, release: Path | None = None) -> RunRecord:
    told = None if report is None else report.model_dump(mode="json")
    return RunRecord(run.folder, plan.teacher.name, plan.operator.name, told, release)


def conclude(
    plan: Plan,
    run: RunDir,
    redacted: Adapter,
    report: Report,
    audited: Audited | None,
    host: PluginHost,
    finish: Callable[[dict[str, Any], bool], Path],
) -> Outcome:
    """Ask the gates, write what there is to read, and let `finish` file the model under its verdict."""
    record = _record(plan, run, report, run.release if run.release.is_dir() else None)
    host.notify("unlearn_after", run=record)
    report = report.model_copy(update={"vetoes": [*report.vetoes, *host.vetoes(record, plan.recipe.release.required)]})
    reasons = [] if report.verdict.outcome == "pass" else report.verdict.reasons
    refusals = (*reasons, *report.vetoes)
    sheets = bystander_sheets(plan.teacher, redacted, plan.recipe.method.training_seed)
    write_pages(run.folder, report, sheets, audited.evidence if audited else {})
    return Outcome(run.folder, finish(report.model_dump(mode="json"), not refusals), report, refusals)


def _train(plan: Plan, subject: Subject, run: RunDir, host: PluginHost, display: Display) -> tuple[Adapter, Training]:
    operator, teacher, method = plan.operator, plan.teacher, plan.recipe.method
    display.stage("Getting to know the subject's neighbourhood")
    student = copy.deepcopy(teacher)
    for _, parameter in student.trainable_parameters():
        parameter.requires_grad_(True)
    rng = torch.Generator().manual_seed(stream_seed("training", method.training_seed))
    operator.prepare(student, teacher, subject, plan.networks, rng)
    display.stage("Unlearning")

    def on_step(step: int, losses: Losses) -> None:
        display.step(step, operator.settings.steps, losses)
        if host.listens("unlearn_step"):
            host.notify("unlearn_step", step=step, losses=losses)

    with host.noticing_costs("unlearn_step"):
        training = train(
            operator,
            student,
            rng,
            run,
            checkpoint_every=plan.recipe.machine.checkpoint_every,
            on_step=on_step,
            stop_when=None
            if method.stop_below is None
            else forgotten_below(method.stop_below, teacher, student, subject.code, plan.networks.recogniser),
        )
    return student, training


def _write_model(student: Adapter, source: Source, folder: Path) -> Saved:
    saved = student.save(folder)
    for file in source.companions:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source.folder / file, folder / file)
    return saved
