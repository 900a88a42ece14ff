"""Weights in coordinates in which a step of any direction changes everybody else's pictures about as much.

For each weight W [out, in, …] gradients g of random cotangents of bystanders' pictures give two factors, over its
outputs `L = E[g gᵀ]` and over its inputs `R = E[gᵀ g]`: K-FAC's factors of the Gauss-Newton matrix of the pictures.
What is trained is V, from V = 0, in

    W = W₀ + s · U_L (λ_L / mean λ_L + ε)^(-1/2) V (λ_R / mean λ_R + ε)^(-1/2) U_Rᵀ,

s being the root mean square of W₀, so that one learning rate fits every network. Directions that bystanders hardly use
move easily, those that they depend on hardly. The further indices of a convolution are left as they are: a factor has
at most as many rows as the layer has channels. A weight of one index is trained as it is.

Source: Martens and Grosse, "Optimizing Neural Networks with Kronecker-factored Approximate Curvature", ICML 2015.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import Parameter

from guide_plugin.adapter import Adapter
from guide_plugin.operator import Embedder, PerceptualFeatures
from guide_plugin.operators.views import for_each

DAMPING = 0.1
PROBES, PEOPLE = 60, 8
IDENTITY = 3.0
"""What an embedding counts for in a probe, beside a picture's 1."""


@dataclass(frozen=True)
class Whitening:
    """The two maps of one weight [out, in, …] from white coordinates to its own: `left` [out, out], `right` [in, in].

    `left` includes the scale s.
    """

    left: Tensor
    right: Tensor

    def __call__(self, white: Tensor) -> Tensor:
        """Turn a step V in white coordinates into a step of the weight, both [out, in, …]."""
        return _both_sides(self.left, white, self.right)

    def gradient(self, weight: Tensor) -> Tensor:
        """Turn a gradient with respect to the weight into one with respect to V, both [out, in, …]."""
        return _both_sides(self.left.T, weight, self.right.T)


def _both_sides(left: Tensor, x: Tensor, right: Tensor) -> Tensor:
    mixed = left @ x.flatten(1)
    return torch.matmul(right, mixed.view(len(x), x.shape[1], -1)).view_as(x)


def bystander_probes(
    generator: Adapter, perceptual: PerceptualFeatures, recogniser: Embedder, rng: torch.Generator, batch: int
) -> Iterator[Tensor]:
    """Yield random cotangents of a few random people's pictures, as scalars that depend on the generator's weights.

    The pictures count as they are, in the perceptual network's maps, and in the recogniser's embedding.

    Args:
        batch: people at once, at most 8 of them.
    """
    for _ in range(PROBES):
        codes = generator.sample_latents(min(PEOPLE, batch), rng)
        view = generator.sample_views(1, rng)
        image = generator.synthesize(codes, for_each(view, codes)).image
        seen = [image, *perceptual.features(image), IDENTITY * recogniser(image)]
        cotangents = (torch.randn(part.shape, generator=rng).to(part) / part[0].numel() ** 0.5 for part in seen)
        yield torch.stack([(part * c).sum() for part, c in zip(seen, cotangents, strict=True)]).sum()


def kronecker_factors(weights: Mapping[str, Parameter], values: Iterable[Tensor]) -> dict[str, tuple[Tensor, Tensor]]:
    """Return the summed factors (L [out, out], R [in, in]) of each weight of two or more indices.

    Args:
        values: scalars that depend on the weights, one for each probe: random cotangents times what is looked at.
    """
    matrices = {name: weight for name, weight in weights.items() if weight.dim() >= 2}
    found: dict[str, tuple[Tensor, Tensor]] = {}
    for value in values:
        gradients = torch.autograd.grad(value, list(matrices.values()), allow_unused=True)
        for name, g in zip(matrices, gradients, strict=True):
            if g is None:
                continue
            g = g.float()
            rows, columns = g.flatten(1), g.transpose(0, 1).flatten(1)
            left, right = rows @ rows.T, columns @ columns.T
            if name in found:
                found[name][0].add_(left)
                found[name][1].add_(right)
            else:
                found[name] = (left, right)
    return found


def whitening_of(weight: Tensor, factors: tuple[Tensor, Tensor]) -> Whitening:
    """Return the maps that a weight's factors give."""
    left, right = (_inverse_root(factor) for factor in factors)
    scale = weight.detach().square().mean().sqrt()
    return Whitening(scale * left, right)


def _inverse_root(factor: Tensor) -> Tensor:
    """Return U (λ / mean λ + ε)^(-1/2) of a symmetric matrix [n, n]; of one that is all zero, ε alone counts."""
    values, axes = torch.linalg.eigh(factor.double())
    values = values.clamp(min=0)
    values = values / values.mean().clamp(min=torch.finfo(values.dtype).tiny)
    return (axes * (values + DAMPING).rsqrt()).to(factor.dtype)


class WhiteWeights:
    """What an optimiser trains in place of a model's weights: V of each weight with factors, others as they are.

    `pull` brings the gradients over before a step, `push` writes the weights after it.
    """

    def __init__(self, weights: Mapping[str, Parameter], factors: Mapping[str, tuple[Tensor, Tensor]]) -> None:
        self.weights = dict(weights)
        self.first = {name: weight.detach().clone() for name, weight in weights.items()}
        self.whitenings = {name: whitening_of(self.first[name], pair) for name, pair in factors.items()}
        self.white = {name: Parameter(torch.zeros_like(weight)) for name, weight in self.first.items()}

    def pull(self) -> None:
        """Turn the weights' gradients into those of the white coordinates; the weights' own are dropped."""
        for name, weight in self.weights.items():
            gradient, weight.grad = weight.grad, None
            if gradient is not None and name in self.whitenings:
                gradient = self.whitenings[name].gradient(gradient)
            self.white[name].grad = gradient

    @torch.no_grad()
    def push(self) -> None:
        """Write the weights that the white coordinates stand for."""
        for name, weight in self.weights.items():
            step = self.white[name]
            weight.copy_(self.first[name] + (self.whitenings[name](step) if name in self.whitenings else step))

    def parameters(self) -> Iterator[Parameter]:
        yield from self.white.values()


def factor_bytes(weights: Iterable[Tensor]) -> int:
    """Return how many bytes the factors of these weights take, in float32."""
    return 4 * sum(w.shape[0] ** 2 + w.shape[1] ** 2 for w in weights if w.dim() >= 2)
