"""Bystanders who look like the subject: the first to change when the subject is unlearned. Ours, not the paper's."""

from __future__ import annotations

import torch
from torch import Tensor

from guide_plugin.adapter import Adapter, View
from guide_plugin.errors import UsageError
from guide_plugin.operator import Embedder

SEARCHED, BATCH = 2048, 64
KEPT = 0.1
"""The share of random people who count as lookalikes."""


@torch.no_grad()
def find_lookalikes(
    generator: Adapter, wanted: Tensor, view: View | None, recogniser: Embedder, rng: torch.Generator, below: float
) -> Tensor:
    """Return the tenth of random codes [k, *latent_shape] that look most like the subject and are somebody else.

    Args:
        wanted: the recogniser's unit embeddings of the subject [k, D].
        view: the view [1, …] in which they are drawn; None where the backbone has none.
        below: from this similarity on a code shows the subject.

    Raises:
        UsageError: to the recogniser everybody is the subject.
    """
    codes, similarities = [], []
    for _ in range(SEARCHED // BATCH):
        code = generator.sample_latents(BATCH, rng)
        seen = None if view is None else view.expand(BATCH, *view.shape[1:])
        codes.append(code)
        similarities.append((recogniser(generator.synthesize(code, seen).image) @ wanted.T).amax(dim=1))
    similarity = torch.cat(similarities)
    others = torch.cat(codes)[similarity < below]
    if not len(others):
        raise UsageError("To the training recogniser everybody looks like the subject.", "Give another --recogniser.")
    return others[similarity[similarity < below].topk(min(len(others), int(KEPT * SEARCHED))).indices]
