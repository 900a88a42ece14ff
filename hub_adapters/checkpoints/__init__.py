"""Weight files in and out, without ever running what they contain; as a plugin, what `unlearn inspect` says."""

from __future__ import annotations

from pathlib import Path

from guide_plugin import Inspection, hookimpl


@hookimpl
def unlearn_inspect(path: Path) -> Inspection | None:
    from hub_adapters.checkpoints.inspection import inspect

    return inspect(path)
