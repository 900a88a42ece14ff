"""The mean code, from which a target is measured, and which the subject must not be."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from guide_plugin.adapter import Adapter
from guide_plugin.errors import UsageError
from guide_plugin.latent_file import read_code

NOBODY = 1e-6


def mean_code(generator: Adapter, file: Path | None) -> Tensor:
    """Return `w_avg` [1, *latent_shape] on the generator's device: from a file, or the generator's own.

    Raises:
        UsageError: the file holds no code of this generator's shape.
    """
    if file is None:
        return generator.mean_latent()
    return read_code(file, generator.latent_shape, "w_avg").to(generator.device)


def distance_from_mean(w_u: Tensor, w_avg: Tensor) -> float:
    """Return ‖w_u - w_avg‖ over the whole code.

    Raises:
        UsageError: it is none, and the subject nobody.
    """
    distance = (w_u - w_avg).norm().item()
    if distance < NOBODY:
        raise UsageError("The subject's code is the generator's mean code, which is nobody.", "Give another --code.")
    return distance
