"""Render what the generator learns from, shard by shard on other processes, while it already learns from the first."""

import os
from concurrent.futures import Future, ProcessPoolExecutor
from hashlib import sha256
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from safetensors.numpy import load_file, save_file
from torch import Tensor
from torch.nn.functional import avg_pool2d

from examples.synthetic_faces.portraits import as_bytes

from .people_in_3d import MAX_YAW, PITCH, Z_DIM, cameras, views

VIEWS = 2
SHARD = 100
REACH = 1.15
INNER = 0.2
"""The share of codes that lie between the average face and the sphere of codes, or a little beyond it."""


class Shoot(NamedTuple):
    """n codes and what cameras see of them.

    Attributes:
        z: the codes [n,Z_DIM], of unit mean square.
        share: the pictures show the numbers share * z [n], which is 1 for most.
        labels: cameras [n,VIEWS,25].
        images: pictures [n,VIEWS,3,64,64], bytes.
        depths: depths [n,VIEWS,32,32] along the rays.
    """

    z: Tensor
    share: Tensor
    labels: Tensor
    images: Tensor
    depths: Tensor

    def chosen(self, index: Tensor) -> "Shoot":
        """Give the codes of these numbers."""
        return Shoot(*(part[index] for part in self))


def planned(n: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Draw z, share and labels of n codes: a camera in each half of a little more than what audits look at."""
    rng = torch.Generator().manual_seed(seed)
    z = torch.randn(n, Z_DIM, generator=rng)
    z = z / z.square().mean(-1, keepdim=True).sqrt()
    inner = torch.rand(n, generator=rng) < INNER
    share = torch.where(inner, REACH * torch.rand(n, generator=rng), 1.0)
    part = (torch.arange(VIEWS) + torch.rand(n, VIEWS, generator=rng)) / VIEWS
    yaw = (2 * part - 1) * 1.2 * MAX_YAW
    pitch = PITCH + 0.12 * (torch.rand(n, VIEWS, generator=rng) - 0.5)
    return z, share, cameras(yaw.flatten(), pitch.flatten()).view(n, VIEWS, 25)


def shot(z: Tensor, share: Tensor, labels: Tensor) -> Shoot:
    """Render planned codes."""
    n, count = labels.shape[:2]
    numbers = (share.unsqueeze(-1) * z).repeat_interleave(count, dim=0)
    pictures, depths = views(numbers, labels.flatten(0, 1))
    small = avg_pool2d(depths, 2).half()
    images = as_bytes(pictures).contiguous()
    return Shoot(z, share, labels, images.unflatten(0, (n, count)), small.unflatten(0, (n, count)))


class Studio:
    """Renders `people` codes on other processes, in order; `shard(i)` waits for the i-th hundred of them.

    With a folder, what was rendered there before from the same numbers is read back. The result does not depend on how
    many processes there are.
    """

    def __init__(self, people: int, seed: int, cache: Path | None = None, processes: int | None = None) -> None:
        self.pool = ProcessPoolExecutor(processes or os.cpu_count(), mp_context=get_context("spawn"))
        parts = zip(*(part.split(SHARD) for part in planned(people, seed)), strict=True)
        self.shards: list[Future[dict[str, np.ndarray]]] = [self.pool.submit(_rendered, *part, cache) for part in parts]

    def shard(self, i: int) -> Shoot:
        """Give a shard as soon as it is there."""
        return Shoot(**{name: torch.from_numpy(part) for name, part in self.shards[i].result().items()})

    def close(self) -> None:
        """Drop what nobody waits for any more."""
        self.pool.shutdown(cancel_futures=True)


def _rendered(z: Tensor, share: Tensor, labels: Tensor, cache: Path | None) -> dict[str, np.ndarray]:
    torch.set_num_threads(1)
    name = sha256(torch.cat([z.flatten(), share, labels.flatten()]).numpy().tobytes()).hexdigest()[:20]
    file = cache / f"{name}.safetensors" if cache else None
    if file and file.exists():
        return load_file(file)
    shoot = {name: part.numpy() for name, part in shot(z, share, labels)._asdict().items()}
    if file:
        file.parent.mkdir(parents=True, exist_ok=True)
        save_file(shoot, file.with_suffix(".part"))
        file.with_suffix(".part").replace(file)
    return shoot
