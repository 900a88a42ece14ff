"""The main job, as one line of stages: pull, load, subject, unlearn, stage, reload, audit, gates."""

from __future__ import annotations

import copy
import shlex
import shutil
from dataclasses import dataclass
from pathlib import Path

import torch

import guide_plugin
from guide_plugin.adapter import Adapter, LocalCheckpoint, Saved
from guide_plugin.audit.audit import audit, middle_view
from guide_plugin.audit.verdict import draw_verdict
from guide_plugin.errors import UsageError
from guide_plugin.hub.source import Source
from guide_plugin.operator import Losses, Subject
from guide_plugin.plan import Display, Plan, Silent, default_output, prepare, shown
from guide_plugin.plugins import PluginHost
from guide_plugin.recipe import Recipe, parse
from guide_plugin.report.contact_sheet import contact_sheet, save_png
from guide_plugin.report.schema import Report, TrainingFigures
from guide_plugin.run_dir import RunDir, RunRecord
from guide_plugin.subject import find_subject
from guide_plugin.training import Interrupted, Training, train
from guide_plugin.whole_files import CannotWrite, replacing, sha256

# Separate streams of random numbers, so that nobody is trained on who judges, whatever the seeds.
TRAINING_STREAM, AUDIT_STREAM = 1 << 32, 2 << 32

SHOWN_BYSTANDERS = 10


@dataclass(frozen=True)
class Outcome:
    """What a run left behind.

    Attributes:
        folder: the run folder.
        model: the redacted model's folder inside it.
        report: what was measured.
        refusals: why the model may not be released; empty where it may.
    """

    folder: Path
    model: Path
    report: Report
    refusals: tuple[str, ...]


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
    subject = find_subject(plan.recipe.subject, plan.teacher)
    return carry_out(plan, subject, output or default_output(plan.source), host, display)


def carry_out(plan: Plan, subject: Subject, folder: Path, host: PluginHost, display: Display) -> Outcome:
    """Unlearn a subject whose code is known already, as `unlearn` does; the plan's operator must be fresh."""
    check_disk(folder, plan.bytes_written)
    run = RunDir.create(folder)
    try:
        run.write_subject(subject.code)
        files = {file: sha256(plan.source.folder / file) for file in (*plan.claim.files, *plan.source.companions)}
        run.write_json(
            run.recipe, {"recipe": plan.recipe.model_dump(mode="json"), "kind": subject.kind, "files": files}
        )
        return _run(plan, subject, run, host, display)
    except BaseException:
        if not run.checkpoint.exists():
            run.discard()
        raise


def resume(folder: Path, host: PluginHost | None = None, display: Display | None = None) -> Outcome:
    """Go on with an interrupted run, to the same result as if it had never stopped.

    Raises:
        UnlearnError: as `unlearn`; also where the model changed since the run began.
    """
    host, display = host or PluginHost(), display or Silent()
    run = RunDir.open(folder)
    written, code = run.read_recipe()
    plan = prepare(parse(Recipe, written["recipe"], str(run.recipe)), host, display)
    changed = [file for file, digest in written["files"].items() if sha256(plan.source.folder / file) != digest]
    if changed:
        raise UsageError(f"{changed[0]} in {plan.source.folder} changed since this run began.", "Start the run anew.")
    return _run(plan, Subject(code.to(plan.teacher.device), written["kind"]), run, host, display)


def check_disk(folder: Path, needed: int) -> None:
    """Refuse to begin what the disk cannot hold."""
    existing = next(parent for parent in (folder.absolute(), *folder.absolute().parents) if parent.exists())
    free = shutil.disk_usage(existing).free
    if free < needed:
        raise UsageError(
            f"The run needs about {needed / 1e6:.0f} MB in {existing}, {free / 1e6:.0f} MB are free.",
            "Free space or choose another --output.",
        )


def _run(plan: Plan, subject: Subject, run: RunDir, host: PluginHost, display: Display) -> Outcome:
    record = RunRecord(run.folder, plan.teacher.name, plan.operator.name)
    try:
        host.notify("unlearn_before", run=record)
        student, training = _train(plan, subject, run, host, display)
        display.stage("Writing the redacted model")
        saved = run.stage(lambda folder: _write_model(student, plan.source, folder))
        display.stage("Reading it back and measuring")
        redacted = type(student).load(LocalCheckpoint(run.staging, plan.claim.files), plan.teacher.device)
        report = _report(plan, subject, redacted, training, run).model_copy(update={"notes": list(saved.notes)})
        record = RunRecord(run.folder, plan.teacher.name, plan.operator.name, report.model_dump(mode="json"))
        host.notify("unlearn_after", run=record)
        vetoes = host.vetoes(record)
        report = report.model_copy(update={"vetoes": vetoes})
        reasons = [] if report.verdict.outcome == "pass" else report.verdict.reasons
        refusals = (*reasons, *vetoes)
        model = run.finish(report.model_dump(mode="json"), accepted=not refusals)
        return Outcome(run.folder, model, report, refusals)
    except BaseException as error:
        if isinstance(error, CannotWrite) and run.checkpoint.exists():
            error.remedy = f"Mend that, then go on with: unlearn resume {shlex.quote(str(run.folder))}"
        shutil.rmtree(run.staging, ignore_errors=True)
        host.notify("unlearn_error", run=record, error=error)
        if isinstance(error, KeyboardInterrupt) and run.checkpoint.exists():
            raise Interrupted(
                "Stopped; the training so far is saved.",
                f"Go on with: unlearn resume {shlex.quote(str(run.folder))}",
            ) from None
        raise


