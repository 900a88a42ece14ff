"""A model whose weights were changed, and what its adapter made of it on the disk."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from guide_plugin.adapter import Adapter, Saved

FACTOR, NOISE = 1.25, 1e-3


@dataclass(frozen=True)
class Rewritten:
    """The changed model, and what `save` wrote of it into `folder`, which was empty."""

    adapter: Adapter
    folder: Path
    saved: Saved


def rewrite(adapter: Adapter, folder: Path) -> Rewritten:
    """Change every number that training may change, by a quarter or more, and save the model."""
    rng = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for _, parameter in adapter.trainable_parameters():
            parameter.mul_(FACTOR).add_(NOISE * torch.randn(parameter.shape, generator=rng))
    return Rewritten(adapter, folder, adapter.save(folder))
