"""Diffusion pipelines in diffusers' own layout, as a plugin."""

from __future__ import annotations

from typing import TYPE_CHECKING

from guide_plugin import hookimpl
from hub_adapters.diffusion.text_to_image import TextToImage
from hub_adapters.diffusion.unconditional import LatentDiffusion, PixelDiffusion

if TYPE_CHECKING:
    from guide_plugin import RegisterAdapter


@hookimpl
def unlearn_register_adapters(register: RegisterAdapter) -> None:
    register(PixelDiffusion)
    register(LatentDiffusion)
    register(TextToImage)
