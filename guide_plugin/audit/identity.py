"""Is the subject gone? Similarity before and after, beside what strangers score."""

from __future__ import annotations

import torch
from torch import Tensor

from guide_plugin.audit.comparison import Comparison
from guide_plugin.report.schema import Quantiles, SubjectFigures

NEARBY = 0.1


def nearby_codes(w_u: Tensor, w_r: Tensor) -> Tensor:
    """Return codes a tenth of the way from the subject's code [1, …] to random codes [n, …]."""
    return w_u.lerp(w_r, NEARBY)


def subject_figures(exact: Comparison, nearby: Comparison) -> SubjectFigures:
    """Measure the subject against the original generator's picture of them.

    Args:
        exact: the subject's own code, one row per view. Its similarity before is 1 by definition.
        nearby: codes around it, under the middle one of those views.
    """
    after = exact.similarity()
    reference = exact.before[len(exact.before) // 2]
    nearby_before, nearby_after = nearby.before @ reference, nearby.after @ reference
    return SubjectFigures(
        views=len(exact.before),
        after_mean=after.mean().item(),
        after_max=after.max().item(),
        nearby_before_mean=nearby_before.mean().item(),
        nearby_after_mean=nearby_after.mean().item(),
        nearby_after_max=nearby_after.max().item(),
    )


def stranger_similarities(embeddings: Tensor) -> Tensor:
    """Return the cosine similarity of every pair of different people among [n, D] unit embeddings, [n(n-1)/2]."""
    i, j = torch.triu_indices(len(embeddings), len(embeddings), offset=1)
    return (embeddings @ embeddings.T)[i, j]


def quantiles(values: Tensor) -> Quantiles:
    """Summarise a sample [n]."""
    q = torch.quantile(values, torch.tensor([0.0, 0.05, 0.5, 0.95, 0.99, 1.0])).tolist()
    return Quantiles(n=len(values), minimum=q[0], q05=q[1], median=q[2], q95=q[3], q99=q[4], maximum=q[5])
