"""What authors of adapters and release pipelines test with.

`check_adapter` holds the adapter contract against an adapter. `LoopbackHub` and what belongs to it is a model hub on
this machine, and needs the extra: `pip install "guide-plugin[sandbox]"`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from guide_plugin.errors import UsageError

if TYPE_CHECKING:
    from guide_plugin.testing.conformance.report import CheckReport, CheckResult
    from guide_plugin.testing.conformance.runner import check_adapter
    from guide_plugin.testing.hub.discussions import Discussion
    from guide_plugin.testing.hub.faults import Fault, Served
    from guide_plugin.testing.hub.history import CommitRecord
    from guide_plugin.testing.hub.refusal import HubRefusal
    from guide_plugin.testing.hub.server import LoopbackHub
    from guide_plugin.testing.hub.stored_file import StoredFile

_LAZY = {
    "CheckReport": "conformance.report",
    "CheckResult": "conformance.report",
    "CommitRecord": "hub.history",
    "Discussion": "hub.discussions",
    "Fault": "hub.faults",
    "HubRefusal": "hub.refusal",
    "LoopbackHub": "hub.server",
    "Served": "hub.faults",
    "StoredFile": "hub.stored_file",
    "check_adapter": "conformance.runner",
}

__all__ = [
    "CheckReport",
    "CheckResult",
    "CommitRecord",
    "Discussion",
    "Fault",
    "HubRefusal",
    "LoopbackHub",
    "Served",
    "StoredFile",
    "check_adapter",
]


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(importlib.import_module(f"guide_plugin.testing.{_LAZY[name]}"), name)
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in ("dulwich", "starlette", "uvicorn"):
            raise
        raise UsageError(
            f"The loopback Hub needs {package}, which is not installed.", 'Run: pip install "guide-plugin[sandbox]"'
        ) from error
