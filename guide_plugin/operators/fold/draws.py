"""The codes of one step."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from guide_plugin.adapter import Adapter
from guide_plugin.operators.fold.finds import Finds

NEAR, PAIRS, RANDOM, KEPT = 2, 8, 8, 4
"""Codes beside the subjects' own: around them, pairs with their targets, random people, and kept ones."""
CODES_OF_A_STEP = NEAR + PAIRS + RANDOM + KEPT
NEARBY = 0.25
"""How far towards a random person a code around a subject's lies at most."""


class Draws(NamedTuple):
    """Codes [n, *latent_shape], and those whose pictures they are to draw; the first so many are to be forgotten."""

    students: Tensor
    targets: Tensor
    forgotten: int


@torch.no_grad()
def draw_codes(original: Adapter, own: Tensor, own_targets: Tensor, finds: Finds, rng: torch.Generator) -> Draws:
    """Draw the codes of a step: the subjects' own [p, *latent_shape] with their targets, and all others."""
    random = original.sample_latents(RANDOM + NEAR, rng)
    share = NEARBY * torch.rand(NEAR, *[1] * (random.dim() - 1), generator=rng).to(random)
    who = torch.randint(len(own), (NEAR,), generator=rng).to(random.device)
    offset = (random[RANDOM:] - own[who]) * share
    codes, targets = finds.pairs.draw(PAIRS, rng)
    (kept,) = finds.kept.draw(KEPT, rng)
    stay = torch.cat([random[:RANDOM], kept])
    students = torch.cat([own, own[who] + offset, codes, stay])
    return Draws(
        students,
        torch.cat([own_targets, own_targets[who] + offset, targets, stay]),
        forgotten=len(students) - len(stay),
    )
