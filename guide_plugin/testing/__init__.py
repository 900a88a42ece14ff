"""What authors of adapters and release pipelines test with. Needs the extra: `pip install "guide-plugin[sandbox]"`."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from guide_plugin.testing.hub.faults import Fault, Served
    from guide_plugin.testing.hub.refusal import HubRefusal
    from guide_plugin.testing.hub.server import LoopbackHub

_LAZY = {
    "Fault": "hub.faults",
    "HubRefusal": "hub.refusal",
    "LoopbackHub": "hub.server",
    "Served": "hub.faults",
}

__all__ = ["Fault", "HubRefusal", "LoopbackHub", "Served"]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(f"guide_plugin.testing.{_LAZY[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
