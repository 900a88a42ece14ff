"""StyleGAN2 behind the adapter contract. Features are what the last block draws from, [n, C, R, R]."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PositiveFloat, PositiveInt, ValidationError

from guide_plugin import Adapter, AdapterError, LocalCheckpoint, Match, RepoListing, Synthesis, View

if TYPE_CHECKING:
    import torch
    from torch import Tensor
    from torch.nn import Parameter

    from hub_adapters.stylegan2.network import Generator

CONFIG, WEIGHTS = "config.json", "model.safetensors"


class StyleGAN2Config(BaseModel):
    """What `config.json` says: the generator's constructor arguments, and the crop it was trained on."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model_type: Literal["stylegan2"]
    alignment: Literal["ffhq"] = "ffhq"
    z_dim: PositiveInt
    c_dim: NonNegativeInt = 0
    w_dim: PositiveInt
    img_resolution: Literal[4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048]
    img_channels: Literal[3] = 3
    mapping_layers: int = Field(8, ge=1, le=64)
    mapping_lr_multiplier: PositiveFloat = 0.01
    channel_base: PositiveInt = 32768
    channel_max: PositiveInt = 512
    architecture: Literal["skip", "resnet", "orig"] = "skip"
    conv_clamp: PositiveFloat | None = None


class StyleGAN2(Adapter):
    """StyleGAN2 and StyleGAN2-ADA generators stored as `config.json` + `model.safetensors`."""

    name: ClassVar[str] = "stylegan2"
    alignment: ClassVar[str] = "ffhq"

    def __init__(self, generator: Generator, config: StyleGAN2Config, device: torch.device) -> None:
        self.generator, self.config, self.device = generator, config, device
        self.latent_shape = (generator.synthesis.num_ws, config.w_dim)

    @classmethod
    def match(cls, listing: RepoListing) -> Match | None:
        config = listing.documents.get(CONFIG)
        if not isinstance(config, dict) or config.get("model_type") != cls.name or WEIGHTS not in listing.files:
            return None
        resolution = config.get("img_resolution")
        return Match((CONFIG, WEIGHTS), f"StyleGAN2, {resolution}×{resolution}")

    @classmethod
    def load(cls, checkpoint: LocalCheckpoint, device: torch.device) -> Self:
        import torch

        from hub_adapters.checkpoints.safetensors import read_tensors
        from hub_adapters.stylegan2.network import Generator

        try:
            config = StyleGAN2Config.model_validate_json((checkpoint.folder / CONFIG).read_bytes())
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"])) or "the file"
            raise AdapterError(f"{CONFIG}: {where}: {first['msg']}.", "Correct it, or fetch it again.") from error
        with torch.device("meta"):
            generator = Generator(**config.model_dump(exclude={"model_type", "alignment"}))
        shapes = {name: tensor.shape for name, tensor in generator.state_dict().items()}
        generator.load_state_dict(read_tensors(checkpoint.folder / WEIGHTS, shapes, device), assign=True)
        if device.type == "cuda":
            generator.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return cls(generator.eval().requires_grad_(False), config, device)

    def mean_latent(self) -> Tensor:
        return self.generator.mapping.w_avg.expand(1, *self.latent_shape)

    def sample_latents(self, n: int, rng: torch.Generator) -> Tensor:
        import torch

        z = torch.randn(n, self.config.z_dim, generator=rng).to(self.device, non_blocking=True)
        labels = None
        if self.config.c_dim:
            classes = torch.randint(self.config.c_dim, (n,), generator=rng)
            labels = torch.nn.functional.one_hot(classes, self.config.c_dim).to(
                self.device, torch.float32, non_blocking=True
            )
        return self.generator.mapping(z, labels)

    def synthesize(self, w: Tensor, view: View | None = None) -> Synthesis:
        drawing = self.generator.synthesis(w, "const")
        return Synthesis(drawing.image, drawing.features)

    def trainable_parameters(self) -> Iterator[tuple[str, Parameter]]:
        for name, parameter in self.generator.synthesis.named_parameters():
            yield f"synthesis.{name}", parameter

    def save(self, folder: Path) -> list[Path]:
        from hub_adapters.checkpoints.safetensors import write_tensors

        (folder / CONFIG).write_text(json.dumps(self.config.model_dump(), indent=2) + "\n")
        write_tensors(folder / WEIGHTS, self.generator.state_dict())
        return [folder / CONFIG, folder / WEIGHTS]
