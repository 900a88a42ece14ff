"""GUIDE's published evaluation as one function: find the subject's code, unlearn, measure as the paper does.

Source: Seo et al., "Generative Unlearning for Any Identity", CVPR 2024, section 4, and its released evaluation scripts.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

import guide_plugin
from guide_plugin.adapter import Adapter, LocalCheckpoint
from guide_plugin.errors import UsageError
from guide_plugin.evaluation.auxiliary import Auxiliary, find_auxiliary
from guide_plugin.evaluation.fidelity import Fidelity
from guide_plugin.evaluation.identity import Measure, identity, make_measure
from guide_plugin.evaluation.pictures import read_folder, read_picture
from guide_plugin.evaluation.record import Case, Evaluation, Figure, Reconstruction, Training
from guide_plugin.evaluation.request import Request, shown_settings, with_published
from guide_plugin.hub.source import find
from guide_plugin.inversion import Inversion, InversionSettings, invert
from guide_plugin.operator import Subject
from guide_plugin.pipeline import carry_out
from guide_plugin.plan import Display, Silent, default_output, load_encoder, load_model, make_operator, prepare, shown
from guide_plugin.plugins import PluginHost
from guide_plugin.random_streams import stream_seed
from guide_plugin.recipe import SubjectChoice
from guide_plugin.subject import Case as Known
from guide_plugin.subject import find_subject
from guide_plugin.whole_files import make_new, replacing

NO_PICTURES = "the subject has no other pictures in this case"


@dataclass(frozen=True)
class _Person:
    """A case before it is measured: the codes [n, *latent_shape], the one to unlearn first."""

    case: str
    codes: Tensor
    pictures: int
    reconstruction: Reconstruction | None


class _Bench:
    """Everything that all cases of one evaluation share, loaded once."""

    def __init__(self, request: Request, host: PluginHost, display: Display) -> None:
        self.request, self.host, self.display = request, host, display
        found = Auxiliary()
        if request.published:
            found = find_auxiliary(request.published, Path(request.recipe.hub).stem)
        self.recipe = with_published(request.recipe, found)
        self.plan = prepare(self.recipe, host, display)
        device = self.plan.teacher.device
        self.released_views = self.plan.teacher.use_released_views()
        self.measure: Measure | None = None
        if not self.plan.judge_is_trainer:
            self.measure = make_measure(self.plan.judge, shown(self.plan.judge_choice), device)
        self.fidelity = Fidelity(
            request.samples,
            request.inception or found.inception,
            request.real_statistics or found.real_statistics,
            device,
        )

    def people(self) -> list[_Person]:
        """Find everybody's codes, before anything is trained."""
        request, teacher, found = self.request, self.plan.teacher, []
        with torch.no_grad():
            views = teacher.audit_views()
            drawn = teacher.synthesize(teacher.mean_latent(), None if views is None else views[:1]).image
        pictures = {}
        if request.in_domain:
            pictures["in-domain"] = read_picture(request.in_domain, drawn.shape[-1])
        if request.out_of_domain:
            pictures["out-of-domain"] = read_folder(request.out_of_domain, drawn.shape[-1])
        if request.seed is not None or not pictures:
            code = find_subject(SubjectChoice(seed=request.seed or 0), teacher).code
            found.append(_Person("random", code, 0, None))
        return found + [self.invert(case, images) for case, images in pictures.items()]

    def invert(self, case: str, images: Tensor) -> _Person:
        """Find the codes of pictures [n, 3, H, W]."""
        plan, request = self.plan, self.request
        start, steps = None, request.inversion_steps
        if request.encoder:
            encode = load_encoder(request.encoder, self.host, plan.teacher.device, plan.teacher.latent_shape)
            start = encode(images.to(plan.teacher.device))
        elif steps == 0:
            raise UsageError("Without an encoder a code must be searched for.", "Give more --inversion-steps.")
        steps = (0 if request.encoder else InversionSettings().steps) if steps is None else steps
        self.display.stage(f"Finding the codes of {len(images)} pictures ({case})" if steps else "Measuring the codes")
        found: Inversion = invert(
            plan.teacher,
            images,
            plan.networks.perceptual,
            plan.networks.recogniser,
            plan.judge,
            torch.Generator().manual_seed(stream_seed("inversion", plan.recipe.method.training_seed)),
            InversionSettings(steps=steps),
            start=start,
            on_step=self.display.step,
        )
        return _Person(
            case,
            found.code,
            len(images),
            Reconstruction(
                judge=shown(plan.judge_choice),
                similarity=found.similarity.tolist(),
                losses={name: values.mean().item() for name, values in found.losses.items()},
                steps=steps,
                seconds=found.seconds,
            ),
        )

    def redact(self, person: _Person, folder: Path) -> tuple[Adapter, Training | None]:
        """Unlearn the person, or load the redacted model that was named."""
        teacher = self.plan.teacher
        if self.request.redacted:
            source, adapter, claim = find(str(self.request.redacted), None, self.host.adapters)
            redacted = load_model(adapter, LocalCheckpoint(source.folder, claim.files), teacher.device)
            if adapter is not type(teacher) or redacted.latent_shape != teacher.latent_shape:
                raise UsageError("The redacted model is not of the original's kind.", "Name the one made from it.")
            return redacted, None
        plan = replace(self.plan, operator=make_operator(self.plan.recipe, self.host))
        kind = "seed" if person.case == "random" else "picture"
        case = Known(Subject(person.codes[:1], kind))
        outcome = carry_out(plan, case, folder / person.case, self.host, self.display)
        redacted = type(teacher).load(LocalCheckpoint(outcome.model, plan.claim.files), teacher.device)
        trained = outcome.report.training
        assert trained is not None
        return redacted, Training(
            run=person.case,
            steps=trained.steps,
            seconds=trained.seconds,
            trainer=outcome.report.trainer,
            refusals=outcome.report.vetoes,
        )

    def evaluate(self, person: _Person, folder: Path) -> Case:
        """Unlearn and measure one case."""
        redacted, training = self.redact(person, folder)

        def told(done: int, total: int) -> None:
            self.display.step(done, total, {})

        teacher, others = self.plan.teacher, person.codes[1:]
        if self.measure is None:
            missing = "no recogniser but the one that trained is at hand (--judge NAME[:FILE])"
            figures = Figure(not_measured=missing), Figure(not_measured=missing if len(others) else NO_PICTURES)
        else:
            self.display.stage(f"Measuring identity ({person.case})")
            own = identity(teacher, redacted, person.codes[:1], self.measure, told)
            figures = own, Figure(not_measured=NO_PICTURES)
            if len(others):
                figures = own, identity(teacher, redacted, others, self.measure, told)
        self.display.stage(f"Measuring fidelity ({person.case})")
        fid_pre, delta_fid_real = self.fidelity.measure(teacher, redacted, told)
        return Case(
            case=person.case,
            pictures=person.pictures,
            reconstruction=person.reconstruction,
            training=training,
            id=figures[0],
            id_others=figures[1],
            fid_pre=fid_pre,
            delta_fid_real=delta_fid_real,
        )


