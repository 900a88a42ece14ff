"""The pictures that the small diffusion models learn from: the demo's made-up people, 32 pixels a side."""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from examples.synthetic_faces.people import IDENTITY, SCENE
from examples.synthetic_faces.portraits import as_bytes, draw

SIDE = 32
SHARD = 500
NUMBERS = len(IDENTITY) + len(SCENE)


def on_sphere(numbers: Tensor) -> Tensor:
    """Bring numbers [n, NUMBERS] to a mean square of 1, as those of the demo's people are."""
    return numbers / numbers.square().mean(dim=-1, keepdim=True).sqrt()


def rendered(numbers: Tensor, cache: Path) -> Tensor:
    """Render numbers [n, NUMBERS] as byte pictures [n, 3, SIDE, SIDE] on all cores, or read them back."""
    if cache.exists():
        return load_file(cache)["images"]
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        images = torch.cat([torch.from_numpy(part) for part in pool.map(_shard, numbers.split(SHARD))])
    cache.parent.mkdir(parents=True, exist_ok=True)
    save_file({"images": images}, cache)
    return images


def _shard(numbers: Tensor) -> np.ndarray:
    torch.set_num_threads(1)
    return as_bytes(draw(numbers, SIDE)).numpy()
