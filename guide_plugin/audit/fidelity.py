"""How much a generator's pictures as a whole have changed, as feature networks see them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from guide_plugin.adapter import Adapter
from guide_plugin.audit.frechet import Gaussian, frechet_distance, gaussian_of
from guide_plugin.audit.kernel_distance import kernel_distance
from guide_plugin.errors import UsageError
from guide_plugin.operator import Embedder

Features = Callable[[Tensor], Tensor]
"""A feature network: images [n, 3, H, W] in [0, 1] to features [n, D]."""

FEWEST_SAMPLES = 4


def eight_bit(images: Tensor) -> Tensor:
    """Round pictures in [-1, 1] to 8 bits as GUIDE's PNG files do, floor of `x·127.5 + 128`; return them in [0, 1]."""
    return (images * 127.5 + 128).clamp(0, 255).to(torch.uint8).float() / 255


@torch.no_grad()
def sampled_pictures(adapter: Adapter, samples: int, seed: int, batch: int = 8) -> Iterator[Tensor]:
    """Draw random people [≤ batch, 3, H, W] in [0, 1], 8 bits deep; equal seeds give equal z and views to any weights.

    None is kept, none is written.
    """
    codes, views = (torch.Generator().manual_seed(2 * seed + i) for i in range(2))
    for start in range(0, samples, batch):
        n = min(batch, samples - start)
        w, view = adapter.sample_latents(n, codes), adapter.sample_finished_views(n, views)
        yield eight_bit(adapter.synthesize(w, view).image)


@torch.no_grad()
def sampled_features(adapter: Adapter, features: Features, samples: int, seed: int, batch: int = 8) -> Iterator[Tensor]:
    """Give the features [≤ batch, D] of random people, see `sampled_pictures`."""
    for pictures in sampled_pictures(adapter, samples, seed, batch):
        yield features(pictures)


def judge_features(judge: Embedder) -> Features:
    """Make a feature network of a recogniser: its unit embeddings."""
    return lambda images: judge(2 * images - 1)


@dataclass(frozen=True)
class FeatureNetwork:
    """A network that looks at both generators' pictures.

    Attributes:
        shown: its name as reports show it.
        real: its statistics of real pictures, where there are any.
    """

    shown: str
    features: Features
    real: Gaussian | None = None


@dataclass(frozen=True)
class Fidelity:
    """How far a redacted generator's pictures are from the original's, in one network's features.

    Both draw the same people, so that an unchanged generator is exactly 0 away. The references say how far two sets of
    *different* people of the same size, both drawn by the original, are from each other: less than that is less than
    chance makes of it.

    Attributes:
        samples: random people of each set.
        frechet, frechet_reference: the Fréchet distance; its expectation grows where samples are few.
        kid, kid_reference: the kernel distance, free of that bias; may be below 0.
        kid_error, kid_reference_error: their standard errors.
        delta_real: how much further from real pictures the redacted generator is than the original, by the Fréchet
            distance; None without statistics of real pictures.
    """

    network: str
    samples: int
    frechet: float
    frechet_reference: float
    kid: float
    kid_error: float
    kid_reference: float
    kid_reference_error: float
    delta_real: float | None


@torch.no_grad()
def fidelity(
    before: Adapter,
    after: Adapter,
    networks: Sequence[FeatureNetwork],
    samples: int,
    seed: int,
    told: Callable[[int, int], None] | None = None,
) -> list[Fidelity]:
    """Measure two generators with every network; each picture is drawn once for all of them.

    Args:
        samples: random people of each of three sets: the original's, the redacted's, and other people of the original
            for the references; at least `FEWEST_SAMPLES`.
        told: hears how many pictures are done, of how many.

    Raises:
        UsageError: there are too few samples.
    """
    if samples < FEWEST_SAMPLES:
        raise UsageError(f"Fidelity needs at least {FEWEST_SAMPLES} samples, not {samples}.", "Ask for more.")
    if not networks:
        return []

    def look(adapter: Adapter, seed: int, done: int) -> list[Tensor]:
        seen: list[list[Tensor]] = []
        for pictures in sampled_pictures(adapter, samples, seed):
            seen.append([network.features(pictures).cpu() for network in networks])
            done += len(pictures)
            if told:
                told(done, 3 * samples)
        return [torch.cat(column) for column in zip(*seen, strict=True)]

    sets = (look(before, seed, 0), look(after, seed, samples), look(before, seed + 1, 2 * samples))
    return [_compare(network, *features) for network, *features in zip(networks, *sets, strict=True)]


def _compare(network: FeatureNetwork, old: Tensor, new: Tensor, others: Tensor) -> Fidelity:
    a, b, c = (gaussian_of(features) for features in (old, new, others))
    kid, kid_error = kernel_distance(old, new, paired=True)
    kid_reference, kid_reference_error = kernel_distance(old, others, paired=False)
    return Fidelity(
        network=network.shown,
        samples=len(old),
        frechet=frechet_distance(a, b),
        frechet_reference=frechet_distance(a, c),
        kid=kid,
        kid_error=kid_error,
        kid_reference=kid_reference,
        kid_reference_error=kid_reference_error,
        delta_real=frechet_distance(network.real, b) - frechet_distance(network.real, a) if network.real else None,
    )
