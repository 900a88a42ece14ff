"""A run that was stopped, killed or torn goes on to exactly what it would have been."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

import guide_plugin.plugins
from guide_plugin import PluginHost, Recipe, UsageError, hookimpl, unlearn
from guide_plugin.cli import main
from guide_plugin.pipeline import Outcome, resume
from guide_plugin.plan import Silent
from guide_plugin.progress import Lines
from guide_plugin.run_dir import RunDir
from guide_plugin.training import Interrupted
from tests.conftest import SMALL_AUDIT

KILLED = """
import os, signal, sys
from pathlib import Path
from guide_plugin import PluginHost, Recipe, hookimpl, run_dir, unlearn

recipe, folder, moment = sys.argv[1:]
step_now = 0

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

class Watch:
    @hookimpl
    def unlearn_step(self, step):
        global step_now
        step_now = step
        if moment == f"step {step}":
            die()

write, write_json = run_dir.save_file, run_dir.RunDir.write_json

def torn(tensors, path, *metadata):
    write(tensors, path, *metadata)
    if moment == f"checkpoint {step_now}":
        os.truncate(path, Path(path).stat().st_size // 2)
        die()

def before_report(run, path, value):
    if moment == path.name:
        die()
    write_json(run, path, value)

run_dir.save_file = torn
run_dir.RunDir.write_json = before_report
unlearn(Recipe.model_validate_json(recipe), Path(folder), PluginHost(also=[Watch()]))
"""


class StopAt(Silent):
    """A display that fails after a step, or at the beginning of a stage."""

    def __init__(self, moment: int | str, error: BaseException | None = None) -> None:
        self.moment, self.error = moment, error or RuntimeError("the display is gone")

    def stage(self, text: str) -> None:
        if text == self.moment:
            raise self.error

    def step(self, step: int, steps: int, losses: object) -> None:
        if step == self.moment:
            raise self.error


class CtrlC:
    """A plugin that sends the signal of Ctrl-C to its own process after a step."""

    def __init__(self, step: int) -> None:
        self.step = step

    @hookimpl
    def unlearn_step(self, step: int) -> None:
        if step == self.step:
            os.kill(os.getpid(), signal.SIGINT)


def recipe_of(model: Path, *, every: int = 10, steps: int = 20, **method: float) -> Recipe:
    return Recipe.model_validate(
        {
            "hub": str(model),
            "method": {"settings": {"steps": steps}, **method},
            "machine": {"device": "cpu", "checkpoint_every": every},
            "audit": SMALL_AUDIT,
        }
    )


@pytest.fixture(scope="module")
def whole(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """Run 20 steps in one go."""
    return unlearn(recipe_of(tiny_model), tmp_path_factory.mktemp("whole") / "run", PluginHost())


@pytest.fixture(scope="module")
def stopped(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run into an interruption after step 5 of 6, with a checkpoint after step 4."""
    folder = tmp_path_factory.mktemp("stopped") / "run"
    with pytest.raises(RuntimeError, match="display is gone"):
        unlearn(recipe_of(tiny_model, every=2, steps=6), folder, PluginHost(), StopAt(5))
    return folder


def weights(outcome: Outcome) -> dict[str, torch.Tensor]:
    return load_file(outcome.model / "model.safetensors")


def measured(outcome: Outcome) -> dict[str, Any]:
    """Return all that the audit found, without how long it took."""
    return outcome.report.findings.model_dump(exclude={"seconds": True, "recovery": {"cost": {"seconds"}}})


def same_weights(a: Outcome, b: Outcome) -> bool:
    old, new = weights(a), weights(b)
    return old.keys() == new.keys() and all(torch.equal(old[name], new[name]) for name in old)


def kill_at(moment: str, model: Path, folder: Path, every: int) -> None:
    recipe = recipe_of(model, every=every).model_dump_json(exclude_unset=True)
    done = subprocess.run([sys.executable, "-c", KILLED, recipe, folder, moment], capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr


def partial_files(folder: Path) -> list[Path]:
    return list(folder.rglob("*.partial*"))


def test_same_seeds_give_the_same_weights(whole: Outcome, tiny_model: Path, tmp_path: Path) -> None:
    again = unlearn(recipe_of(tiny_model), tmp_path / "run", PluginHost())
    assert same_weights(again, whole)
    assert again.report.training.losses == whole.report.training.losses
    assert measured(again) == measured(whole)


def test_another_training_seed_gives_other_weights(whole: Outcome, tiny_model: Path, tmp_path: Path) -> None:
    other = unlearn(recipe_of(tiny_model, training_seed=1), tmp_path / "run", PluginHost())
    assert not same_weights(other, whole)
    assert other.report.training.losses["total"] != whole.report.training.losses["total"]


@pytest.mark.parametrize(
    ("moment", "every", "kept"),
    [("step 13", 10, 10), ("checkpoint 10", 5, 5), ("step 3", 10, None), ("report.json", 10, 20)],
)
def test_a_killed_run_goes_on_to_the_same_weights(
    moment: str, every: int, kept: int | None, whole: Outcome, tiny_model: Path, tmp_path: Path
) -> None:
    kill_at(moment, tiny_model, tmp_path / "run", every)
    checkpoint = RunDir.open(tmp_path / "run").read_checkpoint()
    assert (checkpoint.step if checkpoint else None) == kept
    resumed = resume(tmp_path / "run", PluginHost())
    assert same_weights(resumed, whole)
    assert resumed.report.training.losses == whole.report.training.losses
    assert measured(resumed) == measured(whole)
    assert partial_files(tmp_path) == []
    assert {path.name for path in resumed.folder.iterdir()} == {path.name for path in whole.folder.iterdir()}


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Return the command as a function from its arguments to its exit code."""
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)

    def run(*arguments: object) -> int:
        monkeypatch.setattr(sys, "argv", ["unlearn", *map(str, arguments)])
        try:
            main()
        except SystemExit as stop:
            return int(str(stop.code))
        return 0

    return run


def pasted_resume(err: str) -> list[str]:
    """Return the arguments of the resume command that the last line of `err` offers, as a shell reads it."""
    return shlex.split(err.splitlines()[-1].partition("unlearn resume ")[2])


def test_ctrl_c_saves_and_says_how_to_go_on(
    whole: Outcome,
    tiny_model: Path,
    tmp_path: Path,
    command: Callable[..., int],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder, host, handler = tmp_path / "run", PluginHost(also=[CtrlC(7)]), signal.getsignal(signal.SIGINT)
    with monkeypatch.context() as patch:
        patch.setattr(guide_plugin.plugins, "PluginHost", lambda: host)
        assert command("--hub", tiny_model, "--steps", 20, "--output", folder) == 130
    assert signal.getsignal(signal.SIGINT) is handler
    err = capsys.readouterr().err
    assert "Traceback" not in err
    checkpoint = RunDir.open(folder).read_checkpoint()
    assert checkpoint
    assert checkpoint.step == 7
    assert partial_files(folder) == []
    assert command("resume", *pasted_resume(err), "--json") in {0, 3}
    result = json.loads(capsys.readouterr().out)
    resumed = load_file(Path(result["model"]) / "model.safetensors")
    assert all(torch.equal(tensor, resumed[name]) for name, tensor in weights(whole).items())


def test_the_resume_line_can_be_pasted(tiny_model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "my run; really"
    with pytest.raises(Interrupted) as stop:
        unlearn(recipe_of(tiny_model), folder, PluginHost(also=[CtrlC(1)]))
    assert pasted_resume(str(stop.value)) == [str(folder)]


def test_ctrl_c_while_measuring_says_how_to_go_on(
    tiny_model: Path,
    tmp_path: Path,
    command: Callable[..., int],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(Lines, "stage", StopAt("Measuring the subject and everybody else", KeyboardInterrupt()).stage)
    assert command("--hub", tiny_model, "--output", tmp_path / "run") == 130
    assert pasted_resume(capsys.readouterr().err) == [str(tmp_path / "run")]


def test_a_run_that_stopped_early_does_not_train_on_when_resumed(tiny_model: Path, tmp_path: Path) -> None:
    recipe = recipe_of(tiny_model, steps=30, stop_below=0.9999)
    whole = unlearn(recipe, tmp_path / "whole", PluginHost())
    assert (whole.report.training.steps, whole.report.training.stopped_early) == (25, True)
    with pytest.raises(RuntimeError, match="display is gone"):
        unlearn(recipe, tmp_path / "run", PluginHost(), StopAt("Measuring the subject and everybody else"))
    resumed = resume(tmp_path / "run", PluginHost())
    assert (resumed.report.training.steps, resumed.report.training.stopped_early) == (25, True)
    assert same_weights(resumed, whole)


def test_a_folder_that_is_no_run_cannot_be_resumed(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "absent"):
        with pytest.raises(UsageError, match=r"is not the folder of a run\. Give the folder"):
            resume(folder, PluginHost())


def test_a_finished_run_cannot_be_resumed(whole: Outcome) -> None:
    with pytest.raises(UsageError, match="is done already"):
        resume(whole.folder, PluginHost())


def test_a_run_folder_is_never_written_over(stopped: Path) -> None:
    before = sorted(stopped.rglob("*"))
    with pytest.raises(UsageError, match=r"not empty.*another --output.*unlearn resume"):
        RunDir.create(stopped)
    assert sorted(stopped.rglob("*")) == before


def rewrite(file: Path, metadata: dict[str, str]) -> None:
    save_file({"rng": torch.zeros(1)}, file, metadata)


DAMAGE: dict[str, tuple[str, Callable[[Path], Any], str]] = {
    "cut short": ("checkpoint.safetensors", lambda p: os.truncate(p, p.stat().st_size - 9), "damaged.*anew"),
    "empty": ("checkpoint.safetensors", lambda p: p.write_bytes(b""), "damaged.*anew"),
    "noise": ("checkpoint.safetensors", lambda p: p.write_bytes(b"\xff" * 99), "damaged.*anew"),
    "without its tensors": (
        "checkpoint.safetensors",
        lambda p: rewrite(p, {"format": "1", "step": "4", "terms": "[]"}),
        "damaged.*anew",
    ),
    "another format": ("checkpoint.safetensors", lambda p: rewrite(p, {"format": "999"}), "format 999.*version that"),
    "recipe": ("private/recipe.json", lambda p: p.write_text('{"recipe"'), "damaged.*anew"),
    "subject": ("private/subject.safetensors", lambda p: p.write_bytes(b"x"), "damaged.*anew"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_run_is_told_in_one_sentence(damage: str, stopped: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(stopped, tmp_path / "run")
    file, spoil, message = DAMAGE[damage]
    spoil(folder / file)
    with pytest.raises(UsageError, match=message):
        resume(folder, PluginHost())


def changed(file: Path) -> None:
    tensors = load_file(file)
    save_file({name: t if name.endswith("resample_filter") else t * 1.001 for name, t in tensors.items()}, file)


@pytest.mark.parametrize("file", ["model.safetensors", "trainer.safetensors", "perceptual.safetensors"])
def test_a_model_that_changed_meanwhile_is_refused(file: str, own_tiny_model: Path, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="display is gone"):
        unlearn(recipe_of(own_tiny_model, every=2, steps=6), tmp_path / "run", PluginHost(), StopAt(3))
    changed(own_tiny_model / file)
    with pytest.raises(UsageError, match=f"{file}.* changed since this run began.*anew"):
        resume(tmp_path / "run", PluginHost())
