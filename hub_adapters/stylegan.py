"""What all StyleGAN adapters have in common: codes from a mapping network, pictures from a synthesis network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from guide_plugin import Adapter, Match, RepoListing, SampledNoise, Saved, Synthesis, View
from hub_adapters.checkpoints.model import Reader, match_model, save_model

if TYPE_CHECKING:
    import torch
    from torch import Tensor
    from torch.nn import Parameter

    from hub_adapters.checkpoints.origin import Origin


class StyleGAN(Adapter):
    """A generator of two networks, of which unlearning changes `synthesis` alone; base of the family's adapters.

    Args:
        generator: has `mapping(z, labels)`, with the buffer `w_avg`, and `synthesis(ws)`, which gives a `Drawing`.
        config: a pydantic record with `z_dim`, `c_dim`, `w_dim` and all else that `config.json` says.
        origin: the file of another format that it came in, if it did.
    """

    alignment: ClassVar[str] = "ffhq"
    title: ClassVar[str]
    readers: ClassVar[Mapping[str, Reader]]
    """What reads a weight file without a configuration beside it, by the ending of its name."""

    def __init__(self, generator: Any, config: Any, device: torch.device, origin: Origin | None = None) -> None:
        self.generator, self.config, self.device, self.origin = generator, config, device, origin
        self.latent_shape = (generator.synthesis.num_ws, config.w_dim)

    @classmethod
    def match(cls, listing: RepoListing) -> Match | None:
        return match_model(listing, cls.name, cls.title, cls.readers)

    def mean_latent(self) -> Tensor:
        return self.generator.mapping.w_avg.expand(1, *self.latent_shape)

    def sample_latents(self, n: int, rng: torch.Generator) -> Tensor:
        noise = self.sample_noise(n, rng)
        return noise.to_codes(noise.z, noise.labels)

    def sample_noise(self, n: int, rng: torch.Generator) -> SampledNoise:
        import torch

        z = torch.randn(n, self.config.z_dim, generator=rng).to(self.device, non_blocking=True)
        labels = None
        if self.config.c_dim:
            classes = torch.randint(self.config.c_dim, (n,), generator=rng)
            labels = torch.nn.functional.one_hot(classes, self.config.c_dim)
            labels = labels.to(self.device, torch.float32, non_blocking=True)
        return SampledNoise(z, labels, self.generator.mapping)

    def synthesize(self, w: Tensor, view: View | None = None) -> Synthesis:
        drawing = self.generator.synthesis(w)
        return Synthesis(drawing.image, drawing.features)

    def trainable_parameters(self) -> Iterator[tuple[str, Parameter]]:
        for name, parameter in self.generator.synthesis.named_parameters():
            yield f"synthesis.{name}", parameter

    def save(self, folder: Path) -> Saved:
        return save_model(folder, self.config, self.generator.state_dict(), self.origin)
