"""The small EG3D that the reference vectors were drawn with."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from safetensors.torch import load_file

from hub_adapters.eg3d.config import EG3DConfig, Rendering
from hub_adapters.eg3d.network import Generator
from tests.conftest import DATA


def official_config() -> dict[str, Any]:
    """Return the configuration as `config.json` would say it."""
    said = json.loads((DATA / "eg3d_r128_tiny.json").read_text())
    kwargs, rendering = said["init_kwargs"], said["rendering_kwargs"]
    return {
        "model_type": "eg3d",
        "img_resolution": kwargs["img_resolution"],
        "channel_base": kwargs["channel_base"],
        "channel_max": kwargs["channel_max"],
        "superresolution": rendering["superresolution_module"].rpartition(".")[2],
        "neural_rendering_resolution": said["neural_rendering_resolution"],
        "plane_axes": said["plane_axes"],
        "rendering": {name: rendering[name] for name in Rendering.model_fields if name in rendering},
    }


@cache
def generator() -> Generator:
    """The reference network; its mapping, which is large, is random and tested elsewhere with a small one."""
    network = Generator(EG3DConfig(**official_config()))
    weights = load_file(DATA / "eg3d_r128_tiny.weights.safetensors")
    missing, unknown = network.load_state_dict(weights, strict=False)
    assert not unknown
    assert all(name.startswith("backbone.mapping.") or name.endswith("resample_filter") for name in missing)
    return network.eval().requires_grad_(False)
