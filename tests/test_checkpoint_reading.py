"""Files of every layout: read without running anything, drawn as built, written back with other weights alone."""

from __future__ import annotations

import builtins
import copy
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from guide_plugin import Adapter, LocalCheckpoint, RepoListing
from hub_adapters.stylegan2.adapter import StyleGAN2
from hub_adapters.stylegan2.network import Generator as Generator2
from hub_adapters.stylegan3.adapter import StyleGAN3
from tests import checkpoint_files as files

CPU = torch.device("cpu")
PROTOCOLS = (2, 3, 4, 5)


def load(path: Path) -> Any:
    """Match and load one file, as the pipeline does."""
    listing = RepoListing({path.name: path.stat().st_size}, {}, path.parent)
    claims = [(adapter, adapter.match(listing)) for adapter in (StyleGAN2, StyleGAN3)]
    ((adapter, match),) = [(adapter, match) for adapter, match in claims if match]
    return adapter.load(LocalCheckpoint(path.parent, match.files), CPU)


def assert_draws_like(adapter: Adapter, generator: Any, config: dict[str, Any]) -> None:
    rng = torch.Generator().manual_seed(3)
    z, labels = torch.randn(2, config["z_dim"], generator=rng), None
    if config["c_dim"]:
        labels = torch.eye(config["c_dim"])[torch.randint(config["c_dim"], (2,), generator=rng)]
    w = adapter.sample_latents(2, torch.Generator().manual_seed(3))
    assert torch.equal(w, generator.mapping(z, labels))
    assert torch.equal(adapter.mean_latent()[0, 0], generator.mapping.w_avg)
    assert torch.equal(adapter.synthesize(w).image, generator.synthesis(w).image)


def redact(adapter: Any) -> dict[str, Tensor]:
    """Change every trainable parameter; return the values that must not be found anywhere any more."""
    torch.manual_seed(11)
    old = {name: parameter.detach().clone() for name, parameter in adapter.trainable_parameters()}
    with torch.no_grad():
        for _, parameter in adapter.trainable_parameters():
            parameter.copy_(torch.randn_like(parameter) * 0.5)
    return old


def save(adapter: Any, folder: Path) -> tuple[Path, tuple[str, ...]]:
    folder.mkdir()
    saved = adapter.save(folder)
    (copy_,) = [path for path in saved.files if path.name not in ("config.json", "model.safetensors")]
    assert sorted(saved.files) == sorted(folder.iterdir())
    return copy_, saved.notes


def raw(tensor: Tensor) -> bytes:
    """Return a dense tensor's bytes in the order in which its storage holds them."""
    return tensor.detach().permute(sorted(range(tensor.dim()), key=lambda i: -tensor.stride(i))).numpy().tobytes()


def assert_forgotten(written: Path, tensors: Iterable[Tensor]) -> None:
    content = written.read_bytes()
    for tensor in tensors:
        old = raw(tensor)
        if len(set(old)) > 8:  # constants, such as blur kernels, tell nothing of anybody
            assert old not in content
            assert old.decode("latin1").encode("utf-8") not in content


def assert_only_tensors_differ(before: bytes, after: bytes, tensors: Iterable[Tensor]) -> None:
    """Every byte that differs lies where the file held one of these tensors."""
    assert len(before) == len(after)
    allowed = bytearray(before)
    for old in {raw(tensor) for tensor in tensors}:
        at = before.find(old)
        while at >= 0:
            allowed[at : at + len(old)] = after[at : at + len(old)]
            at = before.find(old, at + 1)
    assert bytes(allowed) == after


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("c_dim", [0, 3])
@pytest.mark.parametrize("kind", files.GENERATORS)
def test_network_pickles(tmp_path: Path, kind: str, c_dim: int, protocol: int) -> None:
    network, config = files.GENERATORS[kind]
    config = {**config, "c_dim": c_dim}
    generator = files.random_generator(network, config)
    path = tmp_path / "network-snapshot.pkl"
    others = files.write_nvidia(path, generator, config, protocol)
    adapter = load(path)
    assert_draws_like(adapter, generator, config)
    read = adapter.config.model_dump()
    assert {key: read[key] for key in config} == config

    old = redact(adapter)
    written, notes = save(adapter, tmp_path / "out")
    assert written.name == path.name
    assert set(notes) == {"G was replaced by the redacted generator", "D was emptied"}
    again = load(written)
    assert_draws_like(again, adapter.generator, config)
    assert_draws_like(load_ours(written.parent), adapter.generator, config)
    D, G = others["D"].state_dict().values(), others["G"].state_dict().values()
    assert_forgotten(written, [*old.values(), *D])
    assert_forgotten(written, [*others["G"].synthesis.parameters(), *others["G"].mapping.parameters()])
    for places in (again.origin.others["G"], again.origin.tensors):
        assert all(torch.equal(place.read(), adapter.generator.state_dict()[name]) for name, place in places.items())
    assert not any(place.read().any() for place in again.origin.others["D"].values())
    if protocol > 2:
        assert_only_tensors_differ(path.read_bytes(), written.read_bytes(), [*old.values(), *D, *G])


