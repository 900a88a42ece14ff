"""Text to image: whom the model draws is decided by the token that stands for a person.

Established: a person is one or two pseudo-words found from photos by textual inversion (Gal et al., ICLR 2023), the
tokens of known names span the space of such words (Yuan et al., "Celeb Basis", NeurIPS 2023), and what a word draws is
changed by training the keys and values of cross-attention alone (Kumari et al., "Custom Diffusion", CVPR 2023).

Ours, by analogy, and experimental: GUIDE's codes are a person's token vectors. With e_1 … e_K those of known people,

    w = w_avg + Σ_i g_i (e_i - w_avg) / √K,  g ~ N(0, 1)      a random person, as those known vary
    w_avg = mean of e_i                                       nobody in particular
    w_t = w_avg - d · (w_u - w_avg) / ‖w_u - w_avg‖           the UFO target: the opposite person
    view = (seed of the noise, prompt template, steps taken)  all that may vary while the person stays

and the losses are those of unconditional diffusion (`unconditional.py`): the student's path for w_u against the
teacher's for w_t from the same noise under the same prompt, with gradients through the last step alone. A template
that names nobody draws the same for every code: there, all three losses hold the model where it was. Trained are the
keys and values of cross-attention. Audits draw from seeds and templates that were not trained with.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, ClassVar

from guide_plugin import Synthesis, View
from hub_adapters.diffusion.pipeline import Diffusion

if TYPE_CHECKING:
    import torch
    from torch import Tensor
    from torch.nn import Parameter

    from hub_adapters.diffusion.opening import Pipeline
    from hub_adapters.diffusion.prompts import Conditions

TRAINED = ("attn2.to_k.", "attn2.to_v.")
TRAINING_SEEDS = 1 << 31
AUDIT_SEEDS = (TRAINING_SEEDS, TRAINING_SEEDS + 1)
"""Noise of the audit views; training draws its seeds below."""


class TextToImage(Diffusion):
    """Text to image: diffusers' StableDiffusionPipeline and StableDiffusionXLPipeline."""

    name: ClassVar[str] = "text-to-image"
    title: ClassVar[str] = "Text to image"

    def __init__(self, pipeline: Pipeline, device: torch.device) -> None:
        from hub_adapters.diffusion.prompts import Speaker, people_of, templates_of

        super().__init__(pipeline, device)
        parts, self.sampling = pipeline.components, pipeline.sampling
        self.vae, self.large = parts["vae"], "text_encoder_2" in parts
        endings = ("", "_2") if self.large else ("",)
        tokens = 1 if self.sampling.people else 2
        self.speakers = [
            Speaker(parts[f"tokenizer{end}"], parts[f"text_encoder{end}"], tokens, self.large) for end in endings
        ]
        self.people = people_of(self.speakers, self.sampling)
        self.latent_shape = (self.people.shape[1],)
        train, audit = templates_of(self.sampling)
        self.trained_templates = len(train)
        self.spoken = [speaker.speak((*train, *audit, "")) for speaker in self.speakers]
        self.audited_templates = len(audit)

    def mean_latent(self) -> Tensor:
        return self.people.mean(dim=0, keepdim=True)

    def sample_latents(self, n: int, rng: torch.Generator) -> Tensor:
        import torch

        shares = torch.randn(n, len(self.people), generator=rng).to(self.device, non_blocking=True)
        mean = self.mean_latent()
        return mean + shares @ (self.people - mean) / math.sqrt(len(self.people))

    def code_of_name(self, name: str) -> Tensor | None:
        from hub_adapters.diffusion.prompts import code_of_name

        return code_of_name(name, self.speakers)

    def sample_views(self, n: int, rng: torch.Generator) -> View:
        import torch

        seeds = torch.randint(TRAINING_SEEDS, (n, 1), generator=rng)
        templates = torch.randint(self.trained_templates, (n, 1), generator=rng)
        return torch.cat([seeds.to(self.device), templates.to(self.device), self.sample_steps(n, rng)], dim=1)

    def sample_finished_views(self, n: int, rng: torch.Generator) -> View:
        views = self.sample_views(n, rng)
        views[:, -1] = 0
        return views

    def audit_views(self) -> View:
        import torch

        judged = range(self.trained_templates, self.trained_templates + self.audited_templates)
        views = [[seed, template, 0] for template in judged for seed in AUDIT_SEEDS]
        return torch.tensor(views, device=self.device)

    def trainable_parameters(self) -> Iterator[tuple[str, Parameter]]:
        for name, parameter in super().trainable_parameters():
            if any(part in name for part in TRAINED):
                yield name, parameter

    def starting_noise(self, seeds: Tensor) -> Tensor:
        """Return the noise of these seeds [n, C, H, W], as a plain pipeline draws it from a CPU generator."""
        import torch

        config = self.unet.config
        shape = (1, config.in_channels, config.sample_size, config.sample_size)
        drawn = {s: torch.randn(shape, generator=torch.Generator().manual_seed(s)) for s in set(seeds.tolist())}
        return torch.cat([drawn[s] for s in seeds.tolist()]).to(self.device)

    def conditions(self, w: Tensor, templates: Tensor) -> Conditions:
        """Return what the denoiser is told by prompts [n] about the people `w` [n, code width]."""
        import torch

        from hub_adapters.diffusion.prompts import Conditions

        widths = [speaker.width * speaker.tokens for speaker in self.speakers]
        heard = [
            speaker.listen(spoken, templates, vectors)
            for speaker, spoken, vectors in zip(self.speakers, self.spoken, w.split(widths, dim=1), strict=True)
        ]
        return Conditions(torch.cat([hidden for hidden, _ in heard], dim=-1), heard[-1][1] if self.large else None)

    def predict(self, x: Tensor, t: Tensor, told: Conditions) -> Tensor:
        if told.pooled is None:
            return self.unet(x, t, told.hidden).sample
        side = self.unet.config.sample_size * 2 ** (len(self.vae.config.block_out_channels) - 1)
        times = x.new_tensor([side, side, 0, 0, side, side]).expand(len(x), -1)
        added = {"text_embeds": told.pooled, "time_ids": times}
        return self.unet(x, t, told.hidden, added_cond_kwargs=added).sample

    def guided(self, x: Tensor, t: Tensor, told: Conditions, untold: Conditions | None) -> Tensor:
        """Predict with classifier-free guidance; without it where `untold` is None."""
        predicted = self.predict(x, t, told)
        if untold is None:
            return predicted
        plain = self.predict(x, t, untold)
        return plain + self.sampling.guidance * (predicted - plain)

    def untold(self, w: Tensor) -> Conditions | None:
        """Return what the denoiser is told by no prompt at all; None without guidance."""
        import torch

        from hub_adapters.diffusion.prompts import Conditions

        if self.sampling.guidance == 1:
            return None
        silence = self.conditions(w, torch.full((len(w),), -1, device=self.device))
        if silence.pooled is None:
            return silence
        return Conditions(torch.zeros_like(silence.hidden), torch.zeros_like(silence.pooled))  # as SDXL's pipeline does

    def draw(self, w: Tensor, view: Tensor | None, taken: int | None) -> Synthesis:
        from hub_adapters.diffusion.sampling import sample

        views = self.audit_views()[:1].expand(len(w), -1) if view is None else view
        told, untold = self.conditions(w, views[:, 1]), self.untold(w)

        def denoise(x: Tensor, t: Tensor) -> Tensor:
            return self.guided(x, t, told, untold)

        found = sample(self.pipeline.scheduler, denoise, self.starting_noise(views[:, 0]), taken, self.less_memory)
        return Synthesis(self.decode(found.sample).clamp(-1, 1), found.prediction)

    def decode(self, latents: Tensor) -> Tensor:
        """Turn latents into pictures [n, 3, H, W]."""
        return self.vae.decode(latents / self.vae.config.scaling_factor).sample

    def invert(
        self,
        images: Tensor,
        view: View | None,
        start: Tensor,
        steps: int,
        rng: torch.Generator,
        on_step: Callable[[int], None],
    ) -> Tensor:
        """Find people's tokens by textual inversion: what the denoiser, told so, best takes the noise off with.

        The code is sought as coordinates g in the space that known people span, of a length that random people have
        at most, from the mean or from `start` on.

        Source: Gal et al., "An Image is Worth One Word", ICLR 2023; Yuan et al., NeurIPS 2023, for the space.
        """
        import torch

        from hub_adapters.diffusion.inversion import textual_inversion

        with torch.no_grad():
            latents = self.vae.encode(images).latent_dist.mean * self.vae.config.scaling_factor
        return textual_inversion(self, latents, start, steps, rng, on_step)
