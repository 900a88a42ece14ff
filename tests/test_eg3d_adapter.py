"""The eg3d adapter: its contract, its cameras, and NVIDIA's pickles in and out."""

from __future__ import annotations

import copy
import math
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch.nn import functional as F

from guide_plugin import AdapterError, LocalCheckpoint, PluginHost, Recipe, RepoListing, unlearn
from guide_plugin.hub.source import match, pull
from guide_plugin.report.text import outcome_lines
from hub_adapters.checkpoints.model import CONFIG, WEIGHTS, save_model
from hub_adapters.eg3d.adapter import EG3D
from hub_adapters.eg3d.config import EG3DConfig
from hub_adapters.eg3d.interpolation import sample_planes_on_cpu
from hub_adapters.eg3d.network import Generator
from tests import checkpoint_files as files
from tests.conftest import SMALL_AUDIT, write_companions
from tests.test_guide_replay import DATA, load_file

CPU = torch.device("cpu")
OURS = (CONFIG, WEIGHTS)
TINY = {
    "z_dim": 8,
    "w_dim": 8,
    "img_resolution": 32,
    "plane_resolution": 16,
    "channel_base": 128,
    "channel_max": 8,
    "superresolution": "SuperresolutionHybrid2X",
    "neural_rendering_resolution": 8,
    "rendering": {"depth_resolution": 6, "depth_resolution_importance": 4},
}


def tiny_generator(**changes: Any) -> tuple[Generator, EG3DConfig]:
    config = EG3DConfig(model_type="eg3d", **{**TINY, **changes})
    return files.random_generator(Generator, {"config": config}), config


def tiny_adapter(**changes: Any) -> EG3D:
    generator, config = tiny_generator(**changes)
    return EG3D(generator, config, CPU)


def write_ours(folder: Path) -> Path:
    generator, config = tiny_generator()
    save_model(folder, config, generator.state_dict(), None)
    return folder


def write_pickle(folder: Path, **changes: Any) -> Path:
    """Write what upstream would pickle for the tiny network, with another G and a D beside it."""
    generator, config = tiny_generator()
    said = config.rendering.model_dump() | {
        "superresolution_module": f"training.superresolution.{config.superresolution}",
        "superresolution_noise_mode": "none",
        "sr_antialias": True,
        "c_gen_conditioning_zero": False,
        "c_scale": config.c_scale,
        "decoder_lr_mul": 1.0,
        "density_reg": 0.25,
    }

    def official(network: Generator, **more: Any) -> files.Persistent:
        whole = files.persistent(network, {})
        nothing = {"_parameters": OrderedDict(), "_buffers": OrderedDict(), "_modules": OrderedDict()}
        renderer = files.Persistent("ImportanceRenderer", {"plane_axes": torch.tensor(config.plane_axes), **nothing})
        whole.state["_modules"]["renderer"] = renderer
        whole.state["_buffers"] = OrderedDict(dataset_label_std=torch.rand(25))
        whole.state |= {"img_resolution": config.img_resolution, "neural_rendering_resolution": 8}
        whole.state |= {"rendering_kwargs": said, "class_name": "TriPlaneGenerator", **more}
        return whole

    older = files.random_generator(Generator, {"config": config}, seed=7)
    content = {"G": official(older), "D": files.persistent(files.Discriminator(), {})}
    content["G_ema"] = official(generator, **changes)
    (folder / "network.pkl").write_bytes(files.dump(content))
    return folder


def unlearn_from(folder: Path, tmp_path: Path) -> Any:
    recipe = {"hub": str(write_companions(folder)), "subject": {"seed": 3}, "audit": SMALL_AUDIT}
    return unlearn(Recipe.model_validate(recipe), tmp_path / "run")


def load(folder: Path, *names: str) -> EG3D:
    return EG3D.load(LocalCheckpoint(folder, names or OURS), CPU)


def codes(adapter: EG3D, n: int = 2) -> torch.Tensor:
    return adapter.sample_latents(n, torch.Generator().manual_seed(1))


def test_ours_and_the_pickle_hold_the_same_model(tmp_path: Path) -> None:
    (tmp_path / "ours").mkdir()
    (tmp_path / "pickle").mkdir()
    ours, theirs = load(write_ours(tmp_path / "ours")), load(write_pickle(tmp_path / "pickle"), "network.pkl")
    assert ours.config == theirs.config
    w = codes(ours)
    assert torch.equal(w, codes(theirs))
    assert torch.equal(ours.synthesize(w).image, theirs.synthesize(w).image)


