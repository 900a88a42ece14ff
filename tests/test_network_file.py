"""Choices of networks: how they are written, that a wrong file is refused unread, and who counts as another judge."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from guide_plugin import HubError, PluginHost, Recipe, UsageError
from guide_plugin.cli import command, recipe_from
from guide_plugin.dry_run import describe
from guide_plugin.network_file import NetworkFile, same_network
from guide_plugin.plan import Silent, load_recogniser, prepare, shown
from guide_plugin.vision import dlib_recogniser
from guide_plugin.vision.perceptual import load_perceptual
from guide_plugin.vision.recognition import FaceNetwork
from guide_plugin.whole_files import sha256

CPU = torch.device("cpu")
HEX = "0123456789abcdef" * 4


def test_a_choice_is_taken_apart_and_put_together_again() -> None:
    for choice in ("facenet", "small:a.safetensors", f"small:sub/a b.pt#sha256={HEX}", "conv:/x/odd#name:c.pt"):
        assert str(NetworkFile.parse(choice)) == choice
    assert NetworkFile.parse(f"small:C:/a.pt#sha256={HEX.upper()}") == NetworkFile("small", Path("C:/a.pt"), HEX)
    assert shown(f"small:/secret/place/a.pt#sha256={HEX}") == "small:a.pt"
    for wrong in ("small:a.pt#sha256=abc", f"small:a.pt#sha256={'g' * 64}", f"facenet#sha256={HEX}", "small:a#sha256="):
        with pytest.raises(UsageError, match="64 hexadecimal digits"):
            NetworkFile.parse(wrong)


def test_another_file_is_refused_before_it_is_looked_into(tmp_path: Path) -> None:
    """The file holds no network at all: had it been parsed, the error would say so."""
    file = tmp_path / "weights.pt"
    file.write_bytes(b"no network")
    actual = sha256(file)
    for load, names in (
        (lambda choice: load_recogniser(choice, PluginHost(), CPU), ("small", "facenet", "arcface", "dlib")),
        (lambda choice: load_perceptual(choice, CPU), ("conv",)),
    ):
        for name in names:
            with pytest.raises(HubError) as told:
                load(f"{name}:{file}#sha256={HEX}")
            assert actual[:12] in told.value.problem
            assert HEX[:12] in told.value.problem
            assert str(tmp_path) not in str(told.value)


def test_a_hash_that_fits_changes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "small.safetensors"
    save_file(FaceNetwork([4, 8], 8).state_dict(), file)
    images = torch.rand(1, 3, 64, 64)
    with_hash = load_recogniser(f"small:{file}#sha256={sha256(file).upper()}", PluginHost(), CPU)
    assert torch.equal(with_hash(images), load_recogniser(f"small:{file}", PluginHost(), CPU)(images))


def test_a_models_own_suggestion_may_carry_hashes(own_tiny_model: Path) -> None:
    toml = own_tiny_model / "unlearn.toml"
    digest = sha256(own_tiny_model / "judge.safetensors")
    toml.write_text(toml.read_text().replace("judge.safetensors", f"judge.safetensors#sha256={digest}"))
    recipe = Recipe.model_validate({"hub": str(own_tiny_model), "subject": {"seed": 1}})
    plan = prepare(recipe, PluginHost(), Silent())
    assert "judge.safetensors" in plan.source.companions
    assert plan.network_files["judge"] == digest
    assert describe(plan, Silent())["judge"] == "small:judge.safetensors"
    toml.write_text(toml.read_text().replace(digest, HEX))
    with pytest.raises(HubError, match="another file than expected"):
        prepare(recipe, PluginHost(), Silent())


def test_one_network_under_two_names_is_no_second_judge(tiny_model: Path, tmp_path: Path) -> None:
    copy = shutil.copy(tiny_model / "trainer.safetensors", tmp_path / "another-name.safetensors")

    def judged_by(judge: str, trainer: str = f"small:{tiny_model / 'trainer.safetensors'}") -> Any:
        networks = {"trainer": trainer, "judge": judge}
        recipe = Recipe.model_validate({"hub": str(tiny_model), "subject": {"seed": 1}, "networks": networks})
        return prepare(recipe, PluginHost(), Silent())

    assert judged_by(f"small:{copy}").judge_is_trainer
    assert judged_by(f"small:{tiny_model / '..' / tiny_model.name / 'trainer.safetensors'}").judge_is_trainer
    other = judged_by(f"small:{tiny_model / 'judge.safetensors'}")
    assert not other.judge_is_trainer
    assert other.network_files == {
        role: sha256(tiny_model / f"{role}.safetensors") for role in ("trainer", "judge", "perceptual")
    }
    one, two = NetworkFile("facenet"), NetworkFile("other")
    assert same_network(one, None, one, None)
    assert not same_network(one, None, two, None)
    assert same_network(one, HEX, two, HEX)
    assert not same_network(one, HEX, one, None)


@pytest.mark.parametrize("installed", [True, False])
def test_dlib_judges_where_it_is_at_hand(
    own_tiny_model: Path, monkeypatch: pytest.MonkeyPatch, installed: bool
) -> None:
    if installed:
        pytest.importorskip("dlib")
    else:
        monkeypatch.setattr(dlib_recogniser, "at_hand", lambda: False)
    toml = own_tiny_model / "unlearn.toml"
    toml.write_text("\n".join(line for line in toml.read_text().splitlines() if not line.startswith("judge")))
    told: list[str] = []
    display = Silent()
    monkeypatch.setattr(display, "stage", told.append)
    recipe = Recipe.model_validate({"hub": str(own_tiny_model), "subject": {"seed": 1}})
    plan = prepare(recipe, PluginHost(), display)
    assert plan.judge_at_hand is installed
    assert plan.judge_is_trainer is not installed
    assert shown(plan.judge_choice) == ("dlib" if installed else "small:trainer.safetensors")
    assert any("dlib" in text for text in told) is installed
    assert len(plan.network_files["judge"] or "") == 64
    named = {"judge": plan.recipe.networks.trainer}  # to say so is to want it so
    plan = prepare(
        recipe.model_copy(update={"networks": plan.recipe.networks.model_copy(update=named)}), PluginHost(), display
    )
    assert (plan.judge_at_hand, plan.judge_is_trainer) == (False, True)


def options(*arguments: str) -> dict[str, Any]:
    return command.make_context("unlearn", ["--hub", "m", *arguments], resilient_parsing=False).params


def test_the_file_of_the_recogniser_that_trains_has_a_flag_of_its_own() -> None:
    def trainer(*arguments: str) -> str:
        choice: str = recipe_from(options(*arguments)).networks.trainer
        return choice

    assert trainer("--recogniser-weights", "f.pt") == "facenet:f.pt"
    assert (
        trainer("--recogniser", "arcface", "--recogniser-weights", f"f.pt#sha256={HEX}") == f"arcface:f.pt#sha256={HEX}"
    )
    with pytest.raises(UsageError, match="both name a file"):
        trainer("--recogniser", "arcface:g.pt", "--recogniser-weights", "f.pt")


def test_dlib_that_is_not_installed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dlib_recogniser, "at_hand", lambda: False)
    with pytest.raises(UsageError, match="face_recognition_models") as told:
        load_recogniser("dlib", PluginHost(), CPU)
    assert "pip install 'guide-plugin[dlib]'" in told.value.remedy
    with pytest.raises(UsageError, match="can only judge"):
        load_recogniser("dlib", PluginHost(), CPU, trains=True)
    assert "face_recognition_models" not in sys.modules
