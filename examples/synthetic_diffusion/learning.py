"""How the small denoisers learn: v-prediction at random timesteps, weights averaged over the steps."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

Batch = Callable[[torch.Generator], tuple[Tensor, Tensor]]
"""Draws a noise-free batch [n, C, H, W] and the network's condition [n, …]."""

RISE = 200
AVERAGED = 0.998


def learn(
    network: nn.Module,
    predict: Callable[[nn.Module, Tensor, Tensor, Tensor], Tensor],
    batch: Batch,
    alphas: Tensor,
    steps: int,
    stop: int,
    lr: float,
    rng: torch.Generator,
    keep: Callable[[nn.Module, int], None],
) -> nn.Module:
    """Train `network` and return the average of its weights.

    Args:
        predict: calls a network with (noisy pictures, timesteps, condition).
        alphas: the cumulative products ᾱ of the schedule [T].
        steps: what the learning rate falls over.
        stop: after how many of them training ends.
        keep: is given the averaged network every thousand steps.

    Source: Salimans & Ho, "Progressive Distillation for Fast Sampling of Diffusion Models", ICLR 2022 (v-prediction).
    """
    averaged = copy.deepcopy(network).requires_grad_(False).eval()
    optimiser = torch.optim.AdamW(network.parameters(), lr=lr, weight_decay=1e-4)
    began, total = time.monotonic(), 0.0
    for step in range(1, stop + 1):
        optimiser.param_groups[0]["lr"] = lr * min(1.0, step / RISE) * (0.5 + 0.5 * math.cos(math.pi * step / steps))
        clean, condition = batch(rng)
        t = torch.randint(len(alphas), (len(clean),), generator=rng)
        noise = torch.randn(clean.shape, generator=rng)
        signal, level = alphas[t].sqrt().view(-1, 1, 1, 1), (1 - alphas[t]).sqrt().view(-1, 1, 1, 1)
        v = signal * noise - level * clean
        loss = (predict(network, signal * clean + level * noise, t, condition) - v).square().mean()
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        with torch.no_grad():
            share = min(AVERAGED, step / (step + 10))
            for kept, now in zip(averaged.parameters(), network.parameters(), strict=True):
                kept.lerp_(now, 1 - share)
        total += loss.item()
        if step % 100 == 0:
            print(f"step {step}: loss {total / 100:.4f}, {(time.monotonic() - began) / step:.2f} s each", flush=True)
            total = 0.0
        if step % 1000 == 0 or step == stop:
            keep(averaged, step)
    return averaged
