"""The sampler of all diffusion adapters: deterministic DDIM, forwards and backwards.

Steps are taken by diffusers' own `DDIMScheduler`, so that a picture is the one that a plain pipeline draws.

Source: Song et al., "Denoising Diffusion Implicit Models", ICLR 2021; for the way back, Pan et al., "Effective Real
Image Editing with Accelerated Iterative Diffusion Inversion", ICCV 2023 (fixed-point iterations).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt, ValidationError
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from guide_plugin import AdapterError
from hub_adapters.diffusion.layout import SAMPLING

Denoiser = Callable[[Tensor, Tensor], Tensor]
"""The network: noisy samples [n, C, H, W] and the timestep (a scalar) to its prediction of the same shape."""

ITERATIONS = 12


class Sampling(BaseModel):
    """How the adapter draws: what `sampling.json` in the model's folder says, else these defaults.

    Attributes:
        steps: DDIM steps from noise to picture.
        guidance: scale of classifier-free guidance; 1 is none. Only for text-to-image.
        people: names whose tokens span the space of person-codes; by default common given and family names.
        templates: prompts to train with, "{}" where the person's token stands; one without it names nobody.
        audit_templates: prompts that only judge.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    steps: PositiveInt = Field(default=20, le=1000)
    guidance: PositiveFloat = 1.0
    people: tuple[str, ...] = ()
    templates: tuple[str, ...] = ()
    audit_templates: tuple[str, ...] = ()


def read_sampling(folder: Path) -> Sampling:
    """Read `sampling.json`; the defaults where there is none."""
    file = folder / SAMPLING
    if not file.exists():
        return Sampling()
    try:
        return Sampling.model_validate(json.loads(file.read_bytes()))
    except (ValidationError, ValueError, RecursionError) as error:
        first = error.errors(include_input=False)[0] if isinstance(error, ValidationError) else None
        what = f"{'.'.join(map(str, first['loc']))}: {first['msg']}" if first else "it is not valid JSON"
        raise AdapterError(f"{SAMPLING}: {what}.", "Correct it, or remove it.") from error


def ddim(scheduler: Any, steps: int) -> Any:
    """Return a deterministic `DDIMScheduler` on the same noise schedule as a pipeline's own.

    Raises:
        AdapterError: the pipeline's noise is not one that DDIM can remove (flow matching, for instance).
    """
    from diffusers import DDIMScheduler
    from diffusers.schedulers import KarrasDiffusionSchedulers

    name = type(scheduler).__name__
    if name not in {known.name for known in KarrasDiffusionSchedulers} or "beta_schedule" not in scheduler.config:
        raise AdapterError(f"The scheduler {name} has no noise schedule that DDIM could follow.", "None is known.")
    made: Any = scheduler if isinstance(scheduler, DDIMScheduler) else DDIMScheduler.from_config(scheduler.config)
    made.set_timesteps(steps)
    return made


class Denoised(NamedTuple):
    """What sampling gives: the noise-free samples, or the estimate of them, and the network's last prediction."""

    sample: Tensor
    prediction: Tensor


def sample(
    scheduler: Any, denoise: Denoiser, x: Tensor, taken: int | None = None, save_memory: bool = False
) -> Denoised:
    """Go from noise to samples.

    Args:
        x: noise [n, C, H, W].
        taken: how many steps to take, at least one; what is noise-free then is the network's estimate, and only the
            last step has gradients. By default all, and all of them have gradients.
        save_memory: compute steps again for their gradients instead of keeping them.
    """
    steps = scheduler.timesteps.to(x.device)
    for i, t in enumerate(steps if taken is None else steps[:taken]):
        last = taken is not None and i == taken - 1
        with torch.set_grad_enabled(torch.is_grad_enabled() and (taken is None or last)):
            if save_memory and torch.is_grad_enabled():
                prediction = checkpoint(denoise, x, t, use_reentrant=False)
            else:
                prediction = denoise(x, t)
            stepped = scheduler.step(prediction, t, x, eta=0.0)
        if last and taken != len(steps):
            return Denoised(stepped.pred_original_sample, prediction)
        x = stepped.prev_sample
    return Denoised(x, prediction)


@torch.no_grad()
def noise_of(scheduler: Any, denoise: Denoiser, x: Tensor) -> Tensor:
    """Find the noise from which `sample` comes to the samples `x` [n, C, H, W].

    A step takes `x_t` to `a·x_t + b·p(x_t)`, where p is the network's prediction; each is undone by fixed-point
    iterations `x_t ← (x - b·p(x_t)) / a`.
    """
    alphas = scheduler.alphas_cumprod.to(x.device)
    apart = scheduler.config.num_train_timesteps // scheduler.num_inference_steps
    for t in scheduler.timesteps.to(x.device).flip(0):
        before = t - apart
        then = alphas[before] if before >= 0 else scheduler.final_alpha_cumprod.to(x.device)
        a, b = _step(scheduler.config.prediction_type, alphas[t], then)
        noisy = x
        for _ in range(ITERATIONS):
            noisy = (x - b * denoise(noisy, t)) / a
        x = noisy
    return x


def _step(kind: str, now: Tensor, then: Tensor) -> tuple[Tensor, Tensor]:
    """Return the factors of the samples and of the prediction in a step between these noise levels ᾱ."""
    signal, level = now.sqrt(), (1 - now).sqrt()
    signal_then, level_then = then.sqrt(), (1 - then).sqrt()
    if kind == "epsilon":
        return signal_then / signal, level_then - signal_then * level / signal
    if kind == "v_prediction":
        return signal * signal_then + level * level_then, signal * level_then - level * signal_then
    return level_then / level, signal_then - level_then * signal / level  # of the samples themselves


def prediction_target(kind: str, clean: Tensor, noise: Tensor, alpha: Tensor) -> Tensor:
    """Return what a denoiser should predict of noisy samples: the noise, the velocity or the samples themselves."""
    if kind == "v_prediction":
        return alpha.sqrt() * noise - (1 - alpha).sqrt() * clean
    return noise if kind == "epsilon" else clean
