"""Whole runs on a tiny model: what they leave behind, what they say, what may come from where."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

import guide_plugin
from guide_plugin import LocalCheckpoint, Recipe, UsageError, unlearn
from guide_plugin.dry_run import dry_run
from guide_plugin.operator import Losses
from guide_plugin.plugins import PluginHost
from guide_plugin.recipe_suggestion import Suggestion, follow
from guide_plugin.report.schema import Report
from guide_plugin.training import EARLY_STOP_EVERY
from guide_plugin.whole_files import sha256
from hub_adapters.checkpoints.model import CONFIG, WEIGHTS
from hub_adapters.stylegan2.adapter import StyleGAN2
from tests.conftest import SMALL_AUDIT


def recipe(model: Path, **parts: Any) -> Recipe:
    return Recipe.model_validate({"hub": str(model), "subject": {"seed": 3}, "audit": SMALL_AUDIT, **parts})


def test_a_run_leaves_a_loadable_model_a_report_and_a_picture(tiny_model: Path, tmp_path: Path) -> None:
    outcome = unlearn(recipe(tiny_model), tmp_path / "run")
    left = {path.relative_to(outcome.folder).as_posix() for path in outcome.folder.rglob("*") if path.is_file()}
    model = outcome.model.name
    companions = {"unlearn.toml", "perceptual.safetensors", "trainer.safetensors", "judge.safetensors"}
    inside = {CONFIG, WEIGHTS, *companions}
    assert left == {
        "report.json",
        "report.html",
        "bystanders.png",
        "private/recipe.json",
        "private/subject.safetensors",
        *(f"{model}/{file}" for file in inside),
    }
    assert outcome.report == Report.model_validate_json((outcome.folder / "report.json").read_bytes())
    assert set(outcome.report.model_files) == inside
    for file, digest in outcome.report.model_files.items():
        assert sha256(outcome.model / file) == digest
    with Image.open(outcome.folder / "bystanders.png") as sheet:
        assert sheet.width > sheet.height > 100
    before, after = (load_file(folder / WEIGHTS) for folder in (tiny_model, outcome.model))
    changed = {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"synthesis"}
    again = StyleGAN2.load(LocalCheckpoint(outcome.model, (CONFIG, WEIGHTS)), torch.device("cpu"))
    assert again.latent_shape == (6, 8)


def test_a_redacted_model_can_be_redacted_again(tiny_model: Path, tmp_path: Path) -> None:
    first = unlearn(recipe(tiny_model), tmp_path / "first")
    second = unlearn(recipe(first.model, subject={"seed": 4}), tmp_path / "second")
    assert second.report.training.steps == 4


def test_an_untrained_recogniser_refuses_its_run(tiny_model: Path, tmp_path: Path) -> None:
    outcome = unlearn(recipe(tiny_model), tmp_path / "run")
    assert outcome.report.verdict.outcome == "fail"
    assert outcome.refusals
    assert outcome.model.name == "refused-model"
    assert not (outcome.folder / "model").exists()


def test_judging_with_the_trainer_alone_is_said(tiny_model: Path, tmp_path: Path) -> None:
    trainer = f"small:{tiny_model / 'trainer.safetensors'}"
    outcome = unlearn(recipe(tiny_model, networks={"trainer": trainer, "judge": trainer}), tmp_path / "run")
    assert outcome.report.judge_is_trainer
    assert outcome.report.verdict.outcome != "pass"


def test_losses_of_every_step_are_reported(tiny_model: Path, tmp_path: Path) -> None:
    seen: list[int] = []

    class Watching:
        def stage(self, text: str) -> None: ...

        def step(self, step: int, steps: int, losses: Losses) -> None:
            if losses:  # the audit's steps have none
                seen.append(step)

    outcome = unlearn(recipe(tiny_model), tmp_path / "run", display=Watching())
    assert seen == [1, 2, 3, 4]
    losses = outcome.report.training.losses
    assert {len(values) for values in losses.values()} == {4}
    weighted = (
        1e-2 * losses["local_mse"][2]
        + losses["local_lpips"][2]
        + 0.1 * losses["local_id"][2]
        + 1e-2 * losses["adjacency_mse"][2]
        + losses["adjacency_lpips"][2]
        + 0.1 * losses["adjacency_id"][2]
        + losses["global_lpips"][2]
    )
    assert losses["total"][2] == pytest.approx(weighted, rel=1e-5)


def test_early_stop_when_asked_for(tiny_model: Path, tmp_path: Path) -> None:
    steps = {"settings": {"steps": 2 * EARLY_STOP_EVERY, "lr": 1e-2}}
    at_once = unlearn(recipe(tiny_model, method={**steps, "stop_below": 0.99999}), tmp_path / "a")
    assert at_once.report.training.stopped_early
    assert at_once.report.training.steps == EARLY_STOP_EVERY
    never = unlearn(recipe(tiny_model, method={**steps, "stop_below": -0.999}), tmp_path / "b")
    assert not never.report.training.stopped_early
    assert never.report.training.steps == 2 * EARLY_STOP_EVERY


def test_a_loss_that_is_no_number_stops_the_run(tiny_model: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="NaN or Inf by step"):
        unlearn(recipe(tiny_model, method={"settings": {"steps": 20, "lr": 1e30}}), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_dry_run_writes_nothing(tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    class Quiet:
        def stage(self, text: str) -> None: ...

        def step(self, step: int, steps: int, losses: Losses) -> None: ...

    told = dry_run(recipe(tiny_model), PluginHost(), Quiet())
    assert not list(tmp_path.iterdir())
    state = load_file(tiny_model / WEIGHTS)
    buffers = ("resample_filter", "noise_const")
    trained = sum(
        tensor.numel() for name, tensor in state.items() if name.startswith("synthesis.") and not name.endswith(buffers)
    )
    assert told["trained_parameters"] == trained
    assert told["reads"][WEIGHTS] == (tiny_model / WEIGHTS).stat().st_size
    assert told["settings"]["steps"] == 4
    json.dumps(told)


def test_flags_override_what_the_model_suggests(tiny_model: Path) -> None:
    suggestion = Suggestion(method={"settings": {"steps": 300, "d": "data"}}, networks={"judge": "small:a"})
    said = recipe(tiny_model, method={"settings": {"steps": 5}}, networks={"trainer": "facenet"})
    followed = follow(said, suggestion)
    assert followed.method.settings == {"steps": 5, "d": "data"}
    assert (followed.networks.trainer, followed.networks.judge) == ("facenet", "small:a")
    assert followed.audit.bystanders == 20
    with pytest.raises(UsageError, match=r"unlearn\.toml"):
        follow(said, Suggestion(method={"surprise": 1}))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[networks]\njudge = "small:../../secret"\n', "outside the model's folder"),
        ("[release]\npublic = true\n", "release"),
        ("not toml", "not valid TOML"),
        ('[networks]\nsurprise = "small:a"\n', "surprise"),
        ('[networks]\njudge = "small:gone.safetensors"\n', "does not exist"),
    ],
)
def test_a_models_suggestion_can_do_no_harm(own_tiny_model: Path, tmp_path: Path, text: str, told: str) -> None:
    (own_tiny_model / "unlearn.toml").write_text(text)
    with pytest.raises(UsageError, match=told):
        unlearn(recipe(own_tiny_model), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_missing_device_is_told(tiny_model: Path, tmp_path: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has one")
    with pytest.raises(UsageError, match="no usable cuda device"):
        unlearn(recipe(tiny_model, machine={"device": "cuda"}), tmp_path / "run")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_a_gpu_run_follows_the_cpu_run(tiny_model: Path, tmp_path: Path, precision: str) -> None:
    def losses(device: str) -> list[float]:
        machine = {"device": device, "precision": precision}
        return unlearn(recipe(tiny_model, machine=machine), tmp_path / device).report.training.losses["total"]

    assert losses("cuda") == pytest.approx(losses("cpu"), rel=0.05 if precision == "bf16" else 1e-3)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_step_waits_for_nothing(tiny_model: Path) -> None:
    from tests.test_guide_operator import Scene

    scene = Scene(tiny_model, device=torch.device("cuda"))
    scene.operator.step()
    torch.cuda.set_sync_debug_mode("error")
    try:
        scene.operator.step()
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_the_public_names_exist() -> None:
    for name in guide_plugin.__all__:
        assert getattr(guide_plugin, name) is not None
    assert dataclasses.is_dataclass(guide_plugin.Outcome)
    with pytest.raises(AttributeError):
        _ = guide_plugin.nothing
