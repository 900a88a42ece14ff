"""Other codes that draw the subject, found by search: what one photo does not tell of a person.

The code of one photo is one look of the person: one light, one expression, one turn of the head. Unlearning it leaves
the others, and whoever searches finds them. So codes are sought in which the *original* still draws the person: from
part of the way between the subject and random people, Adam climbs the recogniser's similarity to the subject. Where
codes of one person lie on a line, what lies between them is that person too (measured on the demo model: a pair of
aliases at similarity 0.78 by a recogniser that took no part gives 0.78 between and 0.77 a third beyond). Each step
therefore unlearns fresh ones, drawn on the lines through pairs.

An alias is a neighbour in the sense of the paper's adjacency loss, `δ = w_alias - w_u`, in a direction that is found
instead of drawn. This is ours, not the paper's.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from guide_plugin.adapter import Adapter, View
from guide_plugin.latent.distribution import measure_distribution
from guide_plugin.latent.search import White, descend
from guide_plugin.operator import Embedder, Subject
from guide_plugin.operators.guide.settings import GuideSettings

NEAREST, FARTHEST = 0.6, 1.0
"""How far towards random people the search starts, as shares of the way."""
STEPS, LR, BATCH = 40, 0.1, 8
BEYOND = 0.3
"""How far beyond a pair of aliases fresh ones may lie, as a share of their distance."""


class Found(NamedTuple):
    """Aliases [k, *latent_shape] of those sought, and how alike the subject each is to the recogniser [k]."""

    codes: Tensor
    similarity: Tensor


def aliases_of(
    subject: Subject, generator: Adapter, recogniser: Embedder, settings: GuideSettings, rng: torch.Generator
) -> Tensor | None:
    """Return codes of the subject [k, *latent_shape], of all photos and found ones; None where only one is known."""
    known = subject.code if subject.further_codes is None else torch.cat([subject.code, subject.further_codes])
    if settings.aliases:
        wanted, view = appearance(subject, generator, recogniser)
        least, n = settings.alias_similarity, settings.aliases
        known = torch.cat([known, find_aliases(generator, known, wanted, view, recogniser, rng, n, least).codes])
    return known if len(known) > 1 else None


@torch.no_grad()
def appearance(subject: Subject, generator: Adapter, recogniser: Embedder) -> tuple[Tensor, View | None]:
    """Return the recogniser's embeddings of the subject [k, D], of all photos or the one code, and the frontal view."""
    views, photos = generator.audit_views(), subject.photos
    view = None if views is None else views[len(views) // 2][None]
    image = generator.synthesize(subject.code, view).image if photos is None else photos.images
    return recogniser(image), view


def find_aliases(
    generator: Adapter,
    w_u: Tensor,
    wanted: Tensor,
    view: View | None,
    recogniser: Embedder,
    rng: torch.Generator,
    n: int,
    least: float,
) -> Found:
    """Search for codes in which the generator draws the subject.

    Args:
        w_u: the subject's codes [k, *latent_shape].
        wanted: the recogniser's unit embeddings of the subject [k, D]; the searches take them in turn.
        view: the view [1, …] in which they are drawn; None where the backbone has none.
        n: how many searches; those that end below `least` similarity are left out.
    """
    space = White(measure_distribution(generator, rng), generator.latent_shape)
    found = []
    for start in range(0, n, BATCH):
        k = min(BATCH, n - start)
        seen = None if view is None else view.expand(k, *view.shape[1:])
        photo = torch.arange(start, start + k, device=w_u.device) % len(w_u)

        def similarity(code: Tensor, seen: View | None = seen, photo: Tensor = photo) -> Tensor:
            return (recogniser(generator.synthesize(code, seen).image) * wanted[photo]).sum(dim=1)

        with torch.no_grad():
            share = NEAREST + (FARTHEST - NEAREST) * torch.rand(k, generator=rng)
            first = w_u[photo].lerp(generator.sample_latents(k, rng), share.view(-1, *[1] * (w_u.dim() - 1)).to(w_u))
        u = descend(space, space.broadcast(first), STEPS, LR, lambda code, step: -similarity(code).sum())
        code = space.codes(u)
        with torch.no_grad():
            found.append(Found(code, similarity(code)))
    codes, similarities = (torch.cat(parts) for parts in zip(*found, strict=True))
    kept = similarities >= least
    return Found(codes[kept], similarities[kept])


def fresh_aliases(aliases: Tensor, n: int, rng: torch.Generator) -> Tensor:
    """Draw `n` codes on the lines through random pairs of aliases [k, …], between them or a little beyond."""
    i, j = torch.randint(len(aliases), (2, n), generator=rng).to(aliases.device)
    share = (1 + 2 * BEYOND) * torch.rand(n, generator=rng) - BEYOND
    return aliases[i].lerp(aliases[j], share.view(-1, *[1] * (aliases.dim() - 1)).to(aliases))