def test_a_pickle_is_matched_without_a_configuration(tmp_path: Path) -> None:
    adapter, found = match(pull(str(write_pickle(tmp_path))), PluginHost().adapters)
    assert adapter is EG3D
    assert found.files == ("network.pkl",)
    assert found.summary == "EG3D, 32×32, from network.pkl"
    assert EG3D.match(RepoListing({"model.bin": 3}, {})) is None


def test_a_saved_pickle_has_the_new_weights_everywhere_and_nothing_of_the_old(tmp_path: Path) -> None:
    planes = torch.rand(1, 96, 4, 4)
    folder = write_pickle(tmp_path, _last_planes=planes)
    adapter = load(folder, "network.pkl")
    with torch.no_grad():
        for _, parameter in adapter.trainable_parameters():
            parameter.mul_(1.5)
    saved = tmp_path / "saved"
    saved.mkdir()
    notes = adapter.save(saved).notes
    assert any(note.startswith("G was replaced") for note in notes)
    assert any(note.startswith("D was emptied") for note in notes)
    assert any("tri-planes of the last picture" in note for note in notes)
    w = codes(adapter)
    expected = adapter.synthesize(w).image
    assert torch.equal(load(saved, "network.pkl").synthesize(w).image, expected)
    assert torch.equal(load(saved).synthesize(w).image, expected)
    before, after = (folder / "network.pkl").read_bytes(), (saved / "network.pkl").read_bytes()
    assert len(before) == len(after)
    assert planes.numpy().tobytes() in before
    assert planes.numpy().tobytes() not in after


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"rendering_kwargs": {}}, "superresolution_module"),
        ({"neural_rendering_resolution": "many"}, "neural_rendering_resolution"),
        ({"img_resolution": 48}, "img_resolution"),
        ({"img_resolution": 64}, "superresolution"),
    ],
)
def test_a_pickle_that_says_something_else_is_refused(tmp_path: Path, changes: dict[str, Any], named: str) -> None:
    with pytest.raises(AdapterError, match=named):
        load(write_pickle(tmp_path, **changes), "network.pkl")


def test_synthesis_is_deterministic_and_gives_features_and_picture_together() -> None:
    adapter = tiny_adapter()
    w, views = codes(adapter, 3), adapter.audit_views()[[0, 5, 10]]
    first, again = adapter.synthesize(w, views), adapter.synthesize(w, views)
    assert first.image.shape == (3, 3, 32, 32)
    assert first.features.shape == (3, 3, 32, 16, 16)
    assert torch.equal(first.image, again.image)
    one = adapter.synthesize(w[1:2], views[1:2])
    assert torch.allclose(one.image, first.image[1:2], atol=1e-5 * first.image.abs().max())
    assert torch.equal(adapter.synthesize(w[1:2]).image, one.image)  # the middle view is the default
    assert not torch.equal(adapter.synthesize(w[1:2], views[:1]).image, one.image)


def test_gradients_reach_the_backbones_synthesis_alone() -> None:
    adapter = tiny_adapter()
    named = dict(adapter.trainable_parameters())
    for parameter in named.values():
        parameter.requires_grad_(True)
    adapter.synthesize(codes(adapter)).image.square().mean().backward()
    for name, parameter in adapter.generator.named_parameters():
        assert (parameter.grad is not None) == (name in named) == name.startswith("backbone.synthesis."), name


def test_saving_memory_changes_no_gradient() -> None:
    fast, slow = tiny_adapter(), tiny_adapter()
    assert not fast.effort.checkpointing
    assert slow.save_memory()
    assert not slow.save_memory()
    for adapter in (fast, slow):
        for _, parameter in adapter.trainable_parameters():
            parameter.requires_grad_(True)
        adapter.synthesize(codes(adapter)).image.square().mean().backward()
    for (name, a), (_, b) in zip(fast.trainable_parameters(), slow.trainable_parameters(), strict=True):
        assert torch.allclose(a.grad, b.grad, rtol=1e-4, atol=1e-7), name


def test_views_are_cameras_within_a_twelfth_of_pi() -> None:
    adapter = tiny_adapter()
    audit, training = adapter.audit_views(), adapter.sample_views(200, torch.Generator().manual_seed(0))
    assert audit.shape == (11, 25)
    assert training.shape == (200, 25)
    pivot = torch.tensor(adapter.config.rendering.avg_camera_pivot)
    for views in (audit, training):
        position = views[:, :16].view(-1, 4, 4)[:, :3, 3]
        assert torch.allclose(position.norm(dim=1), torch.tensor(2.7))
        yaw = torch.atan2(position[:, 0], position[:, 2])
        assert yaw.abs().max() <= math.pi / 12 + 1e-5
        forward = views[:, :16].view(-1, 4, 4)[:, :3, 2]
        assert torch.allclose(forward, F.normalize(pivot - position, dim=1), atol=1e-5)
    assert torch.allclose(torch.atan2(audit[:, 3], audit[:, 11]).diff(), torch.tensor(math.pi / 60), atol=1e-5)


