"""The operator fold: its first step by hand, whom it learns about, when it ends, and that it resumes to the bit."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from torch.testing import assert_close

from guide_plugin.adapter import LocalCheckpoint
from guide_plugin.operator import Networks, Subject
from guide_plugin.operators.fold import draws, unlearning
from guide_plugin.operators.fold.price import FIRST, Price
from guide_plugin.operators.fold.settings import FoldSettings
from guide_plugin.operators.fold.unlearning import Fold
from guide_plugin.vision.perceptual import load_perceptual
from guide_plugin.vision.recognition import load_small
from hub_adapters.checkpoints.model import CONFIG, WEIGHTS
from hub_adapters.stylegan2.adapter import StyleGAN2

CPU = torch.device("cpu")
SMALL = {"steps": 8, "crowd": 40, "searches": 2}


@pytest.fixture(autouse=True)
def small_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Search often and briefly, so that a few steps hold several rounds."""
    for name, value in {"FIRST_STEPS": 2, "ROUND_EVERY": 2, "ROUND_STEPS": 2, "COOLING": 3, "CENTRED_ON": 20}.items():
        monkeypatch.setattr(unlearning, name, value)


class Scene:
    """A prepared operator with all it works on."""

    def __init__(self, folder: Path, people: int = 1, **settings: object) -> None:
        self.teacher = StyleGAN2.load(LocalCheckpoint(folder, (CONFIG, WEIGHTS)), CPU)
        self.student = copy.deepcopy(self.teacher)
        for _, parameter in self.student.trainable_parameters():
            parameter.requires_grad_(True)
        perceptual = load_perceptual(f"conv:{folder / 'perceptual.safetensors'}", CPU)
        networks = Networks(perceptual, load_small(folder / "trainer.safetensors", CPU), torch.float32)
        codes = self.teacher.sample_latents(people, torch.Generator().manual_seed(3)).split(1)
        subjects = [Subject(code, "seed") for code in codes]
        self.operator = Fold(FoldSettings(**{**SMALL, **settings}))
        self.rng = torch.Generator().manual_seed(1)
        subject = subjects if people > 1 else subjects[0]
        self.operator.prepare(self.student, self.teacher, subject, networks, self.rng)

    def weights(self) -> dict[str, torch.Tensor]:
        return {name: weight.detach().clone() for name, weight in self.student.trainable_parameters()}


def test_the_first_step_forgets_and_finds_everybody_else_in_place(tiny_model: Path) -> None:
    scene = Scene(tiny_model)
    before = scene.weights()
    losses = scene.operator.step()
    assert losses["keep_lpips"] == 0
    assert losses["keep_id"].abs() < 1e-5
    assert losses["forget_lpips"] > 0
    total = 1e-2 * losses["forget_mse"] + losses["forget_lpips"] + 0.1 * losses["forget_id"]
    assert_close(losses["total"], total + FIRST * losses["too_alike"])
    moved = [name for name, weight in scene.weights().items() if not torch.equal(weight, before[name])]
    assert len(moved) > len(before) / 2
    for name, weight in scene.teacher.trainable_parameters():
        assert torch.equal(weight, before[name])


def test_one_step_at_once_and_in_parts_is_the_same(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, parts = Scene(tiny_model), Scene(tiny_model)
    parts.operator.batch = 4
    assert_close(whole.operator.step(), parts.operator.step())
    for name, weight in whole.weights().items():
        assert_close(weight, parts.weights()[name], atol=1e-4, rtol=0)


def test_steps_draw_the_subject_less_and_keep_random_people(tiny_model: Path) -> None:
    scene = Scene(tiny_model, steps=60)
    first = scene.operator.step()
    for _ in range(40):
        last = scene.operator.step()
    assert last["forget_lpips"] < 0.7 * first["forget_lpips"]
    assert last["keep_lpips"] < 0.5 * last["forget_lpips"] + first["forget_lpips"]


def test_several_people_are_unlearned_together(tiny_model: Path) -> None:
    scene = Scene(tiny_model, people=2)
    operator = scene.operator
    assert operator.s0.shape == (2,)
    students, targets, forgotten = draws.draw_codes(
        scene.teacher, operator.own, operator.own_targets, operator.finds, scene.rng
    )
    assert torch.equal(students[:2], operator.own)
    assert torch.equal(targets[:2], operator.own_targets)
    assert forgotten == 2 + draws.NEAR + draws.PAIRS
    assert torch.equal(students[forgotten:], targets[forgotten:])
    for _ in range(3):
        assert all(loss.isfinite() for loss in operator.step().values())


def test_it_ends_when_the_searches_stay_below_and_the_learning_rate_has_fallen(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Price, "after", lambda price, excess: Price(price.value, price.rounds_below + 1))
    operator = Scene(tiny_model, steps=100).operator
    while not operator.finished():
        operator.step()
    assert operator.done == 2 * 2 + unlearning.COOLING  # two rounds, and the learning rate's fall
    assert operator.facts()["settled"]
    assert operator.optimizer.param_groups[0]["lr"] < operator.settings.lr


def test_searches_that_never_stay_below_are_told(tiny_model: Path) -> None:
    operator = Scene(tiny_model).operator
    operator.line = -2.0
    while not operator.finished():
        operator.step()
    facts = operator.facts()
    assert operator.done == SMALL["steps"]
    assert not facts["settled"]
    assert facts["price"] > FIRST
    assert facts["best_search"] > -1


def test_it_goes_on_from_a_checkpoint_to_the_same_bits(tiny_model: Path) -> None:
    whole = Scene(tiny_model)
    for _ in range(8):
        last = whole.operator.step()
    stopped = Scene(tiny_model)
    for _ in range(5):
        stopped.operator.step()
    state = {name: tensor.clone() for name, tensor in stopped.operator.state_dict().items()}
    resumed = Scene(tiny_model)
    with torch.no_grad():
        for name, weight in resumed.student.trainable_parameters():
            weight.copy_(stopped.weights()[name])
    resumed.operator.load_state_dict(state)
    resumed.rng.set_state(stopped.rng.get_state())
    for _ in range(3):
        again = resumed.operator.step()
    assert all(torch.equal(last[name], again[name]) for name in last)
    for name, weight in whole.weights().items():
        assert torch.equal(weight, resumed.weights()[name]), name
