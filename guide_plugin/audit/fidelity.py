"""How much a generator's pictures as a whole have changed: the Fréchet distance between two sets of features.

Source: Heusel et al., "GANs Trained by a Two Time-Scale Update Rule", NeurIPS 2017.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from guide_plugin.adapter import Adapter
from guide_plugin.errors import UsageError

Features = Callable[[Tensor], Tensor]
"""A feature network: images [n, 3, H, W] in [0, 1] to features [n, D]."""


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


def eight_bit(images: Tensor) -> Tensor:
    """Round pictures in [-1, 1] to 8 bits as GUIDE's PNG files do, floor of `x·127.5 + 128`; return them in [0, 1]."""
    return (images * 127.5 + 128).clamp(0, 255).to(torch.uint8).float() / 255


@torch.no_grad()
def sampled_features(adapter: Adapter, features: Features, samples: int, seed: int, batch: int = 8) -> Iterable[Tensor]:
    """Draw random people and give their features [≤ batch, D]; with equal seeds, equal z and views for any weights.

    Pictures are rounded to 8 bits, seen by the network and forgotten: none is kept, none is written.
    """
    codes, views = (torch.Generator().manual_seed(2 * seed + i) for i in range(2))
    for start in range(0, samples, batch):
        n = min(batch, samples - start)
        w, view = adapter.sample_latents(n, codes), adapter.sample_views(n, views)
        yield features(eight_bit(adapter.synthesize(w, view).image))


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
