"""How a generator is fitted to renderings, whatever kind of generator it is: its start, its losses, its averaging."""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from hub_adapters.stylegan2.network import Mapping


@torch.no_grad()
def start_almost_linear(mapping: Mapping, x: Tensor) -> None:
    """Lift the biases of a new mapping so that most units lie clear of the kink at zero; x [n,k] goes into its fc0."""
    for i in range(mapping.num_layers):
        layer = mapping.get_submodule(f"fc{i}")
        middle = x.mean(0) @ layer.weight.T * layer.weight_gain
        layer.bias.copy_((1.5 - middle) / layer.bias_gain)
        x = layer(x)


@torch.no_grad()
def start_alike(synthesis: nn.Module) -> None:
    """Bring styles close to 1: every code starts from nearly the same picture, and people grow apart from there."""
    for name, parameter in synthesis.named_parameters():
        if name.endswith("affine.weight"):
            parameter.mul_(0.25)


def asymmetry(w: Tensor, opposite: Tensor) -> Tensor:
    """Measure how far w(z) and w(-z) are from lying opposite each other about one centre, relative to their spread."""
    middle = (w + opposite) / 2
    uneven = middle - middle.mean(0)
    return uneven.square().sum(-1).mean() / (w - opposite).square().sum(-1).mean() * 4


def pixel_loss(drawn: Tensor, wanted: Tensor, weight: Tensor) -> Tensor:
    """Compare pixels, edges and coarser scales, all by absolute difference."""
    difference = (drawn - wanted) * weight
    loss = difference.abs().mean()
    loss = loss + 0.7 * difference.diff(dim=-1).abs().mean() + 0.7 * difference.diff(dim=-2).abs().mean()
    for size in (2, 4, 8):
        loss = loss + 0.5 * avg_pool2d(difference, size).abs().mean()
    return loss


def face_weight(resolution: int) -> Tensor:
    """Weigh the inner face higher [1,1,H,W]: there a few pixels make a person."""
    line = torch.linspace(-1, 1, resolution)
    return 1 + 1.2 * torch.exp(-(((line.view(-1, 1) - 0.1) / 0.45) ** 2) - (line.view(1, -1) / 0.42) ** 2)[None, None]


def set_rate(optimiser: torch.optim.Optimizer, lr: float, done: float) -> None:
    """Set the learning rate when a share of the steps is done: a short rise, then half a cosine."""
    rate = lr * min(1.0, done / 0.01 + 0.05) * (0.03 + 0.97 * (0.5 + 0.5 * math.cos(math.pi * done)))
    for group in optimiser.param_groups:
        group["lr"] = rate


@torch.no_grad()
def follow(average: nn.Module, network: nn.Module, step: int, keep: float = 0.995) -> None:
    """Move an averaged copy a little towards the network; in the first steps more than a little."""
    keep = min(keep, (step + 1) / (step + 20))
    for a, b in zip(average.parameters(), network.parameters(), strict=True):
        a.lerp_(b, 1 - keep)
