"""StyleGAN2 weights in the file formats that the world keeps them in.

Every reader gives the configuration and an `Origin`: where each tensor lies, under its official name, and how to
write other weights into a copy of the same file. Nothing in a file is ever run, and looking needs no torch.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from guide_plugin import AdapterError
from hub_adapters.checkpoints.model import WrongFamily
from hub_adapters.checkpoints.nvidia import Module, family, read_generator
from hub_adapters.checkpoints.origin import Origin, enumerate_tensors
from hub_adapters.checkpoints.safetensors import read_safetensors
from hub_adapters.checkpoints.stored import StoredTensor
from hub_adapters.checkpoints.torch_file import read_torch_file

LEFT_OUT = ("resample_filter", "noise_const", "mapping.w_avg")
"""What rosinality's files leave out: constant filters always, noise and the mean code sometimes."""


def infer_config(shapes: Mapping[str, tuple[int, ...]], file: str) -> dict[str, Any]:
    """Read a generator's configuration off the shapes of its official state dict.

    What shapes cannot tell has the official default: no clamping, mapping learning rate multiplier 0.01.

    Raises:
        AdapterError: the tensors are not those of a StyleGAN2 generator; names one.
    """
    try:
        resolutions = sorted(
            int(m[1]) for name in shapes if (m := re.fullmatch(r"synthesis\.b(\d+)\.conv1\.weight", name))
        )
        widths = {r: shapes[f"synthesis.b{r}.conv1.weight"][0] for r in resolutions}
        mapping_layers = sum(bool(re.fullmatch(r"mapping\.fc\d+\.weight", name)) for name in shapes)
        w_dim = shapes["mapping.w_avg"][0]
        c_dim = shapes["mapping.embed.weight"][1] if "mapping.embed.weight" in shapes else 0
        z_dim = shapes["mapping.fc0.weight"][1] - (w_dim if c_dim else 0)
        channel_max = max(widths.values())
        channel_base = max(width * r for r, width in widths.items())
    except (KeyError, ValueError, IndexError) as error:
        raise AdapterError(f"{file}: tensor {error} of a StyleGAN2 generator is missing.") from None
    if f"synthesis.b{resolutions[-1]}.skip.weight" in shapes:
        architecture = "resnet"
    else:
        architecture = "skip" if "synthesis.b4.torgb.weight" in shapes or resolutions == [4] else "orig"
    return {
        "model_type": "stylegan2",
        "z_dim": z_dim,
        "c_dim": c_dim,
        "w_dim": w_dim,
        "img_resolution": resolutions[-1],
        "mapping_layers": mapping_layers,
        "channel_base": channel_base,
        "channel_max": channel_max,
        "architecture": architecture,
    }


def from_nvidia(path: Path) -> tuple[dict[str, Any], Origin]:
    """Read StyleGAN2 out of a network pickle of stylegan2-ada-pytorch or stylegan3.

    Raises:
        UnsafeCheckpoint, AdapterError: as `read_nvidia`; also where it holds another family, or a variant that this
            adapter does not draw.
    """
    generator, origin = read_generator(path)
    if family(generator) != "StyleGAN2":
        raise WrongFamily(f"{path.name} holds {family(generator)}, not StyleGAN2.", "Another adapter is needed.")
    config = infer_config({name: place.shape for name, place in origin.tensors.items()}, path.name)
    return config | read_attributes(generator, path.name), origin


def read_attributes(generator: Module, file: str) -> dict[str, Any]:
    """Read what shapes cannot tell, and refuse variants that are drawn differently."""
    try:
        first = generator.children["synthesis"].children["b4"]
        layer = first.children["conv1"].attributes
        activation = layer["activation"]
        found = {
            "architecture": first.attributes["architecture"],
            "conv_clamp": layer.get("conv_clamp"),
            "mapping_lr_multiplier": generator.children["mapping"].children["fc0"].attributes["bias_gain"],
        }
    except KeyError as error:
        raise AdapterError(f"{file}: {error} of a StyleGAN2 generator is missing.") from None
    if not isinstance(activation, str) or activation != "lrelu" or not layer.get("use_noise", True):
        raise AdapterError(f"{file}: an activation other than lrelu, or absent noise, is not supported.")
    return found


