"""Weight files of the upstream layouts, made from stand-ins of our own: none of the upstream code is in them."""

from __future__ import annotations

import argparse
import copy
import io
import pickle
import sys
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from hub_adapters.stylegan2.network import Generator as Generator2
from hub_adapters.stylegan3.network import Generator as Generator3

SOURCE = "raise SystemExit('the source text of a checkpoint was run')\n"
TINY2 = {"z_dim": 8, "c_dim": 0, "w_dim": 8, "img_resolution": 16, "mapping_layers": 2}
TINY2 |= {"channel_base": 128, "channel_max": 8}
TINY3 = {"z_dim": 8, "c_dim": 0, "w_dim": 8, "img_resolution": 16, "mapping_layers": 2}
TINY3 |= {"channel_base": 64, "channel_max": 4, "num_layers": 4, "margin_size": 2}
TINY3_R = {**TINY3, "conv_kernel": 1, "use_radial_filters": True}


def random_generator(kind: type[nn.Module], config: Mapping[str, Any], seed: int = 0) -> Any:
    """Build a network in which no parameter and no mean code is zero, so that nothing passes by being zero."""
    torch.manual_seed(seed)
    generator = kind(**config).eval().requires_grad_(False)
    for name, tensor in [*generator.named_parameters(), *generator.named_buffers()]:
        if name.endswith(("bias", "noise_strength", "w_avg", "magnitude_ema")) and "affine" not in name:
            tensor.add_(torch.rand_like(tensor) * 0.2 + 0.05)
    return generator


class EasyDict(dict[str, Any]):
    """Stand-in of `dnnlib.util.EasyDict`."""


def _reconstruct_persistent_obj(meta: dict[str, Any]) -> Any:
    raise AssertionError("a checkpoint was unpickled")


for _stand_in, _module in ((EasyDict, "dnnlib.util"), (_reconstruct_persistent_obj, "torch_utils.persistence")):
    _stand_in.__module__ = _module


@contextmanager
def upstream_names() -> Iterator[None]:
    """Let pickle find the stand-ins under upstream's module names."""
    modules = {name: ModuleType(name) for name in ("dnnlib", "dnnlib.util", "torch_utils", "torch_utils.persistence")}
    modules["dnnlib.util"].EasyDict = EasyDict  # type: ignore[attr-defined]
    modules["torch_utils.persistence"]._reconstruct_persistent_obj = (  # type: ignore[attr-defined]
        _reconstruct_persistent_obj
    )
    sys.modules.update(modules)
    try:
        yield
    finally:
        for name in modules:
            del sys.modules[name]


class Persistent:
    """Stand-in of an object of upstream's `persistent_class`: it is pickled with source text and `__dict__`."""

    def __init__(self, class_name: str, state: Mapping[str, Any], source: str = SOURCE) -> None:
        self.class_name, self.state, self.source = class_name, dict(state), source

    def __reduce__(self) -> tuple[Any, ...]:
        meta = {"type": "class", "version": 6, "module_src": self.source}
        return _reconstruct_persistent_obj, ({**meta, "class_name": self.class_name, "state": self.state},), None


def persistent(module: nn.Module, attributes: Mapping[str, Mapping[str, Any]], source: str = SOURCE) -> Persistent:
    """Turn a module into the object that upstream would pickle; `attributes` by class name go beside its own."""
    name = type(module).__name__
    own = {key: value for key, value in vars(module).items() if not key.startswith("_")}
    named = {"FullyConnected": "FullyConnectedLayer", "ToRGB": "ToRGBLayer", "Mapping": "MappingNetwork"}
    named |= {"Synthesis": "SynthesisNetwork", "FourierInput": "SynthesisInput"}
    state: dict[str, Any] = {key: value for key, value in own.items() if isinstance(value, int | float | list | str)}
    state |= {"_backward_hooks": OrderedDict(), "_non_persistent_buffers_set": set(), "_init_args": ()}
    state |= {"_init_kwargs": {}, "weight_gain": np.float64(0.5), "size": np.array([4, 4])}
    state |= attributes.get(name, {})
    if "clamp" in own:
        state |= {"activation": "lrelu", "use_noise": True, "conv_clamp": own["clamp"]}
    state |= {"_parameters": OrderedDict(module._parameters), "_buffers": OrderedDict(module._buffers)}
    children = {key: persistent(child, attributes, source) for key, child in module.named_children()}
    return Persistent(named.get(name, name), {**state, "_modules": OrderedDict(children)}, source)


