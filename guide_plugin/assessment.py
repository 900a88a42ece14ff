"""What a run or an audit leaves to read: findings, verdict, report, pictures."""

from __future__ import annotations

import datetime
import importlib.metadata
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import guide_plugin
from guide_plugin.adapter import Adapter
from guide_plugin.audit.audit import Audited, Examination
from guide_plugin.audit.drawing import frontal
from guide_plugin.audit.targets import Witnesses
from guide_plugin.audit.verdict import draw_verdict, unaudited
from guide_plugin.plan import Display, Plan, shown
from guide_plugin.random_streams import stream_seed
from guide_plugin.report.contact_sheet import contact_sheet, png, to_image
from guide_plugin.report.page import evidence_page, page
from guide_plugin.report.schema import Report, TrainingFigures
from guide_plugin.subject import Case
from guide_plugin.whole_files import sha256, write_private, write_whole

SHOWN_BYSTANDERS = 10
STANDS_ON = (
    *("torch", "torchvision", "diffusers", "huggingface-hub", "facenet-pytorch", "lpips", "torchmetrics"),
    *("pillow", "numpy"),
)


def assess(
    plan: Plan,
    case: Case | None,
    redacted: Adapter,
    model_files: dict[str, str],
    training: TrainingFigures | None,
    facts: dict[str, Any],
    display: Display,
    notes: tuple[str, ...] = (),
) -> tuple[Report, Audited | None]:
    """Measure the redacted model as it was read back from its files, and put the figures together.

    Args:
        case: who was unlearned; None where nobody is named.
        model_files: SHA-256 of the redacted model's files.
        training: None where somebody else redacted the model.
        facts: what the operator said of its prepared run.
        notes: what else the report should tell.
    """
    recipe, teacher, suggestion = plan.recipe, plan.teacher, plan.suggestion
    audited: Audited | None = None
    if recipe.audit.level != "off":
        audited = Examination(
            teacher,
            redacted,
            case.subject if case else None,
            case.witnesses if case else Witnesses(),
            recipe.audit,
            plan.networks,
            plan.centring.of(plan.judge),
            stream_seed("audit", recipe.method.training_seed),
            display,
            plan.judge_is_trainer,
            plan.centring,
        ).run()
    inversion = case.inversion if case else None
    reproduced = inversion.similarity[0] if inversion else None
    return Report(
        date=datetime.date.today().isoformat(),
        package_version=guide_plugin.__version__,
        torch_version=torch.__version__,
        device=str(teacher.device),
        model=plan.source.name,
        adapter=teacher.name,
        operator=plan.operator.name if training else None,
        subject_kind=case.subject.kind if case else "none",
        settings=plan.operator.settings.model_dump(mode="json") if training else {},
        facts=facts,
        suggested_by_model={
            "method": suggestion.method if training else {},
            "networks": {key: shown(str(value)) for key, value in suggestion.networks.items()},
            "photos": suggestion.photos,
        },
        trainer=shown(recipe.networks.trainer),
        judge=shown(plan.judge_choice),
        judge_is_trainer=plan.judge_is_trainer,
        judge_note="chosen because it was at hand and nobody named a judge" if plan.judge_at_hand else None,
        perceptual=shown(recipe.networks.perceptual),
        network_files=plan.network_files,
        trained_parameters=plan.trained_parameters,
        inversion=inversion,
        training=training,
        findings=audited.findings if audited else None,
        verdict=draw_verdict(
            audited.findings,
            recipe.audit.rules,
            judge_is_trainer=plan.judge_is_trainer and training is not None,
            reproduced=reproduced,
        )
        if audited
        else unaudited(),
        vetoes=[],
        notes=[*(case.notes if case else ()), *notes],
        model_files=model_files,
        source_files=hashes(plan.source.folder, plan.claim.files),
        versions={name: importlib.metadata.version(name) for name in STANDS_ON},
    ), audited


def hashes(folder: Path, files: Iterable[str]) -> dict[str, str]:
    """Return the SHA-256 of files, by their POSIX paths in their folder."""
    return {file: sha256(folder / file) for file in files}


def all_files(folder: Path) -> list[str]:
    """Return the POSIX paths of all files in a folder."""
    return [path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*")) if path.is_file()]


@torch.no_grad()
def shown_bystanders(teacher: Adapter, seed: int) -> Tensor:
    """Return the codes [n, *latent_shape] of the people whom pictures of a run show."""
    return teacher.sample_latents(SHOWN_BYSTANDERS, torch.Generator().manual_seed(stream_seed("audit", seed)))


@torch.no_grad()
def bystander_sheets(teacher: Adapter, redacted: Adapter, seed: int) -> dict[str, bytes]:
    """Draw several bystanders from the front, and one of them under every audit view where there are several."""
    codes = shown_bystanders(teacher, seed)
    sheets = {"bystanders.png": (codes, frontal(teacher, len(codes)))}
    views = teacher.audit_views()
    if views is not None:
        sheets["views.png"] = (codes[:1].expand(len(views), *codes.shape[1:]), views)
    return {
        name: png(contact_sheet(*(model.synthesize(w, view).image for model in (teacher, redacted))))
        for name, (w, view) in sheets.items()
    }


def write_pages(folder: Path, report: Report, sheets: Mapping[str, bytes], evidence: Mapping[str, Tensor]) -> None:
    """Write pictures of bystanders, `report.html`, and into `private/` those of the subject where there are any."""
    for name, picture in sheets.items():
        write_whole(folder / name, picture)
    write_whole(folder / "report.html", page(report, sheets).encode())
    if evidence:
        pictures = {caption: png(to_image(image)) for caption, image in evidence.items()}
        write_private(folder / "private" / "evidence.html", evidence_page(report, pictures).encode())
