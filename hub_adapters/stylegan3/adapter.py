"""StyleGAN3 behind the adapter contract. Features are the colour layer's input, [n, C, R, R]."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt

from guide_plugin import AdapterError, LocalCheckpoint
from hub_adapters.checkpoints.model import Reader, open_model
from hub_adapters.stylegan import StyleGAN
from hub_adapters.stylegan3.weights import from_nvidia, from_safetensors

if TYPE_CHECKING:
    import torch

READERS = {".pkl": from_nvidia, ".safetensors": from_safetensors}


class StyleGAN3Config(BaseModel):
    """What `config.json` says: the generator's constructor arguments, and the crop it was trained on."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    model_type: Literal["stylegan3"]
    alignment: Literal["ffhq"] = "ffhq"
    z_dim: int = Field(ge=1, le=1 << 16)
    c_dim: int = Field(0, ge=0, le=1 << 20)
    w_dim: int = Field(ge=1, le=1 << 16)
    img_resolution: Literal[16, 32, 64, 128, 256, 512, 1024, 2048]
    img_channels: Literal[3] = 3
    mapping_layers: int = Field(2, ge=1, le=64)
    mapping_lr_multiplier: PositiveFloat = 0.01
    channel_base: int = Field(32768, ge=1, le=1 << 26)
    channel_max: int = Field(512, ge=1, le=1 << 16)
    num_layers: int = Field(14, ge=2, le=64)
    num_critical: PositiveInt = 2
    first_cutoff: PositiveFloat = 2.0
    first_stopband: PositiveFloat = 2**2.1
    last_stopband_rel: PositiveFloat = 2**0.3
    margin_size: int = Field(10, ge=0, le=256)
    output_scale: PositiveFloat = 0.25
    conv_kernel: Literal[1, 3] = 3
    use_radial_filters: bool = False
    filter_size: int = Field(6, ge=1, le=32)
    lrelu_upsampling: Literal[1, 2, 4] = 2
    conv_clamp: PositiveFloat | None = 256.0


class StyleGAN3(StyleGAN):
    """StyleGAN3 (T and R): our folders, NVIDIA's pickles, bare safetensors."""

    name: ClassVar[str] = "stylegan3"
    title: ClassVar[str] = "StyleGAN3"
    readers: ClassVar[Mapping[str, Reader]] = READERS

    @classmethod
    def load(cls, checkpoint: LocalCheckpoint, device: torch.device) -> Self:
        import torch

        from hub_adapters.checkpoints.loading import check_shapes, fill, read_all
        from hub_adapters.stylegan3.network import Generator

        model = open_model(checkpoint, StyleGAN3Config, READERS)
        try:
            with torch.device("meta"):
                generator = Generator(**model.config.model_dump(exclude={"model_type", "alignment"}))
        except (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError) as error:
            raise AdapterError(f"{model.file}: no network has this configuration ({error}).", "Correct it.") from error
        check_shapes(model.file, {name: place.shape for name, place in model.tensors.items()}, generator)
        fill(generator, read_all(model.tensors), device, model.file)
        return cls(generator, model.config, device, model.origin)