def evaluate(
    request: Request, output: Path | None = None, host: PluginHost | None = None, display: Display | None = None
) -> tuple[Evaluation, Path]:
    """Run the paper's protocol and write `evaluation.json`, anew after each case, beside the folders of the runs.

    Args:
        output: the folder to make; by default `runs/evaluate-MODEL-DATE-TIME`.

    Returns:
        What was measured, and the folder.

    Raises:
        UnlearnError: its subclasses say what went wrong; none says which files the subject's are. A refused model is
            not an error.
    """
    host, display = host or PluginHost(), display or Silent()
    cases = [request.seed is not None, request.in_domain is not None, request.out_of_domain is not None]
    if request.redacted and sum(cases) != 1:
        raise UsageError("A redacted model can be measured on one subject alone.", "Name the one that it was made for.")
    if request.samples == 1:
        raise UsageError("A Fréchet distance needs at least two samples.", "Give --samples 0 to leave it out.")
    bench = _Bench(request, host, display)
    people = bench.people()
    folder = output or default_output(bench.plan.source, "evaluate")
    make_new(folder)
    try:
        evaluation = Evaluation(
            package_version=guide_plugin.__version__,
            torch_version=torch.__version__,
            device=str(bench.plan.teacher.device),
            model=bench.plan.source.name,
            adapter=bench.plan.teacher.name,
            redacted=request.redacted.resolve().name if request.redacted else None,
            encoder=shown(request.encoder) if request.encoder else None,
            perceptual=shown(bench.plan.recipe.networks.perceptual),
            settings=shown_settings(bench.recipe),
            released_views=bench.released_views,
            cases=[],
        )
        for person in people:
            case = bench.evaluate(person, folder)
            evaluation = evaluation.model_copy(update={"cases": [*evaluation.cases, case]})
            with replacing(folder / "evaluation.json") as partial:
                partial.write_text(evaluation.model_dump_json(indent=2) + "\n", "utf-8")
    finally:
        with suppress(OSError):
            folder.rmdir()  # only where nothing came of it
    return evaluation, folder