def from_rosinality(path: Path) -> tuple[dict[str, Any], Origin]:
    """Read a checkpoint of rosinality/stylegan2-pytorch: `g_ema`, or `g`, and `latent_avg` where it is there.

    Its tensors carry axes of size one that the official ones do not have; they are dropped. Adam's moments and the
    discriminator were trained on the person too: a copy of the file has them emptied.

    Raises:
        UnsafeCheckpoint, AdapterError: as `read_torch_file`; also where it holds something else.
    """
    content, _ = read_torch_file(path)
    networks = {key: content[key] for key in ("g_ema", "g") if isinstance(content, dict) and key in content}
    if not networks or not all(isinstance(network, dict) for network in networks.values()):
        raise WrongFamily(f"{path.name} holds no g_ema of a StyleGAN2.", "Give the checkpoint that training wrote.")
    key = next(iter(networks))
    named = {key: _official_names(network, path.name) for key, network in networks.items()}
    tensors = named.pop(key)
    if isinstance(average := content.get("latent_avg"), StoredTensor):
        tensors["mapping.w_avg"] = average
    shapes = {name: tensor.shape for name, tensor in tensors.items()}
    config = infer_config({"mapping.w_avg": shapes.get("mapping.fc0.weight", ())[:1], **shapes}, path.name)
    rest = {key: value for key, value in content.items() if key not in networks and key != "latent_avg"}
    others = {**named, **{key: dict(enumerate_tensors(value)) for key, value in rest.items()}}
    return config, Origin(path, tensors, {key: found for key, found in others.items() if found})


def _official_names(network: Mapping[str, Any], file: str) -> dict[str, StoredTensor]:
    """Rename a rosinality state dict to the official names; constant filters are left out."""
    layers = {"conv1": "b4.conv1", "to_rgb1": "b4.torgb"}
    noises = {"noises.noise_0": "b4.conv1"}
    if not all(isinstance(name, str) and len(name) <= 200 and name.isprintable() for name in network):
        raise AdapterError(f"{file}: a tensor has a strange name.")
    blocks = sum(bool(re.fullmatch(r"to_rgbs\.\d+\.bias", name)) for name in network)
    for i in range(blocks):
        block = f"b{8 << i}"
        layers |= {f"convs.{2 * i}": f"{block}.conv0", f"convs.{2 * i + 1}": f"{block}.conv1"}
        layers[f"to_rgbs.{i}"] = f"{block}.torgb"
        noises |= {f"noises.noise_{2 * i + 1}": f"{block}.conv0", f"noises.noise_{2 * i + 2}": f"{block}.conv1"}
    parts = {
        "conv.weight": ("weight", 4),
        "conv.modulation.weight": ("affine.weight", 2),
        "conv.modulation.bias": ("affine.bias", 1),
        "activate.bias": ("bias", 1),
        "bias": ("bias", 1),
        "noise.weight": ("noise_strength", 0),
    }
    found: dict[str, StoredTensor] = {}
    for name, tensor in network.items():
        if name.endswith(".kernel"):
            continue
        if match := re.fullmatch(r"style\.(\d+)\.(weight|bias)", name):
            official, axes = f"mapping.fc{int(match[1]) - 1}.{match[2]}", 2 if match[2] == "weight" else 1
        elif name == "input.input":
            official, axes = "synthesis.b4.const", 3
        elif name in noises:
            official, axes = f"synthesis.{noises[name]}.noise_const", 2
        else:
            match = re.fullmatch(r"((?:convs|to_rgbs)\.\d+|conv1|to_rgb1)\.(.*)", name)
            if not match or match[1] not in layers or match[2] not in parts:
                raise AdapterError(f"{file}: tensor {name} has no place in rosinality's StyleGAN2.")
            suffix, axes = parts[match[2]]
            official = f"synthesis.{layers[match[1]]}.{suffix}"
        if not isinstance(tensor, StoredTensor):
            raise AdapterError(f"{file}: {name} is no tensor.", "Give the checkpoint that training wrote.")
        found[official] = _squeeze(tensor, axes)
    return found


def _squeeze(tensor: StoredTensor, axes: int) -> StoredTensor:
    """Drop axes of size one, leading ones first, until `axes` are left."""
    shape, stride = list(tensor.shape), list(tensor.stride)
    for end in (0, -1):
        while len(shape) > axes and shape[end] == 1:
            del shape[end], stride[end]
    return StoredTensor(tensor.storage, tensor.offset, tuple(shape), tuple(stride))


def from_safetensors(path: Path) -> tuple[dict[str, Any], Origin]:
    """Read official names out of a bare safetensors file; the configuration is inferred from shapes.

    Raises:
        AdapterError: it cannot be read, or holds something else.
    """
    tensors = read_safetensors(path)
    if "synthesis.b4.const" not in tensors:
        raise WrongFamily(f"{path.name} holds no StyleGAN2 generator.", "Another adapter is needed.")
    return infer_config({name: tensor.shape for name, tensor in tensors.items()}, path.name), Origin(path, tensors, {})
