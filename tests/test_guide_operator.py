"""The operator's step: what it computes, how often, and that it learns."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from torch import Tensor

from guide_plugin.adapter import Adapter, LocalCheckpoint, Synthesis, View
from guide_plugin.errors import UsageError
from guide_plugin.operator import Networks, Subject
from guide_plugin.operators.guide.draws import Draws
from guide_plugin.operators.guide.settings import GuideSettings
from guide_plugin.operators.guide.unlearning import Guide
from guide_plugin.vision.perceptual import load_perceptual
from guide_plugin.vision.recognition import load_small
from hub_adapters.checkpoints.model import CONFIG, WEIGHTS
from hub_adapters.stylegan2.adapter import StyleGAN2

CPU = torch.device("cpu")


class Counting:
    """An adapter that counts the codes it draws."""

    def __init__(self, adapter: Adapter) -> None:
        self.adapter, self.drawn = adapter, 0

    def __getattr__(self, name: str) -> object:
        return getattr(self.adapter, name)

    def synthesize(self, w: Tensor, view: View | None = None) -> Synthesis:
        self.drawn += len(w)
        return self.adapter.synthesize(w, view)


class Scene:
    """A prepared operator with all it works on."""

    def __init__(self, folder: Path, device: torch.device = CPU, **settings: object) -> None:
        self.teacher = StyleGAN2.load(LocalCheckpoint(folder, (CONFIG, WEIGHTS)), device)
        self.student = copy.deepcopy(self.teacher)
        for _, parameter in self.student.trainable_parameters():
            parameter.requires_grad_(True)
        self.networks = Networks(
            load_perceptual(f"conv:{folder / 'perceptual.safetensors'}", device),
            load_small(folder / "trainer.safetensors", device),
            torch.float32,
        )
        code = self.teacher.sample_latents(1, torch.Generator().manual_seed(3))
        self.operator = Guide(GuideSettings(**{"lr": 1e-3, "d": "data", "alpha_max": "data", **settings}))
        self.counted = Counting(self.student), Counting(self.teacher)
        self.operator.prepare(*self.counted, Subject(code, "seed"), self.networks, torch.Generator().manual_seed(1))

    def weights(self) -> dict[str, Tensor]:
        return {name: parameter.detach().clone() for name, parameter in self.student.trainable_parameters()}

    def gradients(self, draws: Draws) -> list[Tensor]:
        self.operator.optimizer.zero_grad()
        self.operator.backward(draws)
        return [parameter.grad.clone() for _, parameter in self.student.trainable_parameters()]


@pytest.mark.parametrize("micro_batch", [1, 2, 5])
def test_each_code_is_drawn_once_by_each_network(tiny_model: Path, micro_batch: int) -> None:
    scene = Scene(tiny_model, micro_batch=micro_batch)
    student, teacher = scene.counted
    for _ in range(3):
        scene.operator.step()
    assert student.drawn == 3 * 5
    assert teacher.drawn == 3 * 4 + 1  # the target's picture never changes and is drawn once in all


def test_loss_and_gradients_equal_the_method_written_out(tiny_model: Path) -> None:
    """The published sum, code by code, pictures and features from passes of their own, against one step of ours."""
    scene = Scene(tiny_model)
    operator, student, teacher, networks = scene.operator, scene.student, scene.teacher, scene.networks
    draws = operator.sampler.draw()

    def lpips(a: Tensor, b: Tensor) -> Tensor:
        maps = zip(networks.perceptual.features(a), networks.perceptual.features(b), strict=True)
        return sum((x - y).square().sum(dim=1).mean() for x, y in maps)

    def apart(w_student: Tensor, w_teacher: Tensor) -> Tensor:
        mse = (student.synthesize(w_student).features - teacher.synthesize(w_teacher).features).square().mean()
        a, b = student.synthesize(w_student).image, teacher.synthesize(w_teacher).image
        identity = 1 - torch.cosine_similarity(networks.recogniser(a), networks.recogniser(b)).mean()
        return 1e-2 * mse + lpips(a, b) + 0.1 * identity

    total = apart(operator.w_u, operator.w_t)
    for w_r, alpha in zip(draws.w_r, draws.alpha, strict=True):
        delta = alpha * (w_r - operator.w_u) / (w_r - operator.w_u).norm()
        total = total + apart(operator.w_u + delta, operator.w_t + delta)
    for w_g in draws.w_g:
        total = total + lpips(student.synthesize(w_g[None]).image, teacher.synthesize(w_g[None]).image)
    total.backward()
    expected = [parameter.grad.clone() for _, parameter in student.trainable_parameters()]
    gradients = scene.gradients(draws)
    terms = operator.named_terms(operator.backward(draws))
    assert terms["total"].item() == pytest.approx(total.item(), rel=1e-5)
    for ours, theirs in zip(gradients, expected, strict=True):
        assert torch.allclose(ours, theirs, rtol=1e-3, atol=1e-6)


def test_micro_batches_give_the_same_gradients(tiny_model: Path) -> None:
    whole, parts = Scene(tiny_model, micro_batch=5), Scene(tiny_model, micro_batch=2)
    draws = whole.operator.sampler.draw()
    for a, b in zip(whole.gradients(draws), parts.gradients(draws), strict=True):
        assert torch.allclose(a, b, rtol=1e-3, atol=1e-6)


def test_out_of_memory_tries_smaller_micro_batches(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scene, undisturbed = Scene(tiny_model, micro_batch=5), Scene(tiny_model, micro_batch=2)
    student = scene.counted[0]
    draw = student.synthesize

    def draw_two_at_most(w: Tensor, view: View | None = None) -> Synthesis:
        if len(w) > 2:
            raise torch.OutOfMemoryError("no memory")
        return draw(w, view)

    monkeypatch.setattr(student, "synthesize", draw_two_at_most, raising=False)
    losses, expected = scene.operator.step(), undisturbed.operator.step()
    assert scene.operator.micro_batch == 2
    assert losses["total"].item() == pytest.approx(expected["total"].item(), rel=1e-6)
    for name, weight in scene.weights().items():
        assert torch.equal(weight, undisturbed.weights()[name])


def test_training_moves_the_subject_and_leaves_the_teacher(tiny_model: Path) -> None:
    scene = Scene(tiny_model)
    before = {name: parameter.clone() for name, parameter in scene.teacher.trainable_parameters()}
    totals = [scene.operator.step() for _ in range(40)]
    local = [step["local_lpips"].item() for step in totals]
    assert sum(local[-5:]) < 0.7 * sum(local[:5])
    for name, parameter in scene.teacher.trainable_parameters():
        assert torch.equal(parameter, before[name])
        assert parameter.grad is None
    mapping = scene.student.generator.mapping
    assert all(parameter.grad is None for parameter in mapping.parameters())
    assert all(parameter.grad is None for parameter in scene.networks.recogniser.parameters())


def test_the_loss_starts_with_nothing_to_mend_among_bystanders(tiny_model: Path) -> None:
    first = Scene(tiny_model).operator.step()
    assert first["global_lpips"].item() == 0.0
    assert first["local_lpips"].item() > 0.0


def test_global_weight_zero_leaves_bystanders_out_of_the_gradient(tiny_model: Path) -> None:
    scene = Scene(tiny_model, global_weight=0)
    scene.operator.step()
    draws = scene.operator.sampler.draw()
    elsewhere = Draws(draws.w_r, draws.alpha, scene.operator.sampler.draw().w_g, draws.view)
    for a, b in zip(scene.gradients(draws), scene.gradients(elsewhere), strict=True):
        assert torch.equal(a, b)


def test_the_mean_code_is_nobody(tiny_model: Path) -> None:
    scene = Scene(tiny_model)
    nobody = Subject(scene.teacher.mean_latent(), "code")
    with pytest.raises(UsageError, match="nobody"):
        scene.operator.prepare(scene.student, scene.teacher, nobody, scene.networks, torch.Generator())


def test_bf16_stays_close_to_float32(tiny_model: Path) -> None:
    exact, rough = Scene(tiny_model), Scene(tiny_model)
    rough.operator.networks = Networks(rough.networks.perceptual, rough.networks.recogniser, torch.bfloat16)
    a, b = exact.operator.step()["total"].item(), rough.operator.step()["total"].item()
    assert a != b
    assert b == pytest.approx(a, rel=0.05)
