"""Files that are cut short, flipped, misnamed or untrue to themselves: an error of ours with the file's name."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from guide_plugin import AdapterError, LocalCheckpoint, UnlearnError, UnsafeCheckpoint
from guide_plugin.hub.source import match, pull
from hub_adapters.stylegan2.adapter import StyleGAN2
from hub_adapters.stylegan2.network import Generator as Generator2
from hub_adapters.stylegan3.adapter import StyleGAN3
from hub_adapters.stylegan3.network import Generator as Generator3
from tests import checkpoint_files as files
from tests.hostile_pickles import CPU, Code, code, complete, named, read

ADAPTERS: Any = {"stylegan2": StyleGAN2, "stylegan3": StyleGAN3}
SMALL = {**files.TINY2, "img_resolution": 8, "channel_base": 32, "channel_max": 4, "z_dim": 4, "w_dim": 4}


def write_pkl(path: Path, generator: Any) -> Path:
    files.write_nvidia(path.with_suffix(".pkl"), generator, SMALL)
    return path.with_suffix(".pkl")


def write_zip(path: Path, generator: Any) -> Path:
    files.write_torch(path.with_suffix(".pt"), files.rosinality_content(generator, SMALL))
    return path.with_suffix(".pt")


def write_legacy(path: Path, generator: Any) -> Path:
    files.write_torch(path.with_suffix(".pt"), files.rosinality_content(generator, SMALL), as_zip=False)
    return path.with_suffix(".pt")


def write_bare(path: Path, generator: Any) -> Path:
    save_file(generator.state_dict(), path.with_suffix(".safetensors"))
    return path.with_suffix(".safetensors")


Writer = Callable[[Path, Any], Path]
WRITERS: list[Writer] = [write_pkl, write_zip, write_legacy, write_bare]


def small(**changes: Any) -> Any:
    return files.random_generator(Generator2, {**SMALL, **changes})


def open_with(adapter: Any, path: Path) -> Any:
    return adapter.load(LocalCheckpoint(path.parent, (path.name,)), CPU)


@pytest.mark.parametrize("write", WRITERS)
def test_files_cut_short(tmp_path: Path, write: Writer) -> None:
    path = write(tmp_path / "model", small())
    whole = path.read_bytes()
    lengths = {*range(0, len(whole), 4096), *range(300), *range(len(whole) - 100, len(whole))}
    for length in sorted(lengths):
        path.write_bytes(whole[:length])
        with pytest.raises(UnlearnError, match=path.name):
            StyleGAN2.match(pull(str(path)).listing)
        if length % 1024 == 0:
            with pytest.raises(UnlearnError, match=path.name):
                open_with(StyleGAN2, path)


@pytest.mark.parametrize("write", WRITERS)
def test_flipped_bits(tmp_path: Path, write: Writer) -> None:
    path = write(tmp_path / "model", small())
    whole, rng = path.read_bytes(), random.Random(0)
    shapes = {name: tensor.shape for name, tensor in small().state_dict().items()}
    told: list[str] = []
    for _ in range(120):
        flipped = bytearray(whole)
        flipped[rng.randrange(len(whole))] ^= 1 << rng.randrange(8)
        path.write_bytes(flipped)
        try:
            adapter = open_with(StyleGAN2, path)
        except (UnsafeCheckpoint, AdapterError) as error:
            told.append(str(error))
        else:
            assert {name: tensor.shape for name, tensor in adapter.generator.state_dict().items()} == shapes
    assert all(path.name in message for message in told)


@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize("ending", [".pkl", ".pt", ".pth", ".safetensors"])
def test_wrong_extensions(tmp_path: Path, write: Writer, ending: str) -> None:
    path = write(tmp_path / "model", small())
    misnamed = path.rename(path.with_suffix(ending))
    if path == misnamed or {path.suffix, ending} == {".pt", ".pth"}:
        open_with(StyleGAN2, misnamed)
        return
    with pytest.raises(UnlearnError, match=misnamed.name):
        read(misnamed)


@pytest.mark.parametrize("content", [b"", b"\n", b"PK\x03\x04", b"PK\x05\x06" + bytes(18), b"<html>", bytes(5000)])
@pytest.mark.parametrize("ending", [".pkl", ".pt", ".safetensors"])
def test_files_of_something_else(tmp_path: Path, content: bytes, ending: str) -> None:
    path = tmp_path / f"model{ending}"
    path.write_bytes(content)
    with pytest.raises(UnlearnError, match=path.name):
        read(path)


def test_tensorflow_pickles_name_the_converter(tmp_path: Path) -> None:
    state = {"version": 4, "name": "G", "static_kwargs": {}, "build_module_src": "import os", "variables": []}
    network = Code(named("dnnlib.tflib.network", "Network") + b")\x81" + code(state) + b"b")
    path = tmp_path / "stylegan2-ffhq-config-f.pkl"
    path.write_bytes(complete((network, network, network), 2))
    with pytest.raises(AdapterError, match=r"TensorFlow.*legacy\.py"):
        read(path)


@pytest.mark.parametrize("ours", [True, False])
def test_links_that_lead_out_of_the_folder(tmp_path: Path, ours: bool) -> None:
    outside, folder = tmp_path / "outside", tmp_path / "model"
    outside.mkdir()
    folder.mkdir()
    real = write_pkl(outside / "secret", small())
    if ours:
        StyleGAN2.load(LocalCheckpoint(outside, (real.name,)), CPU).save(folder)
        (folder / real.name).unlink()
        real = (folder / "model.safetensors").rename(outside / "weights")
    link = folder / ("model.safetensors" if ours else "model.pkl")
    link.symlink_to(real)
    with pytest.raises(UnlearnError, match=link.name):
        match(pull(str(folder)), ADAPTERS)
    inside = folder / "weights"
    inside.mkdir()
    link.unlink()
    real.rename(inside / "weights.bin")
    link.symlink_to(inside / "weights.bin")
    assert match(pull(str(folder)), ADAPTERS)[0] is StyleGAN2


@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_weights_that_are_no_numbers(tmp_path: Path, write: Writer, value: float) -> None:
    generator = small()
    generator.synthesis.b8.conv0.affine.weight[1, 2] = value
    path = write(tmp_path / "model", generator)
    with pytest.raises(AdapterError, match=rf"{path.name}: tensor synthesis\.b8\.conv0\.affine\.weight"):
        open_with(StyleGAN2, path)


@pytest.mark.parametrize("write", WRITERS)
def test_weights_that_are_whole_numbers(tmp_path: Path, write: Writer) -> None:
    generator = small()
    layer = generator.synthesis.b8.conv1
    del layer.bias
    layer.register_buffer("bias", torch.arange(4))
    path = write(tmp_path / "model", generator)
    with pytest.raises(AdapterError, match=r"synthesis\.b8\.conv1\.bias holds whole numbers"):
        open_with(StyleGAN2, path)


@pytest.mark.parametrize("write", WRITERS)
def test_numbers_beyond_float32(tmp_path: Path, write: Writer) -> None:
    generator = small().double()
    generator.synthesis.b8.conv1.bias[0] = 1e300
    path = write(tmp_path / "model", generator)
    with pytest.raises(AdapterError, match=r"synthesis\.b8\.conv1\.bias"):
        open_with(StyleGAN2, path)


@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize("layer", ["b8.conv1", "b4.torgb"])
def test_shapes_that_disagree(tmp_path: Path, write: Writer, layer: str) -> None:
    generator = small()
    generator.synthesis.get_submodule(layer).affine.bias = torch.nn.Parameter(torch.ones(5))
    path = write(tmp_path / "model", generator)
    with pytest.raises(AdapterError, match=rf"{path.name}: tensor synthesis\.{layer}\.affine\.bias is \[5\]"):
        open_with(StyleGAN2, path)


@pytest.mark.parametrize("module", ["synthesis.b4.conv1", "synthesis.b8", "mapping.fc0", "mapping", "synthesis"])
@pytest.mark.parametrize("kind", ["stylegan2", "stylegan3-t"])
def test_parts_and_attributes_that_are_missing(tmp_path: Path, module: str, kind: str) -> None:
    network, config = files.GENERATORS[kind]
    told: list[str] = []
    for what in ("_parameters", "_buffers", "_modules", "_init_kwargs", "state", "all"):
        pickled = files.pickled_generator(files.random_generator(network, config), config)
        *way, last = module.split(".")
        holder = pickled
        for name in way:
            holder = holder.state["_modules"].get(name, holder)
        part = holder.state["_modules"].get(last)
        if part is None:
            continue
        if what == "all":
            del holder.state["_modules"][last]
        elif what == "state":
            part.state = {key: value for key, value in part.state.items() if key.startswith("_")}
        else:
            del part.state[what]
        (tmp_path / "model.pkl").write_bytes(files.dump({"G_ema": pickled}))
        try:
            read(tmp_path / "model.pkl")
        except (UnsafeCheckpoint, AdapterError) as error:
            told.append(str(error))
    assert all("model.pkl" in message for message in told)


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("stylegan2", {"channel_max": 10**15, "channel_base": 10**18}),
        ("stylegan2", {"channel_base": 1}),
        ("stylegan2", {"w_dim": 10**30}),
        ("stylegan2", {"z_dim": 2**40, "w_dim": 2**40}),
        ("stylegan2", {"conv_clamp": float("inf")}),
        ("stylegan2", {"mapping_lr_multiplier": float("inf")}),
        ("stylegan3", {"first_cutoff": 1e-300, "first_stopband": 1e-300}),
        ("stylegan3", {"first_cutoff": 1e300}),
        ("stylegan3", {"first_stopband": 0.001, "last_stopband_rel": 1e-9}),
        ("stylegan3", {"output_scale": float("inf")}),
        ("stylegan3", {"channel_base": 1, "channel_max": 1}),
    ],
)
def test_configurations_beyond_sense(tmp_path: Path, kind: str, changes: dict[str, Any]) -> None:
    network, config = (Generator2, files.TINY2) if kind == "stylegan2" else (Generator3, files.TINY3)
    save_file(files.random_generator(network, config).state_dict(), tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps({"model_type": kind, **config, **changes}))
    with pytest.raises(AdapterError, match=r"config\.json|model\.safetensors"):
        ADAPTERS[kind].load(LocalCheckpoint(tmp_path, ("config.json", "model.safetensors")), CPU)
