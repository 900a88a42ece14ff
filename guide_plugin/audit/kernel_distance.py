"""The kernel distance (KID) between two sets of features: unbiased, where the Fréchet distance of few samples is not.

Source: Bińkowski et al., "Demystifying MMD GANs", ICLR 2018; Gretton et al., "A Kernel Two-Sample Test", JMLR 2012.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

BLOCKS = 10
"""Into how many parts the samples are cut to see how far the distance varies."""


def polynomial_kernel(x: Tensor, y: Tensor) -> Tensor:
    """Return `(x·y/D + 1)³` [n, m] of features [n, D] and [m, D]."""
    return (x @ y.T / x.shape[1] + 1) ** 3


def squared_mmd(x: Tensor, y: Tensor, paired: bool) -> float:
    """Estimate the squared maximum mean discrepancy of two sets of features [n, D] without bias; it may be below 0.

    Args:
        paired: whether the i-th of both sets show the same person, as before and after. Such pairs are not independent
            and are left out (Gretton et al., lemma 6): two equal sets are then 0 apart, exactly.
    """
    n = len(x)
    within = sum(_off_diagonal_sum(polynomial_kernel(a, a)) / (n * (n - 1)) for a in (x, y))
    between = polynomial_kernel(x, y)
    mean = _off_diagonal_sum(between) / (n * (n - 1)) if paired else between.mean()
    return float(within - 2 * mean)


def kernel_distance(x: Tensor, y: Tensor, paired: bool) -> tuple[float, float]:
    """Return KID and its standard error; features [n, D] of both sets, n ≥ 4.

    The distance is that of all samples. The error is that of the mean over up to `BLOCKS` disjoint blocks, each of at
    least two samples: all samples together are at least as exact.
    """
    x, y = x.double(), y.double()
    blocks = min(BLOCKS, len(x) // 2)
    size = len(x) // blocks
    parts = torch.tensor([squared_mmd(x[i : i + size], y[i : i + size], paired) for i in range(0, blocks * size, size)])
    return squared_mmd(x, y, paired), parts.std().item() / math.sqrt(blocks)


def _off_diagonal_sum(matrix: Tensor) -> Tensor:
    return matrix.sum() - matrix.diagonal().sum()
