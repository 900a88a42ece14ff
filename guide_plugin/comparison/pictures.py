"""The same people drawn by the original and by what every method made of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from guide_plugin.adapter import Adapter
from guide_plugin.assessment import shown_bystanders
from guide_plugin.audit.drawing import frontal
from guide_plugin.plan import Plan
from guide_plugin.report.contact_sheet import png, sheet
from guide_plugin.subject import Case
from guide_plugin.whole_files import write_private, write_whole

PICTURE = "comparison.png"


@torch.no_grad()
def draw(model: Adapter, plan: Plan, case: Case) -> Tensor:
    """Return pictures [1 + n, 3, H, W] from the front, on the CPU: the subject, and n bystanders."""
    original = plan.teacher
    codes = torch.cat([case.subject.code, shown_bystanders(original, plan.recipe.method.training_seed)])
    return model.synthesize(codes, frontal(original, len(codes))).image.cpu()


def write_pictures(folder: Path, drawn: Mapping[str, Tensor], *, with_subject: bool) -> None:
    """Write `comparison.png`, a row of bystanders per model; and, if asked, one with the subject into `private/`."""
    write_whole(folder / PICTURE, png(sheet({name: pictures[1:] for name, pictures in drawn.items()})))
    if with_subject:
        labelled = {f"{name}: the subject, and others": pictures for name, pictures in drawn.items()}
        write_private(folder / "private" / PICTURE, png(sheet(labelled)))
