"""The examples do what they say, and the demo model is what its README says."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image

from examples.draw_result import draw
from examples.host_toolkit import make_toolkit
from examples.synthetic_faces import measure
from examples.synthetic_recognisers.pairs import embedded, pairs
from examples.synthetic_recognisers.train import RECOGNISERS
from guide_plugin import Recipe, unlearn
from tests.conftest import DEMO_MODEL, SMALL_AUDIT


def test_a_toolkit_mounts_us_and_its_gates_count(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    outcome = make_toolkit().hook.redact(model=str(tiny_model), seed=3)
    assert any("a second person has not signed" in refusal for refusal in outcome.refusals)
    assert outcome.model == outcome.folder / "refused-model"


def test_the_result_is_drawn(tmp_path: Path) -> None:
    method = {"operator": "guide", "settings": {"steps": 1}}
    audit = {**SMALL_AUDIT, "rules": {"bystander_median": -0.9}}
    recipe = Recipe.model_validate({"hub": str(DEMO_MODEL), "method": method, "audit": audit})
    outcome = unlearn(recipe, tmp_path / "run")
    if outcome.model.name != "model":
        outcome.model.rename(tmp_path / "run" / "model")
    picture = draw(DEMO_MODEL, tmp_path / "run")
    assert isinstance(picture, Image.Image)
    assert picture.width > 2 * picture.height


def test_the_demo_model_is_small_and_complete() -> None:
    assert sum(path.stat().st_size for path in DEMO_MODEL.rglob("*") if path.is_file()) <= 13e6


def test_the_detector_finds_the_demo_models_faces() -> None:
    """The full bar, 200 samples, is `measure`'s; 24 of them are enough to notice a broken model."""
    samples = measure.random_samples(measure.load_generator(DEMO_MODEL), 24)
    assert measure.detection_rate(samples) >= 0.8


def test_the_recognisers_know_people_in_what_the_generator_draws() -> None:
    """The full bar, 300 people in 6 scenes and from all sources, is `synthetic_recognisers.measure`'s."""
    z, person = measure.held_out(people=50, scenes=4)
    images = measure.drawn(measure.load_generator(DEMO_MODEL), z)
    for name in RECOGNISERS:
        seen = pairs(embedded(measure.load_recogniser(DEMO_MODEL, name), images), person)
        assert seen.known(1e-3) >= 0.95


@pytest.mark.slow
def test_the_person_is_forgotten_in_scenes_that_were_not_trained_on(tmp_path: Path) -> None:
    """One picture of a person is unlearned; nine others, in other pose, light and expression, must be gone as well."""
    people, scenes = 6, 10
    generator = measure.load_generator(DEMO_MODEL)
    judge = measure.load_recogniser(DEMO_MODEL, "recogniser-judge")
    z, _ = measure.held_out(people, scenes)
    codes = generator.mapping(z).view(people, scenes, *generator.mapping(z[:1]).shape[1:])
    before = judge(generator.synthesis(codes.flatten(0, 1)).image).view(people, scenes, -1)
    for i in range(2):
        torch.save(codes[i, 0].clone(), tmp_path / "code.pt")
        recipe = Recipe.model_validate({"hub": str(DEMO_MODEL), "subject": {"code": tmp_path / "code.pt"}})
        outcome = unlearn(recipe, tmp_path / f"run-{i}")
        redacted = measure.load_generator(outcome.model)
        after = judge(redacted.synthesis(codes.flatten(0, 1)).image).view(people, scenes, -1)
        same_scene_before = before[i] @ before[i].T
        hold_outs = (after[i, 1:] * before[i, 1:]).sum(dim=1)
        others = (after * before).sum(dim=2)[torch.arange(people) != i]
        strangers = outcome.report.findings.reference.strangers
        print(f"person {i}: other scenes {same_scene_before[0, 1:].mean():.3f} alike before;", end=" ")
        print(f"after: mean {hold_outs.mean():.3f}, highest {hold_outs.max():.3f};", end=" ")
        print(f"strangers' 99 % {strangers.q99:.3f}; others keep {others.median():.3f}")
        assert outcome.model.name == "model"
        assert hold_outs.mean() < strangers.q99
        assert others.median() > 0.8
