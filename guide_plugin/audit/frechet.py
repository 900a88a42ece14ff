"""The Fréchet distance between two sets of features, taken for Gaussians.

Source: Heusel et al., "GANs Trained by a Two Time-Scale Update Rule", NeurIPS 2017.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from guide_plugin.errors import UsageError


@dataclass(frozen=True)
class Gaussian:
    """Mean [D] and covariance [D, D] of features, float64 on the CPU."""

    mean: Tensor
    covariance: Tensor

    @functools.cached_property
    def factor(self) -> Tensor:
        """F [D, k] with `covariance = F Fᵀ`; eigenvalues that are zero to rounding are left out."""
        values, vectors = torch.linalg.eigh(self.covariance)
        kept = values > values[-1].clamp(min=0) * len(values) * torch.finfo(torch.float64).eps
        return vectors[:, kept] * values[kept].sqrt()


class Moments:
    """Mean and covariance of features that come batch by batch; holds no more than one [D, D] matrix.

    Batches are joined by Chan, Golub and LeVeque's update (1979), which does not subtract large sums.
    """

    def __init__(self) -> None:
        self.n = 0
        self.mean = self.scatter = torch.zeros(0, dtype=torch.float64)

    def add(self, features: Tensor) -> None:
        """Take in features [n, D]."""
        batch = features.detach().cpu().double()
        mean = batch.mean(dim=0)
        scatter = (batch - mean).T @ (batch - mean)
        if self.n == 0:
            self.n, self.mean, self.scatter = len(batch), mean, scatter
            return
        total, apart = self.n + len(batch), mean - self.mean
        self.scatter += scatter + torch.outer(apart, apart) * (self.n * len(batch) / total)
        self.mean = self.mean + apart * (len(batch) / total)
        self.n = total

    def gaussian(self) -> Gaussian:
        """Return mean and unbiased covariance of at least two features."""
        return Gaussian(self.mean, self.scatter / (self.n - 1))


def frechet_distance(a: Gaussian, b: Gaussian) -> float:
    """Return `‖μ_a - μ_b‖² + tr(Σ_a + Σ_b - 2 (Σ_a Σ_b)^½)`, at least 0.

    With Σ = F Fᵀ the last trace is the sum of the singular values of F_aᵀ F_b, so that no square root is taken of what
    is rounding noise, and none of a matrix that is not symmetric.
    """
    trace = a.covariance.trace() + b.covariance.trace()
    cross = torch.linalg.svdvals(a.factor.T @ b.factor).sum()
    return max(0.0, ((a.mean - b.mean).square().sum() + trace - 2 * cross).item())


def gaussian_of(features: Tensor) -> Gaussian:
    """Return mean and covariance of features [n, D], n ≥ 2."""
    moments = Moments()
    moments.add(features)
    return moments.gaussian()


def read_statistics(path: Path, width: int) -> Gaussian:
    """Read the statistics of real pictures: `.npy` with features [N, D], or pytorch-fid's `.npz` with `mu` and `sigma`.

    Args:
        width: the D that they must have.

    Raises:
        UsageError: the file cannot be read, or holds something else; nothing in it is run.
    """
    remedy = f"Give features [N, {width}] as .npy, or mu [{width}] and sigma [{width}, {width}] as .npz."
    try:
        loaded = np.load(path, allow_pickle=False, mmap_mode="r" if path.suffix == ".npy" else None)
        if isinstance(loaded, np.ndarray):
            arrays = {"features": loaded}
        else:
            with loaded:
                arrays = {name: loaded[name] for name in ("mu", "sigma")}
    except FileNotFoundError:
        raise UsageError(f"There is no file {path.name} with statistics of real pictures.", "Check its path.") from None
    except Exception as error:
        raise UsageError(
            f"{path.name} cannot be read as statistics of real pictures ({type(error).__name__}).", remedy
        ) from None
    shapes = {name: tuple(array.shape) for name, array in arrays.items()}
    if not all(np.issubdtype(array.dtype, np.floating) for array in arrays.values()):
        raise UsageError(f"{path.name} holds no floating-point numbers.", remedy)
    if "features" in arrays:
        n = shapes["features"][0] if len(shapes["features"]) == 2 else 0
        if shapes["features"] != (n, width) or n < 2:
            raise UsageError(f"{path.name} holds an array of shape {shapes['features']}.", remedy)
        moments = Moments()
        for start in range(0, n, 4096):
            moments.add(torch.from_numpy(np.array(arrays["features"][start : start + 4096], dtype=np.float64)))
        found = moments.gaussian()
    else:
        if shapes != {"mu": (width,), "sigma": (width, width)}:
            raise UsageError(f"{path.name} holds arrays of shapes {shapes['mu']} and {shapes['sigma']}.", remedy)
        mean, covariance = (torch.from_numpy(arrays[name].astype(np.float64)) for name in ("mu", "sigma"))
        found = Gaussian(mean, (covariance + covariance.T) / 2)
    if not (found.mean.isfinite().all() and found.covariance.isfinite().all()):
        raise UsageError(f"{path.name} holds NaN or Inf.", remedy)
    return found