def _train(plan: Plan, subject: Subject, run: RunDir, host: PluginHost, display: Display) -> tuple[Adapter, Training]:
    operator, teacher, method = plan.operator, plan.teacher, plan.recipe.method
    display.stage("Unlearning")
    student = copy.deepcopy(teacher)
    for _, parameter in student.trainable_parameters():
        parameter.requires_grad_(True)
    rng = torch.Generator().manual_seed(TRAINING_STREAM + method.training_seed)
    operator.prepare(student, teacher, subject, plan.networks, rng)
    plugins_listen = host.listens("unlearn_step")

    def on_step(step: int, losses: Losses) -> None:
        display.step(step, operator.settings.steps, losses)
        if plugins_listen:
            host.notify("unlearn_step", step=step, losses=losses)

    view = teacher.audit_views()
    with torch.no_grad():
        known = plan.networks.recogniser(teacher.synthesize(_per_view(subject.code, view), view).image)

    def forgotten() -> bool:
        with torch.no_grad():
            now = plan.networks.recogniser(student.synthesize(_per_view(subject.code, view), view).image)
        return (known * now).sum(dim=1).max().item() < (method.stop_below or 0.0)

    training = train(
        operator,
        student,
        rng,
        run,
        checkpoint_every=plan.recipe.machine.checkpoint_every,
        on_step=on_step,
        stop_when=None if method.stop_below is None else forgotten,
    )
    return student, training


def _write_model(student: Adapter, source: Source, folder: Path) -> Saved:
    saved = student.save(folder)
    for file in source.companions:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source.folder / file, folder / file)
    return saved


def _report(plan: Plan, subject: Subject, redacted: Adapter, training: Training, run: RunDir) -> Report:
    """Measure the redacted model as it was read back, draw bystanders, and put the figures together."""
    recipe, teacher, suggestion = plan.recipe, plan.teacher, plan.source.suggestion
    rng = torch.Generator().manual_seed(AUDIT_STREAM + recipe.method.training_seed)
    findings = audit(teacher, redacted, subject, recipe.audit, plan.judge, plan.networks.perceptual, rng)
    _draw_bystanders(teacher, redacted, teacher.sample_latents(SHOWN_BYSTANDERS, rng), run)
    return Report(
        package_version=guide_plugin.__version__,
        torch_version=torch.__version__,
        device=str(teacher.device),
        model=plan.source.folder.resolve().name,
        adapter=teacher.name,
        operator=plan.operator.name,
        subject_kind=subject.kind,
        settings=plan.operator.settings.model_dump(mode="json"),
        facts=plan.operator.facts(),
        suggested_by_model={
            "method": suggestion.method,
            "networks": {key: shown(str(value)) for key, value in suggestion.networks.items()},
        },
        trainer=shown(recipe.networks.trainer),
        judge=shown(plan.judge_choice),
        judge_is_trainer=plan.judge_is_trainer,
        perceptual=shown(recipe.networks.perceptual),
        trained_parameters=plan.trained_parameters,
        training=TrainingFigures(**vars(training)),
        findings=findings,
        verdict=draw_verdict(
            findings, bystander_median=recipe.audit.bystander_median, judge_is_trainer=plan.judge_is_trainer
        ),
        vetoes=[],
        model_files={
            path.relative_to(run.staging).as_posix(): sha256(path)
            for path in sorted(run.staging.rglob("*"))
            if path.is_file()
        },
    )


def _per_view(code: torch.Tensor, views: torch.Tensor | None) -> torch.Tensor:
    return code if views is None else code.expand(len(views), *code.shape[1:])


@torch.no_grad()
def _draw_bystanders(teacher: Adapter, redacted: Adapter, codes: torch.Tensor, run: RunDir) -> None:
    """Draw several bystanders from the front, and the first of them under every audit view where there are several."""
    views = teacher.audit_views()
    sheets = {"bystanders.png": (codes, None if views is None else middle_view(views, len(codes)))}
    if views is not None:
        sheets["views.png"] = (_per_view(codes[:1], views), views)
    for name, (w, view) in sheets.items():
        before, after = (model.synthesize(w, view).image for model in (teacher, redacted))
        with replacing(run.folder / name) as partial:
            save_png(contact_sheet(before, after), partial)
