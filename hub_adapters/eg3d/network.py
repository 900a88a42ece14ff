"""The EG3D generator in plain PyTorch, parameter for parameter the official one.

Names and shapes follow the official generator, so that its state dict loads without renaming. Layers that the
official code runs in float16 run in float32 here, as under its `force_fp32`.

Source: Chan et al., "Efficient Geometry-aware 3D Generative Adversarial Networks", CVPR 2022.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from hub_adapters.eg3d.cameras import camera_rays
from hub_adapters.eg3d.config import FASTEST, Effort, EG3DConfig
from hub_adapters.eg3d.field import CHANNELS, Decoder, colours, plane_projections, sample_planes
from hub_adapters.eg3d.renderer import Draws, render
from hub_adapters.eg3d.superresolution import SuperResolution
from hub_adapters.stylegan2.layers import NoiseMode
from hub_adapters.stylegan2.network import Generator as Backbone


class Drawing(NamedTuple):
    """What one pass gives: `image` [n, 3, R, R], `planes` [n, 3, 32, P, P], `raw` [n, 3, r, r], `depth` if asked.

    `raw` is the rendered picture before super-resolution, `depth` [n, 1, r, r] is in units of the world.
    """

    image: Tensor
    planes: Tensor
    raw: Tensor
    depth: Tensor | None


class Generator(nn.Module):
    """An EG3D: camera-conditioned `mapping`, `synthesis` to tri-planes, and `render` to a picture."""

    projections: Tensor

    def __init__(self, config: EG3DConfig) -> None:
        super().__init__()
        self.config, self.rendering = config, config.rendering
        self.backbone = Backbone(
            config.z_dim,
            config.c_dim,
            config.w_dim,
            config.plane_resolution,
            img_channels=3 * CHANNELS,
            mapping_layers=config.mapping_layers,
            mapping_lr_multiplier=config.mapping_lr_multiplier,
            channel_base=config.channel_base,
            channel_max=config.channel_max,
            architecture=config.architecture,
            conv_clamp=config.conv_clamp,
        )
        self.superresolution = SuperResolution(
            config.superresolution, config.img_resolution, config.w_dim, config.sr_antialias, config.sr_conv_clamp
        )
        self.decoder = Decoder(config.decoder_lr_mul)
        axes = torch.tensor(config.plane_axes, device="cpu")
        projections = plane_projections(axes, config.rendering.box_warp)
        self.register_buffer("projections", projections, persistent=False)

    def mapping(self, z: Tensor, labels: Tensor, psi: float = 1.0, cutoff: int | None = None) -> Tensor:
        """Map `z` [n, z_dim] under conditioning cameras [n, 25] to codes [n, num_ws, w_dim]."""
        scale = 0.0 if self.config.c_gen_conditioning_zero else self.config.c_scale
        return self.backbone.mapping(z, labels * scale, psi, cutoff)

    def synthesis(self, ws: Tensor, noise_mode: NoiseMode = "const") -> Tensor:
        """Draw the tri-planes [n, 3, 32, P, P] of codes."""
        return self.backbone.synthesis(ws, noise_mode).image.unflatten(1, (3, CHANNELS))

    def render(
        self,
        planes: Tensor,
        ws: Tensor,
        labels: Tensor,
        noise_mode: NoiseMode = "none",
        resolution: int | None = None,
        draws: Draws | None = None,
        effort: Effort = FASTEST,
        with_depth: bool = False,
    ) -> Drawing:
        """Draw the picture that cameras [n, 25] see of tri-planes.

        Args:
            ws: the codes [n, num_ws, w_dim] that the super-resolution is styled with.
            noise_mode: noise of the super-resolution.
            resolution: side of the rendered picture; by default what the configuration says.
            draws: random numbers of the renderer; None renders without any.
        """
        side = resolution or self.config.neural_rendering_resolution
        rays = camera_rays(labels, side)
        seen = render(
            planes,
            self.decoder,
            rays,
            self.projections,
            self.rendering,
            draws,
            effort.chunk_rays,
            effort.checkpointing,
            with_depth,
        )
        features = seen.features.unflatten(2, (side, side))
        depth = None if seen.depth is None else seen.depth.view(-1, 1, side, side)
        image = self.superresolution(features, ws, noise_mode)
        return Drawing(image, planes, features[:, :3], depth)

    def field(self, planes: Tensor, points: Tensor) -> tuple[Tensor, Tensor]:
        """Return density [n, P, 1] and colour features [n, P, 32] at `points` [n, P, 3] of the world."""
        places = zip(planes, points, strict=True)
        raw = torch.stack([self.decoder(sample_planes(own, some @ self.projections)) for own, some in places])
        return raw[..., :1], colours(raw[..., 1:])
