"""White weights: factors and steps of a linear network by hand, and directions that bystanders need."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import Parameter
from torch.testing import assert_close

from guide_plugin.operators.white_weights import DAMPING, WhiteWeights, factor_bytes, kronecker_factors, whitening_of

OUT, IN = 3, 5


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def linear() -> dict[str, Parameter]:
    return {"weight": Parameter(torch.randn(OUT, IN, generator=seeded())), "bias": Parameter(torch.zeros(OUT))}


def probes(weights: dict[str, Parameter], cotangents: Tensor, inputs: Tensor):
    """Yield cᵀ(W x + b), whose gradient with respect to W is c xᵀ."""
    for c, x in zip(cotangents, inputs, strict=True):
        yield c @ (weights["weight"] @ x + weights["bias"])


def test_factors_of_a_linear_layer_are_the_sums_of_its_outer_products() -> None:
    weights = linear()
    c, x = torch.randn(7, OUT, generator=seeded(1)), torch.randn(7, IN, generator=seeded(2))
    factors = kronecker_factors(weights, probes(weights, c, x))
    assert list(factors) == ["weight"]
    left, right = factors["weight"]
    assert_close(left, sum(x[i].square().sum() * c[i].outer(c[i]) for i in range(7)))
    assert_close(right, sum(c[i].square().sum() * x[i].outer(x[i]) for i in range(7)))


def test_a_convolution_has_one_factor_over_its_outputs_and_one_over_its_inputs() -> None:
    weight = Parameter(torch.randn(OUT, IN, 3, 3, generator=seeded()))
    g = torch.randn(weight.shape, generator=seeded(1))
    left, right = kronecker_factors({"w": weight}, [(weight * g).sum()])["w"]
    assert_close(left, torch.einsum("oikl,pikl->op", g, g))
    assert_close(right, torch.einsum("oikl,ojkl->ij", g, g))
    assert factor_bytes([weight, torch.zeros(OUT)]) == 4 * (OUT**2 + IN**2)


@pytest.mark.parametrize("shape", [(OUT, IN), (OUT, IN, 3, 3)])
def test_the_gradient_in_white_coordinates_is_what_autograd_finds(shape: tuple[int, ...]) -> None:
    first, g = torch.randn(shape, generator=seeded()), torch.randn(shape, generator=seeded(1))
    weight = Parameter(first.clone())
    left, right = kronecker_factors({"w": weight}, [(weight * g).sum()])["w"]
    white = WhiteWeights({"w": weight}, {"w": (left, right)})
    v = torch.zeros(shape, requires_grad=True)
    goal = torch.randn(shape, generator=seeded(2))
    (white.first["w"] + white.whitenings["w"](v) - goal).square().sum().backward()
    (weight - goal).square().sum().backward()
    white.pull()
    assert weight.grad is None
    assert_close(white.white["w"].grad, v.grad)


def test_a_step_is_the_one_that_the_formula_says() -> None:
    weights = linear()
    c, x = torch.randn(7, OUT, generator=seeded(1)), torch.randn(7, IN, generator=seeded(2))
    factors = kronecker_factors(weights, probes(weights, c, x))
    first = weights["weight"].detach().clone()
    white = WhiteWeights(weights, factors)
    step = torch.randn(OUT, IN, generator=seeded(3))
    with torch.no_grad():
        white.white["weight"].copy_(step)
        white.white["bias"].fill_(0.5)
    white.push()
    sides = []
    for factor in factors["weight"]:
        values, axes = torch.linalg.eigh(factor)
        sides.append(axes @ torch.diag((values / values.mean() + DAMPING) ** -0.5))
    moved = (weights["weight"] - first) / first.square().mean().sqrt()
    # Axes are known up to their signs, so what is compared does not depend on them.
    inverse = [torch.linalg.inv(side) for side in sides]
    assert_close((inverse[0] @ moved @ inverse[1].T).abs(), step.abs(), atol=1e-3, rtol=1e-3)
    assert_close(weights["bias"].detach(), torch.full((OUT,), 0.5))


def test_nothing_moves_in_the_inputs_that_bystanders_use_where_forgetting_does_not_ask_for_it() -> None:
    weights = linear()
    used = torch.zeros(40, IN)
    used[:, :2] = torch.randn(40, 2, generator=seeded(2))  # bystanders' inputs lie in the first two coordinates
    factors = kronecker_factors(weights, probes(weights, torch.randn(40, OUT, generator=seeded(1)), used))
    first = weights["weight"].detach().clone()
    white = WhiteWeights(weights, factors)
    optimiser = torch.optim.Adam(white.parameters(), lr=0.05)
    unused = torch.tensor([0.0, 0.0, 1.0, -1.0, 2.0])
    for _ in range(200):
        (weights["weight"] @ unused - 1).square().sum().backward()
        white.pull()
        optimiser.step()
        white.push()
    assert (weights["weight"] @ unused - 1).abs().max() < 0.1
    assert_close(weights["weight"][:, :2].detach(), first[:, :2], atol=1e-5, rtol=0)


def test_a_step_in_what_bystanders_use_is_the_shorter_the_more_they_do() -> None:
    used = torch.eye(IN) * torch.tensor([4.0, 1.0, 0.0, 0.0, 0.0])
    whitening = whitening_of(torch.ones(OUT, IN), (torch.eye(OUT), used @ used.T))
    gains = whitening.right.norm(dim=1)
    mean = (16 + 1) / IN
    assert_close(gains[:3], (torch.tensor([16.0, 1.0, 0.0]) / mean + DAMPING).rsqrt(), atol=1e-4, rtol=1e-4)
