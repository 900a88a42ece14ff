"""What the pair of models tells: can the subject be found from where the two differ most?"""

from __future__ import annotations

import torch
from torch import Tensor

from guide_plugin.adapter import Adapter, View
from guide_plugin.audit.drawing import embeddings, frontal
from guide_plugin.audit.searches import Told
from guide_plugin.latent.distribution import measure_distribution
from guide_plugin.latent.search import White, descend
from guide_plugin.operator import Embedder
from guide_plugin.report.findings import LeakFigures

LR = 0.2
BATCH = 8


def leak_figures(
    before: Adapter,
    after: Adapter,
    w_u: Tensor,
    subject: Tensor,
    judge: Embedder,
    rng: torch.Generator,
    starts: int,
    steps: int,
    told: Told,
) -> LeakFigures:
    """Search for the codes whose pictures changed most, and see whether they show the subject.

    Args:
        w_u: the subject's code [1, *latent_shape], which the search does not know.
        subject: the judge's unit embeddings of pictures of the subject [k, D].
        starts: random codes from which the mean absolute change is climbed, `steps` steps of Adam each.
    """
    space = White(measure_distribution(before, rng), before.latent_shape)
    random = before.sample_latents(starts, rng)
    found = []
    for done in range(0, starts, BATCH):
        chosen = random[done : done + BATCH]
        view = frontal(before, len(chosen))

        def likeness(code: Tensor, step: int, view: View | None = view, done: int = done) -> Tensor:
            told(done * steps + (step + 1) * len(code), starts * steps)
            apart = before.synthesize(code, view).image - after.synthesize(code, view).image
            return -apart.abs().flatten(1).mean(dim=1).sum()

        found.append(space.codes(descend(space, space.broadcast(chosen), steps, LR, likeness)))
    codes = torch.cat(found)
    alike, by_chance = (
        (embeddings(before, w, frontal(before, starts), judge) @ subject.T).amax(dim=1) for w in (codes, random)
    )
    return LeakFigures(
        starts=starts,
        found=alike.max().item(),
        found_mean=alike.mean().item(),
        by_chance=by_chance.max().item(),
        change=_change(before, after, codes).max().item(),
        change_random=_change(before, after, random).mean().item(),
        change_subject=_change(before, after, w_u).item(),
    )


@torch.no_grad()
def _change(before: Adapter, after: Adapter, codes: Tensor) -> Tensor:
    """Return the mean absolute change [n] of the pictures of codes [n, …], of values in [-1, 1]."""
    parts = []
    for chosen in codes.split(BATCH):
        view = frontal(before, len(chosen))
        old, new = before.synthesize(chosen, view).image, after.synthesize(chosen, view).image
        parts.append((old - new).abs().flatten(1).mean(dim=1).cpu())
    return torch.cat(parts)
