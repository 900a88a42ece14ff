"""The EG3D adapter, as a plugin."""

from __future__ import annotations

from typing import TYPE_CHECKING

from guide_plugin import hookimpl
from hub_adapters.eg3d.adapter import EG3D

if TYPE_CHECKING:
    from guide_plugin import RegisterAdapter


@hookimpl
def unlearn_register_adapters(register: RegisterAdapter) -> None:
    register(EG3D)
