"""What `config.json` of an EG3D says: the backbone, the renderer, the super-resolution. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, PositiveFloat, model_validator

FOV_DEGREES = 18.837
"""The field of view of the cameras that EG3D's faces were cropped for."""

PLANE_AXES = (
    ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)),
    ((1.0, 0.0, 0.0), (0.0, 0.0, 1.0), (0.0, 1.0, 0.0)),
    ((0.0, 0.0, 1.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0)),
)
"""Rows are the axes of each plane; a point is seen on a plane by its coordinates along the first two."""

Vector = tuple[float, float, float]
Axes = tuple[Vector, Vector, Vector]
Distance = PositiveFloat | Literal["auto"]


@dataclass(frozen=True)
class Effort:
    """How rays are rendered, which changes memory and speed alone.

    Attributes:
        chunk_rays: how many rays of a picture are rendered at once; None for what is fastest on the device.
        checkpointing: compute chunks anew in the backward pass, so that only one is ever held in memory.
    """

    chunk_rays: int | None = None
    checkpointing: bool = False


FASTEST, SAVING_MEMORY = Effort(), Effort(chunk_rays=2048, checkpointing=True)


class Rendering(BaseModel):
    """How rays are sampled and composited; names are those of EG3D's `rendering_kwargs`.

    Attributes:
        depth_resolution: samples per ray, evenly spread; depth_resolution_importance: samples where density is.
        ray_start, ray_end: depths between which a ray is sampled; both "auto": where it crosses the box.
        box_warp: side of the box around the origin that the planes span.
        disparity_space_sampling: spread samples evenly in 1/depth.
        white_back: put white behind what is not opaque.
        avg_camera_pivot, avg_camera_radius: what the cameras look at, and from how far.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    depth_resolution: int = Field(default=48, ge=4, le=1024)
    depth_resolution_importance: int = Field(default=48, ge=0, le=1024)
    ray_start: Distance = 2.25
    ray_end: Distance = 3.3
    box_warp: PositiveFloat = 1.0
    disparity_space_sampling: bool = False
    white_back: bool = False
    clamp_mode: Literal["softplus"] = "softplus"
    avg_camera_radius: PositiveFloat = 2.7
    avg_camera_pivot: Vector = (0.0, 0.0, 0.2)

    @model_validator(mode="after")
    def _depths_are_in_order(self) -> Rendering:
        if isinstance(self.ray_start, float) != isinstance(self.ray_end, float):
            raise ValueError('ray_start and ray_end must both be "auto" or both be numbers')
        if isinstance(self.ray_start, float) and isinstance(self.ray_end, float) and self.ray_end <= self.ray_start:
            raise ValueError("ray_end must lie behind ray_start")
        if self.ray_start == "auto" and self.disparity_space_sampling:
            raise ValueError("disparity_space_sampling needs numbers for ray_start and ray_end")
        return self


class EG3DConfig(BaseModel):
    """The generator's constructor arguments, and the crop it was trained on.

    Attributes:
        superresolution: which module turns the rendered features into the picture: by its official name, or
            "small2x", which is ours.
        conv_clamp, sr_conv_clamp: bound of activations in the backbone and in the super-resolution, where there is
            one.
        c_scale, c_gen_conditioning_zero: the mapping network sees the conditioning camera times the first, or zeros.
        decoder_lr_mul: learning rate multiplier of the decoder, which its weights are scaled by.
        neural_rendering_resolution: side of the rendered picture that the super-resolution starts from.
        plane_resolution: side of the tri-planes; official models have 256.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    model_type: Literal["eg3d"]
    alignment: Literal["eg3d"] = "eg3d"
    z_dim: int = Field(512, ge=1, le=1 << 16)
    c_dim: Literal[25] = 25
    w_dim: int = Field(512, ge=1, le=1 << 16)
    img_resolution: Literal[32, 64, 128, 256, 512]
    img_channels: Literal[3] = 3
    mapping_layers: int = Field(2, ge=1, le=64)
    mapping_lr_multiplier: PositiveFloat = 0.01
    channel_base: int = Field(32768, ge=1, le=1 << 26)
    channel_max: int = Field(512, ge=1, le=1 << 16)
    architecture: Literal["skip", "resnet", "orig"] = "skip"
    conv_clamp: PositiveFloat | None = None
    superresolution: Literal[
        "SuperresolutionHybrid2X",
        "SuperresolutionHybrid4X",
        "SuperresolutionHybrid8X",
        "SuperresolutionHybrid8XDC",
        "small2x",
    ]
    superresolution_noise_mode: Literal["none", "const", "random"] = "none"
    sr_antialias: bool = True
    sr_conv_clamp: PositiveFloat | None = 256.0
    c_scale: NonNegativeFloat = 1.0
    c_gen_conditioning_zero: bool = False
    decoder_lr_mul: PositiveFloat = 1.0
    neural_rendering_resolution: int = Field(64, ge=4, le=512)
    plane_resolution: Literal[16, 32, 64, 128, 256, 512] = 256
    plane_axes: tuple[Axes, Axes, Axes] = PLANE_AXES
    rendering: Rendering = Rendering()
