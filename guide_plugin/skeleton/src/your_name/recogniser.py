"""A recogniser: whether two pictures show the same person. This one knows no faces, it compares where colours lie."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from guide_plugin import UsageError, hookimpl

if TYPE_CHECKING:
    import torch
    from guide_plugin import Embedder, RegisterRecogniser
    from torch import Tensor

GRID = 4


def embed(images: Tensor) -> Tensor:
    """Turn pictures [n, 3, H, W] in [-1, 1] into unit embeddings [n, 48]; the same person has a cosine near 1."""
    from torch.nn import functional as F

    colours = F.adaptive_avg_pool2d(images, GRID).flatten(1)
    return F.normalize(colours - colours.mean(dim=1, keepdim=True))


def load(weights: Path | None, device: torch.device) -> Embedder:
    """Return the recogniser on a device; where yours has weights, read the file `weights`, and check what is in it."""
    if weights is not None:
        raise UsageError("The recogniser your-name has no weights.", "Name it without a file: your-name.")
    return embed


@hookimpl
def unlearn_register_recognisers(register: RegisterRecogniser) -> None:
    register("your-name", load, "compares where colours lie", differentiable=True)
