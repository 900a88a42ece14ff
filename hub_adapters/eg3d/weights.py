"""EG3D weights in NVIDIA's pickles; looking needs no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from guide_plugin import AdapterError
from hub_adapters.checkpoints.model import WrongFamily
from hub_adapters.checkpoints.nvidia import Module, family, read_generator
from hub_adapters.checkpoints.origin import Origin
from hub_adapters.checkpoints.pickle_values import Instance
from hub_adapters.checkpoints.stored import StoredTensor
from hub_adapters.eg3d.config import Rendering
from hub_adapters.stylegan2.weights import infer_config, read_attributes

OF_TRAINING = "dataset_label_std"
"""A buffer that training adds and drawing does not use; it stays in the file as it is."""

LAST_PLANES = "_last_planes"
"""Where the official network keeps the tri-planes of the last picture, if it was told to: somebody's head."""


def from_nvidia(path: Path) -> tuple[dict[str, Any], Origin]:
    """Read EG3D's `TriPlaneGenerator` out of a network pickle.

    Raises:
        UnsafeCheckpoint, AdapterError: as `read_generator`; `WrongFamily` where it holds another one.
    """
    generator, origin = read_generator(path)
    if family(generator) != "EG3D":
        raise WrongFamily(f"{path.name} holds {family(generator)}, not EG3D.", "Another adapter is needed.")
    try:
        config = _config(generator, path.name)
    except (KeyError, TypeError) as error:
        raise AdapterError(f"{path.name}: {error} of an EG3D generator is missing.") from None
    others = {key: _without(OF_TRAINING, tensors) for key, tensors in origin.others.items()}
    planes = generator.attributes.get(LAST_PLANES)
    if isinstance(planes, StoredTensor):
        others["the tri-planes of the last picture"] = {LAST_PLANES: planes}
    return config, replace(origin, tensors=_without(OF_TRAINING, origin.tensors), others=others)


def _config(generator: Module, file: str) -> dict[str, Any]:
    said = generator.attributes["rendering_kwargs"]
    rendering: Mapping[str, Any] = said.items if isinstance(said, Instance) else said
    backbone = generator.children["backbone"]
    shapes = {name: tensor.shape for name, tensor in backbone.named_tensors()}
    inferred = infer_config(shapes, file)
    first = generator.children["superresolution"].children["block0"].children["conv0"]
    return {
        **inferred,
        **read_attributes(backbone, file),
        "model_type": "eg3d",
        "img_resolution": generator.attributes["img_resolution"],
        "plane_resolution": inferred["img_resolution"],
        "superresolution": str(rendering["superresolution_module"]).rpartition(".")[2],
        "superresolution_noise_mode": rendering["superresolution_noise_mode"],
        "sr_antialias": rendering["sr_antialias"],
        "sr_conv_clamp": first.attributes.get("conv_clamp"),
        "c_scale": rendering.get("c_scale", 0.0),
        "c_gen_conditioning_zero": rendering["c_gen_conditioning_zero"],
        "decoder_lr_mul": rendering.get("decoder_lr_mul", 1.0),
        "neural_rendering_resolution": generator.attributes["neural_rendering_resolution"],
        "plane_axes": _numbers(generator.children["renderer"].attributes["plane_axes"]),
        "rendering": {name: rendering[name] for name in Rendering.model_fields if name in rendering},
    }


def _numbers(tensor: StoredTensor) -> list[list[list[float]]]:
    """Read a float32 tensor of three axes into lists, without torch."""
    if tensor.storage.dtype != "float32" or len(tensor.shape) != 3 or tensor.bytes > 4096:
        raise TypeError("'plane_axes'")
    start = tensor.storage.start
    flat = tensor.storage.content()[start : start + 4 * tensor.storage.numel].cast("f")
    (a, b, c), (i, j, k) = tensor.shape, tensor.stride
    return [[[flat[tensor.offset + x * i + y * j + z * k] for z in range(c)] for y in range(b)] for x in range(a)]


def _without(name: str, tensors: Mapping[str, StoredTensor]) -> dict[str, StoredTensor]:
    return {key: tensor for key, tensor in tensors.items() if key != name}
