"""Codes drawn under views and seen by the judge, batch by batch."""

from __future__ import annotations

import torch
from torch import Tensor

from guide_plugin.adapter import Adapter, View
from guide_plugin.operator import Embedder
from guide_plugin.vision.centring import Centring, measure_centring

BATCH, ALIKE = 8, 200
NEARBY = 0.1
"""How far towards somebody else a code may lie and still be the same person: a tenth of the way."""


def middle_view(views: Tensor, n: int) -> Tensor:
    """Return the middle one of the audit views, the frontal one for a camera, `n` times."""
    return views[len(views) // 2].expand(n, *views.shape[1:])


def frontal(adapter: Adapter, n: int) -> View | None:
    """Return the middle audit view `n` times; None where the backbone has no views."""
    views = adapter.audit_views()
    return None if views is None else middle_view(views, n)


def under_all_views(adapter: Adapter, codes: Tensor) -> tuple[Tensor, View | None]:
    """Repeat codes [n, …] for every audit view: the codes [n·v, …], code by code, and their views."""
    views = adapter.audit_views()
    if views is None:
        return codes, None
    repeated = views.repeat(len(codes), *[1] * (views.dim() - 1))
    return codes.repeat_interleave(len(views), dim=0), repeated


@torch.no_grad()
def picture(adapter: Adapter, code: Tensor) -> Tensor:
    """Return the frontal picture [1, 3, H, W] of one code [1, …]."""
    return adapter.synthesize(code, frontal(adapter, 1)).image


@torch.no_grad()
def embeddings(adapter: Adapter, codes: Tensor, views: View | None, judge: Embedder) -> Tensor:
    """Return the judge's unit embeddings [n, D], on the CPU, of the pictures of codes [n, …]."""
    parts = []
    for start in range(0, len(codes), BATCH):
        chosen = slice(start, start + BATCH)
        picture = adapter.synthesize(codes[chosen], None if views is None else views[chosen]).image
        parts.append(judge(picture).float().cpu())
    return torch.cat(parts)


@torch.no_grad()
def how_alike(adapter: Adapter, recogniser: Embedder, n: int, seed: int) -> Centring:
    """Say how alike random people of the generator look to a recogniser from the front: `n`, at most `ALIKE`."""
    people = adapter.sample_latents(min(n, ALIKE), torch.Generator().manual_seed(seed))
    return measure_centring(embeddings(adapter, people, frontal(adapter, len(people)), recogniser))
