"""Samples in a few numbers: quantiles, histograms, bootstrap intervals, and what two strangers score."""

from __future__ import annotations

import torch
from torch import Tensor

from guide_plugin.report.findings import BINS, Distribution, Reference
from guide_plugin.vision.centring import Centring, median_cosine

RESAMPLES = 1000


def distribution(values: Tensor, similarity: bool = False) -> Distribution:
    """Summarise a sample [n]; of similarities, count also how many lie in each of `BINS` bins from -1 to 1.

    The interval of the mean is the percentile bootstrap's, 95 %, for at least two values that are independent.
    """
    values = values.double()
    q = torch.quantile(values, torch.tensor([0.0, 0.05, 0.5, 0.95, 0.99, 1.0], dtype=torch.float64)).tolist()
    counts = torch.histc(values.clamp(-1, 1), BINS, -1, 1).long().tolist() if similarity else []
    return Distribution(
        n=len(values),
        minimum=q[0],
        q05=q[1],
        median=q[2],
        q95=q[3],
        q99=q[4],
        maximum=q[5],
        mean=values.mean().item(),
        interval=bootstrap_interval(values),
        counts=counts,
    )


def bootstrap_interval(values: Tensor) -> tuple[float, float] | None:
    """Return the 95 % percentile bootstrap interval of the mean of a sample [n]; None for fewer than two values.

    Source: Efron, "Bootstrap Methods: Another Look at the Jackknife", Annals of Statistics, 1979.
    """
    n = len(values)
    if n < 2:
        return None
    rng = torch.Generator().manual_seed(0)
    means = torch.stack([values[torch.randint(n, (n,), generator=rng)].mean() for _ in range(RESAMPLES)])
    low, high = torch.quantile(means, torch.tensor([0.025, 0.975], dtype=values.dtype)).tolist()
    return low, high


def stranger_similarities(embeddings: Tensor) -> Tensor:
    """Return the cosine similarity of every pair of different people among [n, D] unit embeddings, [n(n-1)/2]."""
    i, j = torch.triu_indices(len(embeddings), len(embeddings), offset=1)
    return (embeddings @ embeddings.T)[i, j]


def threshold(strangers: Tensor, false_accept: float) -> float:
    """Return the similarity that this share of strangers' pairs [n] lies above."""
    return strangers.double().quantile(1 - false_accept).item()


def make_reference(
    people: Tensor, same: Tensor, photos: Tensor, false_accept: float, centring: Centring | None = None
) -> Reference:
    """Say what is low and what is high, and how much of what is high the judge knows.

    Args:
        people: unit embeddings of random people [n, D].
        same: similarities of pairs of pictures of one person [m].
        photos: unit embeddings of photos of the subject [k, D], whose pairs are of one person too; none is allowed.
        centring: how alike people look in the judge's own embeddings; without it, `people` are taken for those.
    """
    strangers, of_photos = stranger_similarities(people), stranger_similarities(photos)
    limit = threshold(strangers, false_accept)
    pairs = torch.cat([same, of_photos])
    # Pairs share people and are no independent sample: an interval of their mean would promise too much.
    return Reference(
        people=len(people),
        strangers=distribution(strangers, similarity=True).model_copy(update={"interval": None}),
        same_person=distribution(pairs, similarity=True),
        false_accept=false_accept,
        threshold=limit,
        known=(pairs >= limit).double().mean().item(),
        photo_pairs=len(of_photos),
        photo_pairs_known=int((of_photos >= limit).sum()),
        alike=centring.alike if centring else median_cosine(people),
        centred=centring is not None and centring.mean is not None,
    )
