"""Whole runs on models in one file of another format, and what `unlearn inspect` says of such files."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from guide_plugin import Recipe, cli, unlearn
from hub_adapters.stylegan2.network import Generator as Generator2
from hub_adapters.stylegan3.network import Generator as Generator3
from tests import checkpoint_files as files
from tests.conftest import SMALL_AUDIT, TINY

TINY3 = {
    "z_dim": 8,
    "c_dim": 0,
    "w_dim": 8,
    "img_resolution": 16,
    "channel_base": 128,
    "channel_max": 8,
    "num_layers": 4,
}


@pytest.mark.parametrize(("kind", "config"), [(Generator2, TINY), (Generator3, TINY3)])
def test_a_folder_with_a_network_pickle_is_redacted_from_start_to_end(
    kind: Any, config: dict[str, Any], own_tiny_model: Path, tmp_path: Path
) -> None:
    for name in ("config.json", "model.safetensors"):
        (own_tiny_model / name).unlink()
    files.write_nvidia(own_tiny_model / "ffhq.pkl", files.random_generator(kind, config), config)
    recipe = Recipe.model_validate({"hub": str(own_tiny_model), "audit": SMALL_AUDIT})
    outcome = unlearn(recipe, tmp_path / "run")
    assert {"config.json", "model.safetensors", "ffhq.pkl"} <= set(outcome.report.model_files)
    assert outcome.report.training.steps == 4
    assert any(note.startswith("G was replaced") for note in outcome.report.notes)
    assert any(note.startswith("D was emptied") for note in outcome.report.notes)
    again = unlearn(Recipe.model_validate({"hub": str(outcome.model), "audit": SMALL_AUDIT}), tmp_path / "again")
    assert "ffhq.pkl" not in again.report.model_files  # a folder in our own layout is read and written as such


def test_a_single_file_is_a_model_too(tmp_path: Path, tiny_model: Path) -> None:
    path = tmp_path / "ffhq.pkl"
    files.write_nvidia(path, files.random_generator(Generator2, TINY), TINY)
    networks = {
        "trainer": f"small:{tiny_model / 'trainer.safetensors'}",
        "judge": f"small:{tiny_model / 'judge.safetensors'}",
        "perceptual": f"conv:{tiny_model / 'perceptual.safetensors'}",
    }
    values = {"hub": str(path), "networks": networks, "method": {"settings": {"steps": 1}}, "audit": SMALL_AUDIT}
    outcome = unlearn(Recipe.model_validate(values), tmp_path / "run")
    assert (outcome.model / "ffhq.pkl").is_file()


def inspect(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    monkeypatch.setattr(sys, "argv", ["unlearn", "inspect", *arguments])
    try:
        cli.main()
        code = 0
    except SystemExit as stopped:
        code = int(stopped.code or 0)
    told = capsys.readouterr()
    return code, told.out + told.err


def test_inspect_tells_what_a_file_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    files.write_nvidia(tmp_path / "ffhq.pkl", files.random_generator(Generator2, TINY), TINY)
    code, told = inspect(monkeypatch, capsys, str(tmp_path))
    assert code == 0
    assert "G_ema: StyleGAN2, " in told
    assert "torch_utils.persistence._reconstruct_persistent_obj" in told
    assert "safe" in told
    code, told = inspect(monkeypatch, capsys, str(tmp_path / "ffhq.pkl"), "--json")
    (found,) = json.loads(told).values()
    assert found["forbidden"] == []
    assert found["parameters"] > 1000


class Bomb:
    def __init__(self, sentinel: Path) -> None:
        self.sentinel = sentinel

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, (f"touch {self.sentinel}",)


def test_inspect_names_what_an_unsafe_file_would_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "evil.pkl").write_bytes(files.dump({"G_ema": Bomb(tmp_path / "ran")}))
    code, told = inspect(monkeypatch, capsys, str(tmp_path / "evil.pkl"))
    assert code == 3
    assert "UNSAFE" in told
    assert ".system" in told
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("name", ["nothing.pkl", "."])
def test_inspect_of_nothing_says_so(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, told = inspect(monkeypatch, capsys, str(tmp_path / name))
    assert code == 2
    assert told.startswith("Error: ")
