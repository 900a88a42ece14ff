"""Take a person out of a generative model, and prove it. Importing this package imports no torch."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from guide_plugin.adapter import (
    API_VERSION,
    Adapter,
    Inspection,
    LocalCheckpoint,
    Match,
    RepoListing,
    SampledNoise,
    Saved,
    Synthesis,
    View,
)
from guide_plugin.errors import (
    AdapterError,
    HubError,
    PluginError,
    Refused,
    UnlearnError,
    UnsafeCheckpoint,
    UsageError,
)
from guide_plugin.hookspecs import hookimpl
from guide_plugin.plugins import PluginHost
from guide_plugin.registration import RegisterAdapter, RegisterEncoder, RegisterOperator, RegisterRecogniser

if TYPE_CHECKING:
    from guide_plugin.hub.push import Published
    from guide_plugin.operator import (
        AdamSettings,
        Embedder,
        Encoder,
        Losses,
        Networks,
        Operator,
        OperatorSettings,
        Subject,
    )
    from guide_plugin.pipeline import Outcome, publish_run, unlearn
    from guide_plugin.recipe import Recipe
    from guide_plugin.recipe_file import read_recipe
    from guide_plugin.run_dir import RunRecord
    from guide_plugin.verification import Verification, verify
    from guide_plugin.vision.torchvision_on_cpu import make_torchvision_importable

__version__ = "0.1.0"

_LAZY = {
    "AdamSettings": "operator",
    "Embedder": "operator",
    "Encoder": "operator",
    "Losses": "operator",
    "Networks": "operator",
    "Operator": "operator",
    "OperatorSettings": "operator",
    "Subject": "operator",
    "Outcome": "pipeline",
    "Published": "hub.push",
    "Verification": "verification",
    "publish_run": "pipeline",
    "unlearn": "pipeline",
    "make_torchvision_importable": "vision.torchvision_on_cpu",
    "verify": "verification",
    "Recipe": "recipe",
    "read_recipe": "recipe_file",
    "RunRecord": "run_dir",
}

__all__ = [
    "API_VERSION",
    "AdamSettings",
    "Adapter",
    "AdapterError",
    "Embedder",
    "Encoder",
    "HubError",
    "Inspection",
    "LocalCheckpoint",
    "Losses",
    "Match",
    "Networks",
    "Operator",
    "OperatorSettings",
    "Outcome",
    "PluginError",
    "PluginHost",
    "Published",
    "Recipe",
    "Refused",
    "RegisterAdapter",
    "RegisterEncoder",
    "RegisterOperator",
    "RegisterRecogniser",
    "RepoListing",
    "RunRecord",
    "SampledNoise",
    "Saved",
    "Subject",
    "Synthesis",
    "UnlearnError",
    "UnsafeCheckpoint",
    "UsageError",
    "Verification",
    "View",
    "hookimpl",
    "make_torchvision_importable",
    "publish_run",
    "read_recipe",
    "unlearn",
    "verify",
]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(f"guide_plugin.{_LAZY[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
