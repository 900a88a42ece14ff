"""Where the subject goes: the un-identifying face on latent space (UFO), and the neighbours it takes along.

Source: Seo et al., "Generative Unlearning for Any Identity", CVPR 2024, section 3.2 (UFO) and 3.3 (adjacency).
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from guide_plugin.adapter import Adapter

Distance = float | Literal["paper", "data"]

PAPER_D = 30.0
PAPER_ALPHA_MAX = 15.0
PAPER_LAYERS, PAPER_WIDTH = 14, 512


def code_norm(w: Tensor) -> Tensor:
    """Return the Euclidean norm of each whole code of `w` [n, *latent_shape], shaped to broadcast over codes."""
    return w.flatten(1).norm(dim=1).view(-1, *[1] * (w.dim() - 1))


def ufo_target(w_u: Tensor, w_avg: Tensor, d: float) -> Tensor:
    """Return the target code `w_t = w_avg - d · (w_u - w_avg) / ‖w_u - w_avg‖`.

    Args:
        w_u: the subject's code [1, *latent_shape].
        w_avg: the mean code [1, *latent_shape].
        d: distance of the target from the mean.
    """
    direction = w_u - w_avg
    return w_avg - d * direction / code_norm(direction)


def neighbour_offsets(w_u: Tensor, w_r: Tensor, alpha: Tensor) -> Tensor:
    """Return the offsets `δ = α · (w_r - w_u) / ‖w_r - w_u‖` [n, *latent_shape] towards random codes.

    Args:
        w_u: the subject's code [1, *latent_shape].
        w_r: random codes [n, *latent_shape].
        alpha: how far to go towards each [n].
    """
    direction = w_r - w_u
    return alpha.view(-1, *[1] * (w_u.dim() - 1)) * direction / code_norm(direction)


def mean_distance(adapter: Adapter, rng: torch.Generator, n: int = 1024) -> float:
    """Return the mean of ‖w - w_avg‖ over `n` random codes: the scale of this latent space."""
    with torch.no_grad():
        return code_norm(adapter.sample_latents(n, rng) - adapter.mean_latent()).mean().item()


def resolve_distance(choice: Distance, paper: float, data: float, latent_shape: tuple[int, ...]) -> float:
    """Return the distance that a setting means.

    The paper's numbers hold for EG3D's 14×512 codes and are scaled by √(layers / 14) for another number of
    512-wide layers. A code of another width has a scale that the paper says nothing about: there "paper" falls
    back to the data.

    Args:
        choice: a number, "paper" or "data".
        paper: the paper's value for 14×512 codes.
        data: the value measured on this latent space.
    """
    if isinstance(choice, float | int):
        return float(choice)
    if choice == "paper" and latent_shape[-1] == PAPER_WIDTH:
        return paper * math.sqrt(math.prod(latent_shape[:-1]) / PAPER_LAYERS)
    return data
