"""Render the people that the networks learn from: several portraits of each, on all cores."""

import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from .people import IDENTITY, SCENE
from .renderer import render

SHARD = 500  # portraits per unit of work; the result does not depend on how many processes share them
Z_DIM = len(IDENTITY) + len(SCENE)


@dataclass(frozen=True)
class Portraits:
    """Hold portraits and what they show: z [n, Z_DIM] of unit mean square, person [n], images [n,3,H,W] bytes."""

    z: Tensor
    person: Tensor
    images: Tensor

    def pictures(self, index: Tensor) -> Tensor:
        """Give the chosen portraits as floats [k,3,H,W] in [-1,1]."""
        return as_floats(self.images[index])

    def of(self, first: int, last: int) -> "Portraits":
        """Give the portraits of persons first to last - 1, numbered from 0."""
        chosen = (self.person >= first) & (self.person < last)
        return Portraits(self.z[chosen], self.person[chosen] - first, self.images[chosen])


def as_floats(images: Tensor) -> Tensor:
    """Turn byte pictures into floats in [-1,1]."""
    return images.float() / 127.5 - 1


def as_bytes(images: Tensor) -> Tensor:
    """Turn pictures in [-1,1] into bytes."""
    return ((images.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)


def codes(people: int, scenes: int, rng: torch.Generator, z_dim: int = Z_DIM) -> Tensor:
    """Draw z [people, scenes, z_dim], identity first: every person in several scenes, on the sphere of mean square 1.

    StyleGAN2 normalises z to that sphere, so there a code and a rendered portrait say exactly the same. A person's
    identity numbers are equal in all scenes; each z by itself is uniform on the sphere.
    """
    whole = torch.randn(people, 1, z_dim, generator=rng)
    whole = whole / whole.square().mean(-1, keepdim=True).sqrt()
    identity = whole[..., : len(IDENTITY)].expand(-1, scenes, -1)
    rest = whole[..., len(IDENTITY) :].norm(dim=-1, keepdim=True)
    scene = torch.randn(people, scenes, z_dim - len(IDENTITY), generator=rng)
    return torch.cat([identity, rest * scene / scene.norm(dim=-1, keepdim=True)], dim=-1)


def draw(z: Tensor, resolution: int = 64) -> Tensor:
    """Render numbers z [n, Z_DIM], identity then scene, as pictures [n,3,resolution,resolution] in [-1,1]."""
    return render(z[:, : len(IDENTITY)], z[:, len(IDENTITY) :], resolution)


def portraits(people: int, scenes: int, seed: int, cache: Path | None = None) -> Portraits:
    """Render people x scenes portraits."""
    z = codes(people, scenes, torch.Generator().manual_seed(seed)).flatten(0, 1)
    return Portraits(z, torch.arange(people).repeat_interleave(scenes), rendered(z, cache))


def rendered(numbers: Tensor, cache: Path | None = None) -> Tensor:
    """Render numbers [n, Z_DIM] as byte pictures [n,3,64,64] on all cores.

    With a cache folder, what was rendered there before from the same numbers is read back.
    """
    file = cache / f"{sha256(numbers.numpy().tobytes()).hexdigest()[:20]}.safetensors" if cache else None
    if file and file.exists():
        return load_file(file)["images"]
    parts = []
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        for part in pool.map(_shard, numbers.split(SHARD)):
            parts.append(torch.from_numpy(part))
            print(f"rendered {sum(map(len, parts))} of {len(numbers)} portraits", flush=True)
    images = torch.cat(parts)
    if file:
        file.parent.mkdir(parents=True, exist_ok=True)
        save_file({"images": images}, file.with_suffix(".part"))
        file.with_suffix(".part").replace(file)
    return images


def _shard(numbers: Tensor) -> np.ndarray:
    torch.set_num_threads(1)
    return as_bytes(draw(numbers)).numpy()