def load_ours(folder: Path) -> Any:
    """Load a folder in our own layout."""
    import json

    adapter = {"stylegan2": StyleGAN2, "stylegan3": StyleGAN3}[
        json.loads((folder / "config.json").read_text())["model_type"]
    ]
    return adapter.load(LocalCheckpoint(folder, ("config.json", "model.safetensors")), CPU)


@pytest.mark.parametrize("as_zip", [True, False])
@pytest.mark.parametrize("training_state", [True, False])
@pytest.mark.parametrize("noises", [True, False])
def test_rosinality_files(tmp_path: Path, as_zip: bool, training_state: bool, noises: bool) -> None:
    generator = files.random_generator(Generator2, files.TINY2)
    content = files.rosinality_content(generator, files.TINY2, noises)
    if not training_state:
        content = {key: content[key] for key in ("g_ema", "latent_avg")}
    path = tmp_path / "550000.pt"
    files.write_torch(path, content, as_zip)
    adapter = load(path)
    if not noises:
        generator.load_state_dict(
            {k: v for k, v in adapter.generator.state_dict().items() if "noise_const" in k}, False
        )
    assert_draws_like(adapter, generator, files.TINY2)

    old = redact(adapter)
    written, notes = save(adapter, tmp_path / "out")
    assert_draws_like(load(written), adapter.generator, files.TINY2)
    assert_forgotten(written, old.values())
    reread = torch.load(written, weights_only=True) if not training_state else _with_args(written)
    expected = files.rosinality_names(adapter.generator, noises)
    assert all(torch.equal(reread["g_ema"][name], tensor) for name, tensor in expected.items())
    if training_state:
        assert set(notes) == {
            "g was replaced by the redacted generator",
            "d was emptied",
            "g_optim was emptied",
            "d_optim was emptied",
        }
        assert all(torch.equal(reread["g"][name], tensor) for name, tensor in expected.items() if "kernel" not in name)
        trained = [content[key] for key in ("d", "g_optim", "d_optim")]
        assert_forgotten(written, [t for t in files.every_tensor([*trained, content["g"]]) if t.numel() > 8])
        assert not any(t.any() for key in ("d", "g_optim", "d_optim") for t in files.every_tensor(reread[key]))
    if not as_zip:  # an archive also holds checksums
        assert_only_tensors_differ(path.read_bytes(), written.read_bytes(), files.every_tensor(content))


def _with_args(path: Path) -> Any:
    import argparse

    with torch.serialization.safe_globals([argparse.Namespace]):
        return torch.load(path, weights_only=True)


def test_checksums_of_a_written_archive_hold(tmp_path: Path) -> None:
    import zipfile

    generator = files.random_generator(Generator2, files.TINY2)
    files.write_torch(tmp_path / "model.pt", files.rosinality_content(generator, files.TINY2))
    adapter = load(tmp_path / "model.pt")
    redact(adapter)
    written, _ = save(adapter, tmp_path / "out")
    with zipfile.ZipFile(written) as archive:
        assert archive.testzip() is None


