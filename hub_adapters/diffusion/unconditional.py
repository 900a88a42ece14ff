"""Unconditional diffusion: whom the model draws is decided by the noise that it starts from.

Established: deterministic DDIM is the solution of an ordinary differential equation, so starting noise and picture
belong to each other one to one (Song et al., ICLR 2021), and noise for a given picture is found by going backwards.

Ours, by analogy, and experimental: GUIDE's codes are the starting noise. With D = C·H·W,

    w = x_T ~ N(0, 1)^D        w_avg = 0        ‖w‖ ≈ √D for every random code
    w_t = -√D · w_u / ‖w_u‖                     the UFO target is the antipode at the typical radius
    w_u + δ                                     neighbours; drawn at the typical radius, on the sphere of noise

A student learns that its path from w_u is the teacher's path from w_t: at a random step k of S, with x̂_k the
network's estimate of the noise-free picture there and p_k its prediction (noise, velocity or picture),

    D = 1e-2·MSE(p_k) + LPIPS(x̂_k) + 0.1·(1 - cos id(x̂_k)),   student's path from w_u against teacher's from w_t,

with gradients through step k alone; the same holds for neighbours, and random codes are held where they were.
Where all x̂_k agree, the paths end in the same picture, since x_{k+1} mixes x̂_k with what x_k had of the start.

What it can promise is little: one noise is one picture of a person, and other noises draw the same person. The
recovery attack finds them; the verdict counts it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from guide_plugin import AdapterError, Synthesis, View
from hub_adapters.diffusion.pipeline import Diffusion

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from hub_adapters.diffusion.opening import Pipeline

SHELL = 3.3
"""How many standard deviations from its mean the length of a random code may lie: 999 of 1000 lie nearer."""


class Unconditional(Diffusion):
    """Noise to picture; base of both unconditional adapters."""

    standard_normal: ClassVar[bool] = True

    def __init__(self, pipeline: Pipeline, device: torch.device) -> None:
        super().__init__(pipeline, device)
        config = self.unet.config
        side = config.sample_size
        height, width = (side, side) if isinstance(side, int) else side
        self.noise_shape = (config.in_channels, height, width)
        if config.out_channels != config.in_channels:
            raise AdapterError("The denoiser predicts a variance as well, which DDIM has no use for.")
        self.latent_shape = (math.prod(self.noise_shape),)

    def mean_latent(self) -> Tensor:
        import torch

        return torch.zeros(1, *self.latent_shape, device=self.device)

    def sample_latents(self, n: int, rng: torch.Generator) -> Tensor:
        import torch

        return torch.randn(n, *self.latent_shape, generator=rng).to(self.device, non_blocking=True)

    def sample_views(self, n: int, rng: torch.Generator) -> View | None:
        return self.sample_steps(n, rng)

    def sample_finished_views(self, n: int, rng: torch.Generator) -> View | None:
        return None

    def starting_noise(self, w: Tensor) -> Tensor:
        """Return codes as noise [n, C, H, W]; those off the shell on which random noise lies are brought to it."""
        length = w.norm(dim=1, keepdim=True)
        typical = math.sqrt(self.latent_shape[0])
        wanted = length.clamp(typical - SHELL * math.sqrt(0.5), typical + SHELL * math.sqrt(0.5))
        scale = (wanted / length.clamp_min(1e-3)).where(length > 1e-3, length.new_ones(()))
        return (w * scale).view(-1, *self.noise_shape)

    def denoise(self, x: Tensor, t: Tensor) -> Tensor:
        return self.unet(x, t).sample

    def draw(self, w: Tensor, view: Tensor | None, taken: int | None) -> Synthesis:
        from hub_adapters.diffusion.sampling import sample

        found = sample(self.pipeline.scheduler, self.denoise, self.starting_noise(w), taken, self.less_memory)
        return Synthesis(self.decode(found.sample).clamp(-1, 1), found.prediction)

    def invert(
        self,
        images: Tensor,
        view: View | None,
        start: Tensor,
        steps: int,
        rng: torch.Generator,
        on_step: Callable[[int], None],
    ) -> Tensor | None:
        """Find the noise by going backwards: exact where the fixed-point iterations meet; no search, no chance.

        Where the network predicts the picture itself, its last step forgets the noise, and None is returned.
        """
        if self.pipeline.scheduler.config.prediction_type == "sample":
            return None
        from hub_adapters.diffusion.sampling import noise_of

        return noise_of(self.pipeline.scheduler, self.denoise, self.encode(images)).flatten(1)

    def encode(self, images: Tensor) -> Tensor:
        """Turn pictures [n, 3, H, W] into what the denoiser draws."""
        return images

    def decode(self, samples: Tensor) -> Tensor:
        """Turn what the denoiser drew into pictures [n, 3, H, W]."""
        return samples


class PixelDiffusion(Unconditional):
    """Diffusion of pixels: diffusers' DDPMPipeline and DDIMPipeline."""

    name: ClassVar[str] = "pixel-diffusion"
    title: ClassVar[str] = "Pixel diffusion"


class LatentDiffusion(Unconditional):
    """Diffusion of an autoencoder's latents: diffusers' LDMPipeline.

    The autoencoder stays as it is.
    """

    name: ClassVar[str] = "latent-diffusion"
    title: ClassVar[str] = "Latent diffusion"

    def encode(self, images: Tensor) -> Tensor:
        encoded = self.pipeline.components["vqvae"].encode(images)
        latents = encoded.latents if hasattr(encoded, "latents") else encoded.latent_dist.mean
        return latents * self.scaling

    def decode(self, samples: Tensor) -> Tensor:
        return self.pipeline.components["vqvae"].decode(samples / self.scaling).sample

    @property
    def scaling(self) -> float:
        return self.pipeline.components["vqvae"].config.scaling_factor
