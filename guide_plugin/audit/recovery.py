"""The attack that no released method runs: can the subject be brought back?

Pictures of the subject, of people who were never unlearned and of people whom the generator never saw are searched for
in both generators with the same budget. Two kinds are kept apart. A code in W, one for all layers and within the radius
that random codes stay in, or one that the generator itself makes from noise (Z), is what the generator still knows; the
verdict counts it. A code in W+, one for each layer, can rebuild almost anybody, whom the generator knew or not; it is
what a determined attacker gets, and is reported beside the people nobody unlearned.
"""

from __future__ import annotations

import torch
from torch import Tensor

from guide_plugin.adapter import Adapter
from guide_plugin.audit.drawing import embeddings, frontal
from guide_plugin.audit.searches import Searches, Told
from guide_plugin.audit.targets import Target
from guide_plugin.operator import Embedder
from guide_plugin.report.recovery_figures import Attack, PathPoint, SearchCost

FRACTIONS = {"random": (0.05, 0.1, 0.2, 0.35, 0.5), "mean": (0.0, 0.25, 0.5, 0.75, 1.0)}


def attack_figures(
    targets: list[Target], before: list[Searches], after: list[Searches], mean: Tensor, typical: float
) -> list[Attack]:
    """Put the searches of both generators side by side.

    Args:
        before: for every target once over each kind of codes, in their order.
        mean: the mean code [1, *latent_shape].
        typical: the mean distance of random codes to it.
    """
    originals = {searches.codes: searches.found for searches in before}
    attacks = []
    for searches in after:
        old, new = originals[searches.codes], searches.found
        far_old, far_new = (((found.code - mean).flatten(1).norm(dim=1) / typical).tolist() for found in (old, new))
        for i, aim in enumerate(searches.aims):
            attacks.append(
                Attack(
                    who=targets[aim.target].who,
                    codes=searches.codes,
                    start=aim.start,
                    guide=searches.guide,
                    steps=list(new.judged),
                    before=best_so_far(old.curve[aim.target]),
                    after=best_so_far(new.curve[i]),
                    distance_before=far_old[aim.target],
                    distance_after=far_new[i],
                )
            )
    return attacks


def search_cost(searches: list[Searches], steps: int) -> SearchCost:
    """Add up what searches of `steps` steps each took."""
    n = sum(len(some.aims) for some in searches)
    return SearchCost(searches=n, steps=n * steps, seconds=sum(some.found.seconds for some in searches))


def best_so_far(curve: Tensor) -> list[float]:
    """Return the highest similarity up to each point of a curve [m]: an attacker keeps the best."""
    return torch.cummax(curve, dim=0).values.tolist()


def path_figures(
    before: Adapter, after: Adapter, w_u: Tensor, random: Tensor, subject: Tensor, judge: Embedder
) -> list[PathPoint]:
    """Measure codes on straight lines from the subject's code [1, …] to random codes [n, …] and to the mean code.

    Args:
        subject: the judge's unit embedding of the original's picture of the subject [D].
    """
    lines = {"random": random, "mean": before.mean_latent()}
    points = [(towards, fraction) for towards, fractions in FRACTIONS.items() for fraction in fractions]
    codes = [w_u.lerp(lines[towards], fraction) for towards, fraction in points]
    everything = torch.cat(codes)
    similarity = [
        (embeddings(model, everything, frontal(model, len(everything)), judge) @ subject).split([len(c) for c in codes])
        for model in (before, after)
    ]
    return [
        PathPoint.model_validate(
            {
                "towards": towards,
                "fraction": fraction,
                "before_mean": old.mean().item(),
                "before_max": old.max().item(),
                "after_mean": new.mean().item(),
                "after_max": new.max().item(),
            }
        )
        for (towards, fraction), old, new in zip(points, *similarity, strict=True)
    ]


@torch.no_grad()
def search(
    before: Adapter, after: Adapter, n: int, subject: Tensor, judge: Embedder, rng: torch.Generator, told: Told
) -> tuple[float, float]:
    """Return the highest similarity to the subject [k, D] among `n` random codes, in either generator."""
    highest = [-1.0, -1.0]
    for done in range(0, n, 64):
        codes = before.sample_latents(min(64, n - done), rng)
        for i, model in enumerate((before, after)):
            seen = embeddings(model, codes, frontal(model, len(codes)), judge) @ subject.T
            highest[i] = max(highest[i], seen.max().item())
        told(done + len(codes), n)
    return highest[0], highest[1]
