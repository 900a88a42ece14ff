"""StyleGAN2 behind the adapter contract. Features are what the last block draws from, [n, C, R, R]."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat

from guide_plugin import AdapterError, LocalCheckpoint
from hub_adapters.checkpoints.model import Reader, open_model
from hub_adapters.stylegan import StyleGAN
from hub_adapters.stylegan2.weights import LEFT_OUT, from_nvidia, from_rosinality, from_safetensors

if TYPE_CHECKING:
    import torch

READERS = {".pkl": from_nvidia, ".pt": from_rosinality, ".pth": from_rosinality, ".safetensors": from_safetensors}


class StyleGAN2Config(BaseModel):
    """What `config.json` says: the generator's constructor arguments, and the crop it was trained on."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    model_type: Literal["stylegan2"]
    alignment: Literal["ffhq"] = "ffhq"
    z_dim: int = Field(ge=1, le=1 << 16)
    c_dim: int = Field(0, ge=0, le=1 << 20)
    w_dim: int = Field(ge=1, le=1 << 16)
    img_resolution: Literal[4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048]
    img_channels: Literal[3] = 3
    mapping_layers: int = Field(8, ge=1, le=64)
    mapping_lr_multiplier: PositiveFloat = 0.01
    channel_base: int = Field(32768, ge=1, le=1 << 26)
    channel_max: int = Field(512, ge=1, le=1 << 16)
    architecture: Literal["skip", "resnet", "orig"] = "skip"
    conv_clamp: PositiveFloat | None = None


class StyleGAN2(StyleGAN):
    """StyleGAN2 and StyleGAN2-ADA: our folders, NVIDIA's pickles, rosinality's checkpoints, bare safetensors."""

    name: ClassVar[str] = "stylegan2"
    title: ClassVar[str] = "StyleGAN2"
    readers: ClassVar[Mapping[str, Reader]] = READERS

    @classmethod
    def load(cls, checkpoint: LocalCheckpoint, device: torch.device) -> Self:
        import torch

        from hub_adapters.checkpoints.loading import check_shapes, fill, read_all
        from hub_adapters.stylegan2.network import Generator, check_filters, default_buffers, mean_code

        model = open_model(checkpoint, StyleGAN2Config, READERS)
        arguments = model.config.model_dump(exclude={"model_type", "alignment"})
        try:
            with torch.device("meta"):
                generator = Generator(**arguments)
        except (ArithmeticError, RuntimeError) as error:
            raise AdapterError(f"{model.file}: no network has this configuration.", "Correct it.") from error
        may_be_missing = LEFT_OUT if READERS[Path(model.file).suffix] is from_rosinality else ()
        check_shapes(
            model.file, {name: place.shape for name, place in model.tensors.items()}, generator, may_be_missing
        )
        missing = default_buffers(generator, model.tensors)
        fill(generator, chain(missing.items(), read_all(model.tensors)), device, model.file)
        check_filters(generator, model.file)
        if "mapping.w_avg" not in model.tensors:
            generator.mapping.w_avg.copy_(mean_code(generator))
        if device.type == "cuda":
            generator.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return cls(generator, model.config, device, model.origin)