class Discriminator(nn.Module):
    """Stand-in of the network that saw the person's photos."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)
        self.out = nn.Linear(32, 16)


def pickled_generator(generator: nn.Module, config: Mapping[str, Any], source: str = SOURCE) -> Persistent:
    """Return the object that upstream would pickle for one of our networks."""
    synthesis = {key: config[key] for key in ("img_resolution", "w_dim")} | {"img_channels": 3}
    kwargs = {key: value for key, value in config.items() if not key.startswith(("z_", "c_", "mapping"))}
    attributes = {
        "Synthesis": {**synthesis, "_init_kwargs": {**kwargs, "num_fp16_res": 4}},
        "Mapping": {"w_dim": config["w_dim"]},
    }
    return persistent(generator, attributes, source)


def dump(value: Any, protocol: int = 4) -> bytes:
    """Pickle under upstream's names."""
    buffer = io.BytesIO()
    with upstream_names():
        pickle.dump(value, buffer, protocol=protocol)
    return buffer.getvalue()


def write_nvidia(
    path: Path, generator: nn.Module, config: Mapping[str, Any], protocol: int = 4, source: str = SOURCE, **changes: Any
) -> dict[str, nn.Module]:
    """Write a network pickle with another G and a D beside `generator`; returns those two."""
    G = random_generator(type(generator), config, seed=7)
    torch.manual_seed(8)
    D = Discriminator()
    content = {"training_set_kwargs": EasyDict(path="faces.zip"), "G": pickled_generator(G, config, source)}
    content |= {"D": persistent(D, {}, source), "G_ema": pickled_generator(generator, config, source)}
    content |= {"augment_pipe": None, **changes}
    path.write_bytes(dump(content, protocol))
    return {"G": G, "D": D}


def rosinality_names(generator: nn.Module, noises: bool = True) -> dict[str, Tensor]:
    """Return a StyleGAN2's tensors under rosinality's names, in rosinality's shapes."""
    places = {"b4.conv1": ("conv1", 0), "b4.torgb": ("to_rgb1", None)}
    for i in range(len(generator.synthesis.block_resolutions) - 1):
        places |= {
            f"b{8 << i}.{conv}": (f"convs.{2 * i + k}", 2 * i + k + 1) for k, conv in enumerate(("conv0", "conv1"))
        }
        places[f"b{8 << i}.torgb"] = (f"to_rgbs.{i}", None)
    state: dict[str, Tensor] = OrderedDict()
    for name, tensor in generator.mapping.state_dict().items():
        if name.startswith("fc"):
            layer, kind = name[2:].split(".")
            state[f"style.{int(layer) + 1}.{kind}"] = tensor
    state["input.input"] = generator.synthesis.b4.const.data[None]
    for ours, (theirs, noise) in places.items():
        layer = generator.synthesis.get_submodule(ours)
        state[f"{theirs}.conv.weight"] = layer.weight.data[None]
        state[f"{theirs}.conv.modulation.weight"] = layer.affine.weight.data
        state[f"{theirs}.conv.modulation.bias"] = layer.affine.bias.data
        if noise is None:
            state[f"{theirs}.bias"] = layer.bias.data.view(1, 3, 1, 1)
            continue
        state[f"{theirs}.activate.bias"] = layer.bias.data
        state[f"{theirs}.noise.weight"] = layer.noise_strength.data[None]
        if ours.endswith("conv0"):
            state[f"{theirs}.conv.blur.kernel"] = layer.resample_filter
        if noises:
            state[f"noises.noise_{noise}"] = layer.noise_const[None, None]
    return OrderedDict((name, tensor.clone()) for name, tensor in state.items())


def stepped_optimiser(module: nn.Module) -> dict[str, Any]:
    """Return the state of an Adam that took one step with random gradients."""
    module = copy.deepcopy(module).requires_grad_(True)
    optimiser = torch.optim.Adam(module.parameters(), betas=(0.0, 0.99))
    for parameter in module.parameters():
        parameter.grad = torch.randn_like(parameter)
    optimiser.step()
    return optimiser.state_dict()


def rosinality_content(generator: nn.Module, config: Mapping[str, Any], noises: bool = True) -> dict[str, Any]:
    """Return what rosinality's training script writes, with the mean code that its converter adds."""
    torch.manual_seed(8)
    G, D = random_generator(type(generator), config, seed=7), Discriminator()
    return {
        "g": rosinality_names(G, noises),
        "d": D.state_dict(),
        "g_ema": rosinality_names(generator, noises),
        "g_optim": stepped_optimiser(G),
        "d_optim": stepped_optimiser(D),
        "args": argparse.Namespace(size=16, path="faces.lmdb", r1=10.0),
        "ada_aug_p": 0.25,
        "latent_avg": generator.mapping.w_avg.clone(),
    }


def write_torch(path: Path, content: Any, as_zip: bool = True) -> None:
    """Write with `torch.save`, as a zip archive or as before version 1.6."""
    torch.save(content, path, _use_new_zipfile_serialization=as_zip)


def every_tensor(value: Any) -> Iterator[Tensor]:
    """Yield all tensors in nested dictionaries and lists."""
    if isinstance(value, Tensor):
        yield value
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    for item in items:
        yield from every_tensor(item)


GENERATORS = {
    "stylegan2": (Generator2, TINY2),
    "stylegan3-t": (Generator3, TINY3),
    "stylegan3-r": (Generator3, TINY3_R),
}
