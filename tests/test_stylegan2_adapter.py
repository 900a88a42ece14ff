"""The StyleGAN2 adapter: the contract's clauses, and files that are not what they should be."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from guide_plugin import AdapterError, LocalCheckpoint, RepoListing
from hub_adapters.checkpoints.model import CONFIG, WEIGHTS
from hub_adapters.stylegan2.adapter import StyleGAN2
from tests.conftest import write_tiny_model

CPU = torch.device("cpu")


def load(folder: Path) -> StyleGAN2:
    return StyleGAN2.load(LocalCheckpoint(folder, (CONFIG, WEIGHTS)), CPU)


def test_matches_its_own_folders_alone() -> None:
    files = {CONFIG: 10, WEIGHTS: 10}
    ours = {"model_type": "stylegan2", "img_resolution": 64}
    match = StyleGAN2.match(RepoListing(files, {CONFIG: ours}))
    assert match is not None
    assert match.files == (CONFIG, WEIGHTS)
    assert match.summary == "StyleGAN2, 64×64"
    assert StyleGAN2.match(RepoListing(files, {CONFIG: {"model_type": "bert"}})) is None
    assert StyleGAN2.match(RepoListing(files, {CONFIG: ["stylegan2"]})) is None
    assert StyleGAN2.match(RepoListing(files, {})) is None
    assert StyleGAN2.match(RepoListing({CONFIG: 10}, {CONFIG: ours})) is None


def test_shapes_ranges_and_frozen_parameters(tiny_model: Path) -> None:
    adapter = load(tiny_model)
    w = adapter.sample_latents(3, torch.Generator().manual_seed(0))
    assert w.shape == (3, *adapter.latent_shape)
    assert adapter.mean_latent().shape == (1, *adapter.latent_shape)
    image, features = adapter.synthesize(w)
    assert image.shape == (3, 3, 16, 16)
    assert image.dtype == torch.float32
    assert features.shape[0] == 3
    assert not any(parameter.requires_grad for parameter in adapter.generator.parameters())
    assert all(name.startswith("synthesis.") for name, _ in adapter.trainable_parameters())
    assert adapter.sample_views(2, torch.Generator()) is None
    assert adapter.audit_views() is None


def test_same_code_gives_the_same_picture(tiny_model: Path) -> None:
    adapter = load(tiny_model)
    w = adapter.sample_latents(2, torch.Generator().manual_seed(0))
    assert torch.equal(adapter.synthesize(w).image, adapter.synthesize(w).image)
    assert torch.equal(w, adapter.sample_latents(2, torch.Generator().manual_seed(0)))


def test_a_copy_is_independent(tiny_model: Path) -> None:
    adapter = load(tiny_model)
    w = adapter.mean_latent()
    before = adapter.synthesize(w).image
    changed = copy.deepcopy(adapter)
    with torch.no_grad():
        for _, parameter in changed.trainable_parameters():
            parameter.add_(1)
    assert torch.equal(adapter.synthesize(w).image, before)
    assert not torch.equal(changed.synthesize(w).image, before)


@pytest.mark.parametrize("changes", [{}, {"architecture": "resnet"}, {"c_dim": 3}, {"conv_clamp": 256.0}])
def test_what_is_saved_loads_and_draws_the_same(tmp_path: Path, changes: dict[str, object]) -> None:
    adapter = load(write_tiny_model(tmp_path / "model", **changes))
    with torch.no_grad():
        for _, parameter in adapter.trainable_parameters():
            parameter.mul_(1.1)
    (tmp_path / "saved").mkdir()
    written = adapter.save(tmp_path / "saved").files
    assert sorted(written) == sorted((tmp_path / "saved").iterdir())
    again = load(tmp_path / "saved")
    w = adapter.sample_latents(2, torch.Generator().manual_seed(1))
    assert torch.equal(w, again.sample_latents(2, torch.Generator().manual_seed(1)))
    assert torch.equal(adapter.synthesize(w).image, again.synthesize(w).image)
    assert again.config == adapter.config


def test_weights_in_half_precision_load_as_float32(own_tiny_model: Path) -> None:
    state = {name: tensor.half() for name, tensor in load_file(own_tiny_model / WEIGHTS).items()}
    save_file(state, own_tiny_model / WEIGHTS)
    assert load(own_tiny_model).mean_latent().dtype == torch.float32


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("img_resolution", 48, "img_resolution"),
        ("z_dim", -1, "z_dim"),
        ("surprise", 1, "surprise"),
        ("w_dim", 9, r"tensor \S+ is \[8, 8\], the configuration asks for \[8, 9\]"),
        ("mapping_layers", 3, r"mapping\.fc2\.\S+ is missing"),
        ("mapping_layers", 1, r"mapping\.fc1\.\S+ has no place"),
    ],
)
def test_a_wrong_configuration_is_told(own_tiny_model: Path, key: str, value: int, told: str) -> None:
    config = json.loads((own_tiny_model / CONFIG).read_text())
    (own_tiny_model / CONFIG).write_text(json.dumps({**config, key: value}))
    with pytest.raises(AdapterError, match=told):
        load(own_tiny_model)


@pytest.mark.parametrize("keep", [0, 4, 100, -1])
def test_cut_short_weights_are_told(own_tiny_model: Path, keep: int) -> None:
    weights = own_tiny_model / WEIGHTS
    weights.write_bytes(weights.read_bytes()[:keep])
    with pytest.raises(AdapterError, match=r"model\.safetensors cannot be read"):
        load(own_tiny_model)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_told(own_tiny_model: Path, value: float) -> None:
    state = load_file(own_tiny_model / WEIGHTS)
    state["synthesis.b8.conv0.weight"][0, 0, 0, 0] = value
    save_file(state, own_tiny_model / WEIGHTS)
    with pytest.raises(AdapterError, match=r"synthesis\.b8\.conv0\.weight holds NaN or Inf"):
        load(own_tiny_model)
