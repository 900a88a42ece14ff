"""Seconds per GUIDE step: ours beside a plain one, same machine, same run. Run with `pytest --benchmark-only`."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture
from torch import Tensor

from guide_plugin.adapter import LocalCheckpoint
from guide_plugin.operator import Networks, Subject
from guide_plugin.operators.guide.draws import Draws
from guide_plugin.operators.guide.settings import GuideSettings
from guide_plugin.operators.guide.unlearning import Guide
from guide_plugin.vision.perceptual import feature_distance, load_perceptual
from guide_plugin.vision.recognition import load_small
from hub_adapters.checkpoints.model import CONFIG, WEIGHTS
from hub_adapters.stylegan2.adapter import StyleGAN2
from tests.conftest import DEMO_MODEL

CPU = torch.device("cpu")


class Scene:
    def __init__(self, micro_batch: int | None = None) -> None:
        self.teacher = StyleGAN2.load(LocalCheckpoint(DEMO_MODEL, (CONFIG, WEIGHTS)), CPU)
        self.student = copy.deepcopy(self.teacher)
        for _, parameter in self.student.trainable_parameters():
            parameter.requires_grad_(True)
        self.networks = Networks(
            load_perceptual(f"conv:{DEMO_MODEL / 'perceptual.safetensors'}", CPU),
            load_small(DEMO_MODEL / "recogniser-train.safetensors", CPU),
            torch.float32,
        )
        self.w_u = self.teacher.sample_latents(1, torch.Generator().manual_seed(3))
        self.operator = Guide(GuideSettings(d="data", alpha_max="data", micro_batch=micro_batch))
        self.operator.prepare(
            self.student,
            self.teacher,
            Subject(self.w_u, "seed"),
            self.networks,
            torch.Generator().manual_seed(0),
        )


def plain_loss(scene: Scene, draws: Draws) -> Tensor:
    """The loss as the formulas read: a pass for features, another for the picture, one code at a time, no cache."""
    student, teacher, networks, operator = scene.student, scene.teacher, scene.networks, scene.operator

    def lpips(a: Tensor, b: Tensor) -> Tensor:
        return feature_distance(networks.perceptual.features(a), networks.perceptual.features(b)).sum()

    def apart(a: Tensor, b: Tensor) -> Tensor:
        with torch.no_grad():
            features, image = teacher.synthesize(b).features, teacher.synthesize(b).image
        drawn = student.synthesize(a).image
        mse = (student.synthesize(a).features - features).square().mean()
        identity = 1 - (networks.recogniser(drawn) * networks.recogniser(image)).sum()
        return 1e-2 * mse + lpips(drawn, image) + 0.1 * identity

    loss = apart(operator.w_u, operator.w_t)
    for w_r, alpha in zip(draws.w_r, draws.alpha, strict=True):
        delta = alpha * (w_r - operator.w_u) / (w_r - operator.w_u).norm()
        loss = loss + apart(operator.w_u + delta, operator.w_t + delta)
    for w_g in draws.w_g:
        with torch.no_grad():
            kept = teacher.synthesize(w_g[None]).image
        loss = loss + lpips(student.synthesize(w_g[None]).image, kept)
    return loss


@pytest.mark.benchmark(group="one GUIDE step on the demo model, CPU")
@pytest.mark.parametrize("micro_batch", [1, 5])
def test_our_step(benchmark: BenchmarkFixture, micro_batch: int) -> None:
    scene = Scene(micro_batch)
    losses = benchmark.pedantic(scene.operator.step, rounds=20, warmup_rounds=3)
    assert math.isfinite(losses["total"].item())


@pytest.mark.benchmark(group="one GUIDE step on the demo model, CPU")
def test_plain_step(benchmark: BenchmarkFixture) -> None:
    scene = Scene()
    optimizer = torch.optim.Adam([parameter for _, parameter in scene.student.trainable_parameters()], lr=1e-4)

    def step() -> float:
        optimizer.zero_grad()
        loss = plain_loss(scene, scene.operator.sampler.draw())
        loss.backward()
        optimizer.step()
        return loss.item()

    assert math.isfinite(benchmark.pedantic(step, rounds=20, warmup_rounds=3))


def test_both_steps_compute_the_same_loss() -> None:
    scene = Scene()
    draws = scene.operator.sampler.draw()
    ours = scene.operator.named_terms(scene.operator.backward(draws))["total"]
    assert ours.item() == pytest.approx(plain_loss(scene, draws).item(), rel=1e-4)
