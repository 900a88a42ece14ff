"""The attack that no released method runs: can the subject be brought back?

Pictures of the subject, of people who were never unlearned and of people whom the generator never saw are inverted
into both generators with the same budget. Two kinds are kept apart. A code in W, one for all layers and within the
radius that random codes stay in, is what the generator itself still knows; the verdict counts it. A code in W+, one
for each layer, can rebuild almost anybody, whom the generator knew or not; it is what a determined attacker gets, and
is reported beside the people nobody unlearned.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from guide_plugin.adapter import Adapter
from guide_plugin.audit.drawing import embeddings, frontal
from guide_plugin.audit.targets import Target, views_of
from guide_plugin.inversion import Inversion, InversionSettings, invert
from guide_plugin.operator import Embedder, Losses, Networks
from guide_plugin.report.recovery_figures import Attack, PathPoint

CURVE_POINTS = 10
FRACTIONS = {"random": (0.05, 0.1, 0.2, 0.35, 0.5), "mean": (0.0, 0.25, 0.5, 0.75, 1.0)}

Told = Callable[[int, int], None]
"""Hears how much is done, of how much."""


@dataclass(frozen=True)
class Attempt:
    """All targets inverted into one generator, in W and then, from there, in W+; None where codes have one layer."""

    w: Inversion
    w_plus: Inversion | None

    @property
    def best(self) -> Inversion:
        """What the freer search found."""
        return self.w_plus or self.w


def attempt(
    adapter: Adapter, targets: list[Target], networks: Networks, judge: Embedder, steps: int, seed: int, told: Told
) -> Attempt:
    """Invert every target with `steps` steps in W and as many in W+; equal seeds give both generators equal luck.

    A backbone whose codes have one layer, such as a diffusion model, has no W+.
    """
    settings = InversionSettings(steps=steps, judged_every=max(1, steps // CURVE_POINTS), broadcast=1.0)
    images = torch.cat([target.image for target in targets])
    view = views_of(targets)
    mean = adapter.mean_latent()
    start = torch.cat([mean if target.start is None else target.start for target in targets])
    stages: list[Inversion] = []
    shares = (1.0, 0.0) if len(adapter.latent_shape) > 1 else (1.0,)
    for broadcast in shares:

        def on_step(step: int, total: int, _: Losses, stage: int = len(stages)) -> None:
            told(stage * total + step, len(shares) * total)

        stages.append(
            invert(
                adapter,
                images,
                networks.perceptual,
                networks.recogniser,
                judge,
                torch.Generator().manual_seed(seed),
                replace(settings, broadcast=broadcast),
                view=view,
                start=stages[-1].code if stages else start,
                on_step=on_step,
            )
        )
    return Attempt(stages[0], stages[1] if len(stages) > 1 else None)


def attack_figures(
    targets: list[Target], before: Attempt, after: Attempt, mean: Tensor, typical: float
) -> list[Attack]:
    """Put both attempts side by side.

    Args:
        before: of the targets that are attacked on both sides, in their order; others, further starts of the first
            target's attack, are compared with its one start there.
        mean: the mean code [1, *latent_shape].
        typical: the mean distance of random codes to it.
    """
    rows = {i: row for row, i in enumerate(i for i, target in enumerate(targets) if target.both)}
    attacks = []
    for space, old, new in (("W", before.w, after.w), ("W+", before.w_plus, after.w_plus)):
        if old is None or new is None:
            continue
        far_old, far_new = (((found.code - mean).flatten(1).norm(dim=1) / typical).tolist() for found in (old, new))
        for i, target in enumerate(targets):
            row = rows.get(i, 0)
            attacks.append(
                Attack.model_validate(
                    {
                        "who": target.who,
                        "codes": space,
                        "start": target.begins,
                        "steps": list(new.judged),
                        "before": best_so_far(old.curve[row]),
                        "after": best_so_far(new.curve[i]),
                        "distance_before": far_old[row],
                        "distance_after": far_new[i],
                    }
                )
            )
    return attacks


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
