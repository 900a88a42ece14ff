"""The paper's baseline: one step by hand, and that nothing but the subject and the mean code comes into it."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from guide_plugin import PluginHost, UsageError, unlearn
from guide_plugin.adapter import Adapter, LocalCheckpoint, Synthesis, View
from guide_plugin.operator import Losses, Networks, Subject
from guide_plugin.operators.baseline.unlearning import Baseline, BaselineSettings
from guide_plugin.pipeline import resume
from guide_plugin.vision.perceptual import load_perceptual
from guide_plugin.vision.recognition import load_small
from hub_adapters.checkpoints.model import CONFIG, WEIGHTS
from hub_adapters.stylegan2.adapter import StyleGAN2
from tests.planted import NETWORKS, SUBJECT, Painter
from tests.test_guide_operator import Counting
from tests.test_resume import StopAt, recipe_of, same_weights

CPU = torch.device("cpu")
LR = 1e-3


class Scene:
    """A prepared baseline with all it works on."""

    def __init__(self, folder: Path, **settings: object) -> None:
        self.teacher: Adapter = StyleGAN2.load(LocalCheckpoint(folder, (CONFIG, WEIGHTS)), CPU)
        self.student = copy.deepcopy(self.teacher)
        for _, parameter in self.student.trainable_parameters():
            parameter.requires_grad_(True)
        self.networks = Networks(
            load_perceptual(f"conv:{folder / 'perceptual.safetensors'}", CPU),
            load_small(folder / "trainer.safetensors", CPU),
            torch.float32,
        )
        self.w_u = self.teacher.sample_latents(1, torch.Generator().manual_seed(3))
        self.rng = torch.Generator().manual_seed(1)
        self.counted = Counting(self.student), Counting(self.teacher)
        self.operator = Baseline(BaselineSettings(**{"lr": LR, **settings}))
        self.operator.prepare(*self.counted, Subject(self.w_u, "seed"), self.networks, self.rng)


def test_a_step_is_adams_first_on_the_local_loss_written_out(tiny_model: Path) -> None:
    """Adam's first step is `lr · g / (|g| + 1e-8)`: its two corrected moments are then `g` and `g²`."""
    scene = Scene(tiny_model)
    drawn, wanted = scene.student.synthesize(scene.w_u), scene.teacher.synthesize(scene.teacher.mean_latent())
    maps = [scene.networks.perceptual.features(picture.image) for picture in (drawn, wanted)]
    lpips = sum((a - b).square().sum(dim=1).mean() for a, b in zip(*maps, strict=True))
    mse = (drawn.features - wanted.features).square().mean()
    alike = torch.cosine_similarity(scene.networks.recogniser(drawn.image), scene.networks.recogniser(wanted.image))
    total = 1e-2 * mse + lpips + 0.1 * (1 - alike.mean())
    parameters = [parameter for _, parameter in scene.student.trainable_parameters()]
    gradients = torch.autograd.grad(total, parameters)
    expected = [p.detach() - LR * g / (g.abs() + 1e-8) for p, g in zip(parameters, gradients, strict=True)]
    terms = scene.operator.step()
    assert {name: value.item() for name, value in terms.items()} == pytest.approx(
        {"local_mse": mse.item(), "local_lpips": lpips.item(), "local_id": 1 - alike.item(), "total": total.item()},
        rel=1e-4,
    )
    for parameter, by_hand, gradient in zip(parameters, expected, gradients, strict=True):
        certain = gradient.abs() > 1e-6  # below, rounding decides the sign, and with it the whole step
        assert torch.allclose(parameter[certain], by_hand[certain], rtol=0, atol=LR * 1e-2)


def test_the_subject_moves_to_the_mean_and_nothing_else_is_drawn(tiny_model: Path) -> None:
    scene = Scene(tiny_model)
    before = scene.rng.get_state()
    losses = [scene.operator.step()["total"].item() for _ in range(40)]
    assert losses[-1] < 0.5 * losses[0]
    assert (scene.counted[0].drawn, scene.counted[1].drawn) == (40, 1)
    assert torch.equal(scene.rng.get_state(), before)
    assert all(parameter.grad is None for _, parameter in scene.teacher.trainable_parameters())


class Turning(Painter):
    """A painter with views that remembers under which it painted."""

    def __init__(self, *planted: object) -> None:
        super().__init__(views=torch.arange(100.0)[:, None])
        self.seen: list[float] = []

    def synthesize(self, w: Tensor, view: View | None = None) -> Synthesis:
        assert view is not None
        self.seen += view.flatten().tolist()
        return super().synthesize(w, view)


def test_each_step_has_a_view_of_its_own_for_both_networks() -> None:
    teacher, student = Turning(), Turning()
    student.weight.requires_grad_(True)
    operator = Baseline(BaselineSettings())
    operator.prepare(student, teacher, Subject(SUBJECT, "seed"), NETWORKS, torch.Generator().manual_seed(0))
    for _ in range(5):
        operator.step()
    assert student.seen == teacher.seen
    assert len({*student.seen}) > 1


def test_the_mean_code_may_come_from_a_file(tiny_model: Path, tmp_path: Path) -> None:
    other = Scene(tiny_model).teacher.sample_latents(1, torch.Generator().manual_seed(9))
    save_file({"w": other}, tmp_path / "w_avg.safetensors")
    assert torch.equal(Scene(tiny_model, w_avg=tmp_path / "w_avg.safetensors").operator.w_t, other)


def test_the_mean_code_is_nobody(tiny_model: Path) -> None:
    scene = Scene(tiny_model)
    nobody = Subject(scene.teacher.mean_latent(), "code")
    with pytest.raises(UsageError, match="nobody"):
        scene.operator.prepare(scene.student, scene.teacher, nobody, scene.networks, scene.rng)


@pytest.mark.parametrize("helps", [True, False])
def test_out_of_memory_the_adapter_saves_some(tiny_model: Path, helps: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    scene, undisturbed = Scene(tiny_model), Scene(tiny_model)
    student = scene.counted[0]
    draw, saving = student.synthesize, []

    def draw_if_saving(w: Tensor, view: View | None = None) -> Synthesis:
        if not saving:
            raise torch.OutOfMemoryError("no memory")
        return draw(w, view)

    def save_memory() -> bool:
        saving.extend([True] * helps)
        return helps

    monkeypatch.setattr(student, "synthesize", draw_if_saving, raising=False)
    monkeypatch.setattr(student, "save_memory", save_memory, raising=False)

    def total(losses: Losses) -> float:
        return losses["total"].item()

    if helps:
        assert total(scene.operator.step()) == total(undisturbed.operator.step())
    else:
        with pytest.raises(torch.OutOfMemoryError):
            scene.operator.step()


def test_an_interrupted_run_goes_on_to_the_same_weights(tiny_model: Path, tmp_path: Path) -> None:
    recipe = recipe_of(tiny_model, every=2, steps=6, operator="baseline")
    whole = unlearn(recipe, tmp_path / "whole", PluginHost())
    with pytest.raises(RuntimeError, match="display is gone"):
        unlearn(recipe, tmp_path / "run", PluginHost(), StopAt(5))
    resumed = resume(tmp_path / "run", PluginHost())
    assert same_weights(resumed, whole)
    assert resumed.report.training.losses == whole.report.training.losses