def test_the_released_views_are_the_recorded_ones() -> None:
    adapter, recorded = tiny_adapter(), load_file(DATA / "guide_draws.safetensors")
    conditioning = adapter._cameras([0.0], 0.0)
    assert torch.allclose(conditioning, recorded["camera_conditioning"], atol=1e-6)
    assert not torch.allclose(adapter._cameras([0.0], -0.2), recorded["camera_front"], atol=1e-3)
    assert adapter.use_released_views()
    assert not adapter.use_released_views()
    assert torch.allclose(adapter._cameras([0.0], -0.2), recorded["camera_front"], atol=1e-6)
    assert torch.allclose(adapter._cameras(recorded["angle_y"].tolist(), -0.2), recorded["camera"], atol=1e-6)
    assert torch.allclose(adapter._cameras([0.0], 0.0), conditioning, atol=1e-6)


def test_the_mean_code_is_that_of_sampled_codes() -> None:
    adapter = tiny_adapter()
    mean = adapter.mean_latent()
    assert mean.shape == (1, *adapter.latent_shape)
    many = codes(adapter, 4096)
    assert (many.mean(dim=0) - mean).norm() < 0.1 * (many - mean).flatten(1).norm(dim=1).mean()
    assert torch.equal(copy.deepcopy(adapter).mean_latent(), mean)


def test_interpolation_equals_grid_sample_with_its_gradient() -> None:
    torch.manual_seed(0)
    planes = torch.randn(3, 5, 6, 9, requires_grad=True)
    places = torch.rand(500, 3, 2) * 3 - 1.5  # a third of them beyond the planes
    places[:4] = torch.tensor([[-1.0, -1.0], [1.0, 1.0], [0.0, 0.0], [50.0, -50.0]])[:, None]
    ours = sample_planes_on_cpu(planes, places)
    (expected,) = (
        F.grid_sample(planes, places.permute(1, 0, 2)[:, None], align_corners=False).sum(dim=0).permute(1, 2, 0)
    )
    assert torch.allclose(ours, expected, atol=1e-5)
    pull = torch.randn_like(ours)
    (a,) = torch.autograd.grad(ours, planes, pull)
    (b,) = torch.autograd.grad(expected, planes, pull)
    assert torch.allclose(a, b, atol=1e-4)


def test_places_that_are_no_numbers_give_nothing() -> None:
    places = torch.zeros(2, 3, 2)
    places[0] = torch.nan
    seen = sample_planes_on_cpu(torch.ones(3, 5, 6, 9), places)
    assert seen.tolist() == [[0.0] * 5, [3.0] * 5]


def test_a_ray_that_meets_nothing_has_the_greatest_depth_and_spoils_no_gradient() -> None:
    adapter = tiny_adapter()
    adapter.generator.decoder.net[2].bias.data[0] = -1e4  # air everywhere
    planes = adapter.generator.synthesis(codes(adapter)).detach().requires_grad_()
    drawing = adapter.generator.render(planes, codes(adapter), adapter.audit_views()[:2], with_depth=True)
    assert torch.equal(drawing.depth, drawing.depth.max().expand_as(drawing.depth))
    (drawing.depth.mean() + drawing.image.mean()).backward()
    assert planes.grad.isfinite().all()


def test_a_run_judges_all_views_and_draws_a_bystander_from_each(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    outcome = unlearn_from(write_ours(tmp_path / "model"), tmp_path)
    assert outcome.report.findings.subject.views == 11
    with Image.open(outcome.folder / "views.png") as strip, Image.open(outcome.folder / "bystanders.png") as sheet:
        assert strip.width > sheet.width
        assert strip.height == sheet.height
    assert "most alike of 11 views" in outcome_lines(outcome.report, outcome.folder, outcome.model)


def test_a_run_from_a_pickle_gives_a_pickle(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    outcome = unlearn_from(write_pickle(tmp_path / "model"), tmp_path)
    before, after = load(tmp_path / "model", "network.pkl"), load(outcome.model, "network.pkl")
    moved = [
        not torch.equal(a, b) for (_, a), (_, b) in zip(*map(EG3D.trainable_parameters, (before, after)), strict=True)
    ]
    assert all(moved)
    w = codes(after)
    assert torch.equal(after.synthesize(w).image, load(outcome.model).synthesize(w).image)
    assert outcome.report.notes == ["G was replaced by the redacted generator", "D was emptied"]
