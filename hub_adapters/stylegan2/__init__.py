"""The StyleGAN2 adapter, as a plugin."""

from __future__ import annotations

from typing import TYPE_CHECKING

from guide_plugin import hookimpl
from hub_adapters.stylegan2.adapter import StyleGAN2

if TYPE_CHECKING:
    from guide_plugin import RegisterAdapter


@hookimpl
def unlearn_register_adapters(register: RegisterAdapter) -> None:
    register(StyleGAN2)