def test_a_file_of_g_ema_alone(tmp_path: Path) -> None:
    generator = files.random_generator(Generator2, files.TINY2)
    path = tmp_path / "guide.pkl"
    path.write_bytes(files.dump({"G_ema": files.pickled_generator(generator, files.TINY2)}))
    adapter = load(path)
    assert_draws_like(adapter, generator, files.TINY2)
    written, notes = save(adapter, tmp_path / "out")
    assert notes == ()
    assert written.read_bytes() == path.read_bytes()


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_channels_last_strides(tmp_path: Path, protocol: int) -> None:
    generator = files.random_generator(Generator2, files.TINY2)
    plain = copy.deepcopy(generator)
    generator.to(memory_format=torch.channels_last)
    weight = generator.synthesis.b8.conv1.weight
    assert not weight.is_contiguous()
    path = tmp_path / "model.pkl"
    files.write_nvidia(path, generator, files.TINY2, protocol)
    adapter = load(path)
    assert_draws_like(adapter, plain, files.TINY2)
    place = adapter.origin.tensors["synthesis.b8.conv1.weight"]
    assert place.stride == weight.stride()
    old = redact(adapter)
    written, _ = save(adapter, tmp_path / "out")
    again = load(written)
    assert again.origin.tensors["synthesis.b8.conv1.weight"].stride == weight.stride()
    assert_draws_like(again, adapter.generator, files.TINY2)
    strided = dict(generator.named_parameters())
    assert_forgotten(written, [torch.empty_like(strided[name]).copy_(old[name]) for name in old])


@pytest.mark.parametrize("name", ["model.safetensors", "bare.safetensors"])
def test_no_pickle_comes_of_none(tmp_path: Path, name: str) -> None:
    from safetensors.torch import save_file

    save_file(files.random_generator(Generator2, files.TINY2).state_dict(), tmp_path / name)
    adapter = load(tmp_path / name)
    (tmp_path / "out").mkdir()
    saved = adapter.save(tmp_path / "out")
    assert {path.suffix for path in saved.files} == {".json", ".safetensors"}
    assert all(math.isfinite(path.stat().st_size) for path in saved.files)


def test_embedded_source_is_never_compiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sentinel = tmp_path / "ran"
    source = f"open({str(sentinel)!r}, 'w').close()\n"
    generator = files.random_generator(Generator2, files.TINY2)
    path = tmp_path / "model.pkl"
    files.write_nvidia(path, generator, files.TINY2, source=source)
    assert source.encode() in path.read_bytes()
    load(path)  # imports what loading imports

    def forbidden(*_: object, **__: object) -> None:
        raise AssertionError("compile or exec was called")

    for name in ("compile", "exec", "eval", "__import__"):
        if name != "__import__":
            monkeypatch.setattr(builtins, name, forbidden)
    adapter = load(path)
    monkeypatch.undo()
    assert_draws_like(adapter, generator, files.TINY2)
    assert not sentinel.exists()


def test_a_copy_of_a_loaded_file_is_independent(tmp_path: Path) -> None:
    generator = files.random_generator(Generator2, files.TINY2)
    files.write_nvidia(tmp_path / "model.pkl", generator, files.TINY2)
    adapter = load(tmp_path / "model.pkl")
    student = copy.deepcopy(adapter)
    redact(student)
    assert_draws_like(adapter, generator, files.TINY2)
    written, _ = save(student, tmp_path / "out")
    assert_draws_like(load(written), student.generator, files.TINY2)


def test_saving_over_the_file_it_came_from(tmp_path: Path) -> None:
    generator = files.random_generator(Generator2, files.TINY2)
    path = tmp_path / "network.pkl"
    files.write_nvidia(path, generator, files.TINY2)
    adapter = load(path)
    redact(adapter)
    adapter.save(tmp_path)
    assert_draws_like(load(path), adapter.generator, files.TINY2)
    assert {file.name for file in tmp_path.iterdir()} == {"network.pkl", "config.json", "model.safetensors"}


def test_tensors_that_a_discriminator_keeps_as_attributes_are_emptied_too(tmp_path: Path) -> None:
    generator = files.random_generator(Generator2, files.TINY2)
    path = tmp_path / "network.pkl"
    seen = torch.randn(16)
    D = files.persistent(files.Discriminator(), {"Discriminator": {"last_batch": seen}})
    path.write_bytes(files.dump({"D": D, "G_ema": files.pickled_generator(generator, files.TINY2)}))
    adapter = load(path)
    redact(adapter)
    written, _ = save(adapter, tmp_path / "out")
    assert raw(seen) in path.read_bytes()
    assert_forgotten(written, [seen])
