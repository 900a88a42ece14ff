"""The StyleGAN3 adapter, as a plugin."""

from __future__ import annotations

from typing import TYPE_CHECKING

from guide_plugin import hookimpl
from hub_adapters.stylegan3.adapter import StyleGAN3

if TYPE_CHECKING:
    from guide_plugin import RegisterAdapter


@hookimpl
def unlearn_register_adapters(register: RegisterAdapter) -> None:
    register(StyleGAN3)
