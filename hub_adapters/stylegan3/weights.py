"""StyleGAN3 weights in NVIDIA's pickles and in bare safetensors files; looking needs no torch."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from guide_plugin import AdapterError
from hub_adapters.checkpoints.model import WrongFamily
from hub_adapters.checkpoints.nvidia import family, read_generator
from hub_adapters.checkpoints.origin import Origin
from hub_adapters.checkpoints.safetensors import read_safetensors

SYNTHESIS_ARGUMENTS = {
    "channel_base",
    "channel_max",
    "num_layers",
    "num_critical",
    "first_cutoff",
    "first_stopband",
    "last_stopband_rel",
    "margin_size",
    "output_scale",
    "conv_kernel",
    "use_radial_filters",
    "filter_size",
    "lrelu_upsampling",
    "conv_clamp",
}


def from_nvidia(path: Path) -> tuple[dict[str, Any], Origin]:
    """Read StyleGAN3 out of a network pickle.

    Raises:
        UnsafeCheckpoint, AdapterError: as `read_generator`; `WrongFamily` where it holds another one.
    """
    generator, origin = read_generator(path)
    if family(generator) != "StyleGAN3":
        raise WrongFamily(f"{path.name} holds {family(generator)}, not StyleGAN3.", "Another adapter is needed.")
    synthesis = generator.children["synthesis"]
    said = synthesis.attributes.get("_init_kwargs")
    if not isinstance(said, dict):
        raise AdapterError(f"{path.name}: the arguments of its synthesis network are missing.")
    try:
        mapping = generator.children["mapping"]
        return {
            "model_type": "stylegan3",
            "z_dim": mapping.attributes["z_dim"],
            "c_dim": mapping.attributes["c_dim"],
            "w_dim": mapping.attributes["w_dim"],
            "img_resolution": synthesis.attributes["img_resolution"],
            "img_channels": synthesis.attributes["img_channels"],
            "mapping_layers": mapping.attributes["num_layers"],
            "mapping_lr_multiplier": mapping.children["fc0"].attributes["bias_gain"],
            **{name: value for name, value in said.items() if name in SYNTHESIS_ARGUMENTS},
        }, origin
    except KeyError as error:
        raise AdapterError(f"{path.name}: {error} of a StyleGAN3 generator is missing.") from None


def from_safetensors(path: Path) -> tuple[dict[str, Any], Origin]:
    """Read official names out of a bare safetensors file.

    The configuration is inferred from names and shapes; frequencies, margin and clamp are config T's and R's.

    Raises:
        AdapterError: it cannot be read; `WrongFamily` where it holds something else.
    """
    tensors = read_safetensors(path)
    layers = _layers(tensors)
    if not layers or "synthesis.input.freqs" not in tensors:
        raise WrongFamily(f"{path.name} holds no StyleGAN3 generator.", "Another adapter is needed.")
    shapes = {name: tensor.shape for name, tensor in tensors.items()}
    *inner, (_, resolution, img_channels) = layers
    try:
        w_dim = shapes["mapping.w_avg"][0]
        c_dim = shapes["mapping.embed.weight"][1] if "mapping.embed.weight" in shapes else 0
        config = {
            "model_type": "stylegan3",
            "z_dim": shapes["mapping.fc0.weight"][1] - (w_dim if c_dim else 0),
            "c_dim": c_dim,
            "w_dim": w_dim,
            "img_resolution": resolution,
            "img_channels": img_channels,
            "mapping_layers": sum(bool(re.fullmatch(r"mapping\.fc\d+\.weight", name)) for name in shapes),
            "channel_base": inner[-1][2] * resolution,
            "channel_max": max(channels for _, _, channels in inner),
            "num_layers": len(inner),
            "conv_kernel": shapes[f"synthesis.{inner[0][0]}.weight"][-1],
            "use_radial_filters": len(shapes[f"synthesis.{inner[0][0]}.down_filter"]) == 2,
        }
    except (KeyError, IndexError) as error:
        raise AdapterError(f"{path.name}: tensor {error} of a StyleGAN3 generator is missing.") from None
    return config, Origin(path, tensors, {})


def _layers(names: Mapping[str, object]) -> list[tuple[str, int, int]]:
    """Return (name, size, channels) of each layer, in order: all three are in its name, L{i}_{size}_{channels}."""
    found = (re.fullmatch(r"synthesis\.(L(\d+)_(\d+)_(\d+))\.weight", name) for name in names)
    return [(m[1], int(m[3]), int(m[4])) for m in sorted((m for m in found if m), key=lambda m: int(m[2]))]
