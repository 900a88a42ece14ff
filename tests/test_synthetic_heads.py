"""The 3D demo: its renderer shows one solid scene in EG3D's cameras, and its model is what its README says."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor

from examples.synthetic_faces.measure import detection_rate, load_recogniser
from examples.synthetic_heads import measure, train
from examples.synthetic_heads.people_in_3d import MAX_YAW, Z_DIM, cameras, views
from examples.synthetic_recognisers.pairs import embedded, pairs
from examples.synthetic_recognisers.train import RECOGNISERS
from guide_plugin import Recipe, unlearn
from hub_adapters.eg3d.cameras import camera_rays
from tests.conftest import DEMO_MODEL

HEADS = DEMO_MODEL.parent / "synthetic-heads"


def numbers(n: int) -> Tensor:
    return torch.randn(n, Z_DIM, generator=torch.Generator().manual_seed(5))


@pytest.mark.parametrize("yaw", [-MAX_YAW, MAX_YAW])
def test_two_cameras_see_the_same_solid_scene(yaw: float) -> None:
    """A point that one camera sees lies, seen from the other one, where its depth says: signs and units are EG3D's."""
    z, side = numbers(2), 64
    here, there = cameras(torch.zeros(2)), cameras(torch.full((2,), yaw))
    (_, depth), (_, other) = views(z, here), views(z, there)
    rays = camera_rays(here, side)
    points = rays.origins[:, None] + depth.flatten(1)[..., None] * rays.directions
    pose, focal = there[:, :16].view(-1, 4, 4), there[0, 16]
    seen = (points - pose[:, None, :3, 3]) @ pose[:, :3, :3]
    place = seen[..., :2] / seen[..., 2:] * focal * 2
    looked_up = torch.nn.functional.grid_sample(other[:, None], place[:, :, None], align_corners=False)[:, 0, :, 0]
    inside = place.abs().amax(dim=-1) < 0.9
    off = (looked_up - seen.norm(dim=-1))[inside].abs()
    assert off.median() < 0.003  # of a head that is 0.4 deep
    assert off.quantile(0.8) < 0.03


def test_the_lamp_stands_still_while_the_camera_turns() -> None:
    z = numbers(1).expand(2, -1).clone()
    pictures, _ = views(z, cameras(torch.tensor([-MAX_YAW, MAX_YAW])))
    left, right = (picture[:, :, half].mean() for picture, half in ((pictures[0], slice(32)), (pictures[1], slice(32))))
    assert abs(left - right) < 0.15


def test_the_model_is_small_and_its_adapter_matches() -> None:
    assert sum(path.stat().st_size for path in HEADS.rglob("*") if path.is_file()) <= 13e6
    generator = measure.load_generator(HEADS)
    assert generator.config.z_dim == Z_DIM
    assert generator.config.rendering.avg_camera_pivot == (0, 0, 0)


def test_the_head_is_solid() -> None:
    """Noses stand out, ears lie back, the backdrop is behind, and heads turn as the renderer's do."""
    generator = measure.load_generator(HEADS)
    z = numbers(4)
    depth = measure.drawn(generator, z, torch.zeros(4)).depths
    nose, temples = depth[:, 16:20, 15:17].amin(dim=(1, 2)), depth[:, 14:18, [9, 22]].mean(dim=(1, 2))
    backdrop = depth[:, :4, [0, 1, 30, 31]].mean(dim=(1, 2))
    assert ((temples - nose) > 0.02).all()
    assert ((backdrop - temples) > 0.05).all()
    assert measure.turning_alike(generator, z) > 0.5  # flat pictures score 0; the README has the figure


def test_the_detector_finds_heads_from_all_sides() -> None:
    """The full bar, 600 pictures, is `measure`'s; 18 of them are enough to notice a broken model."""
    samples = measure.random_samples(measure.load_generator(HEADS), 6, 3)
    assert detection_rate(samples) >= 0.8


def test_the_recognisers_know_people_from_other_sides() -> None:
    """One code seen from three sides; `synthetic_recognisers.measure` has people in other light and clothes too."""
    z, yaw, person = measure.held_out(people=40, count=3)
    images = measure.drawn(measure.load_generator(HEADS), z[::3].repeat_interleave(3, 0), yaw).images
    for name in RECOGNISERS:
        seen = pairs(embedded(load_recogniser(HEADS, name), images), person)
        assert seen.known(1e-3) >= 0.95


def test_networks_are_those_of_the_first_demo() -> None:
    for name in train.NETWORKS:
        assert (HEADS / name).read_bytes() == (DEMO_MODEL / name).read_bytes()


@pytest.mark.slow
def test_the_training_code_runs_end_to_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A toy-sized training, both rounds, leaves a model that loads, and draws something finite."""
    toy = ["--people", "6", "--steps", "3", "--refine-steps", "2", "--renderers", "1"]
    monkeypatch.setattr(sys, "argv", ["train", "--out", str(tmp_path / "model"), *toy])
    threads = torch.get_num_threads()
    train.main()
    torch.set_num_threads(threads)
    generator = measure.load_generator(tmp_path / "model")
    seen = measure.drawn(generator, numbers(1), torch.zeros(1))
    assert math.isfinite(seen.depths.mean().item())


@pytest.mark.slow
@pytest.mark.parametrize("seed", [3, 7])
def test_a_person_is_taken_out_of_the_3d_model(seed: int, tmp_path: Path) -> None:
    recipe = Recipe.model_validate({"hub": str(HEADS), "subject": {"seed": seed}})
    outcome = unlearn(recipe, tmp_path / "run")
    findings = outcome.report.findings
    assert outcome.report.verdict.outcome == "pass"
    assert findings.subject.after_max < findings.reference.threshold
    assert findings.bystanders.random.median >= 0.9
