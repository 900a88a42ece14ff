"""What the command says when it cannot: one sentence, one remedy, the right exit code, nothing half-written."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import guide_plugin.plugins
from guide_plugin import PluginHost, Recipe, UsageError, hookimpl, unlearn
from guide_plugin.pipeline import resume
from guide_plugin.plan import Silent
from tests.conftest import Run, Said

CANARY = "jane-canary"
COMMAND = Path(sys.executable).parent / "unlearn"
WEIGHTS = "model.safetensors"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """Return a function that mounts a memory disk of a size; skips where that is not permitted."""
    with ExitStack() as mounted:

        def mount(*options: str) -> Path:
            folder = tmp_path / "disk"
            folder.mkdir()
            command = ["mount", "-t", "tmpfs", "-o", ",".join(options), "tmpfs", str(folder)]
            if os.name != "posix" or os.geteuid() or not shutil.which("mount") or subprocess.call(command, stderr=-3):
                pytest.skip("mounting a memory disk is not permitted here")
            mounted.callback(subprocess.call, ["umount", "-l", str(folder)])
            return folder

        yield mount


def fill(folder: Path) -> Path:
    """Write into `folder` until its disk is full."""
    with (folder / "filler").open("wb", buffering=0) as file:
        try:
            while file.write(bytes(4096)):
                pass
        except OSError:
            return folder / "filler"
    raise AssertionError("unreachable")


def refused(said: Said, code: int, *parts: str) -> None:
    """Check that the command ended with one sentence that holds all `parts`, and with nothing like a traceback."""
    assert said.code == code, said.err
    *before, last = [line for line in said.err.splitlines() if line.strip()]
    assert last.startswith("Error: ")
    assert said.err.count("Error: ") == 1
    assert "Traceback" not in said.err
    progress = ("Usage: ", "Try ", "No subject is named", "Unlearning ")
    assert [line for line in before if not (line.startswith(progress) or line.endswith(" …"))] == []
    for part in parts:
        assert part in last
    assert CANARY not in said.err + said.out


def edit_weights(model: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    tensors = load_file(model / WEIGHTS)
    change(tensors)
    save_file(tensors, model / WEIGHTS)


def edit_config(model: Path, **changes: object) -> None:
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps({**config, **changes}))


def cut_weights(model: Path) -> None:
    (model / WEIGHTS).write_bytes((model / WEIGHTS).read_bytes()[:-1000])


def only_unknown_weights(model: Path) -> None:
    (model / "config.json").unlink()
    save_file({"somebody.else": torch.zeros(3)}, model / WEIGHTS)


BROKEN_MODELS: dict[str, tuple[Callable[[Path], object], int, tuple[str, ...]]] = {
    "missing": (shutil.rmtree, 2, ("There is no folder", "Check --hub")),
    "empty": (lambda m: (shutil.rmtree(m), m.mkdir()), 2, ("is empty", "Give the folder")),
    "unknown weights": (only_unknown_weights, 2, ("No adapter knows", WEIGHTS, "stylegan2", "`unlearn adapters`")),
    "a file": (lambda m: (shutil.rmtree(m), m.write_text("x")), 2, ("No adapter knows", "`unlearn adapters`")),
    "cut short": (cut_weights, 4, (WEIGHTS, "cut short", "Fetch it again")),
    "another resolution": (lambda m: edit_config(m, img_resolution=32), 4, ("tensor synthesis.b32.", "same model")),
    "another width": (lambda m: edit_config(m, w_dim=9), 4, ("tensor synthesis.", "[8, 9]", "same model")),
    "tensor missing": (
        lambda m: edit_weights(m, lambda t: t.pop("synthesis.b8.conv1.bias")),
        4,
        ("tensor synthesis.b8.conv1.bias is missing", "same model"),
    ),
    "NaN": (
        lambda m: edit_weights(m, lambda t: t["synthesis.b8.conv1.bias"].fill_(torch.nan)),
        4,
        ("synthesis.b8.conv1.bias", "NaN", "Fetch"),
    ),
    "config is no JSON": (lambda m: (m / "config.json").write_text("{oops"), 2, ("config.json", "not valid JSON")),
    "config with an unknown key": (lambda m: edit_config(m, surprise=1), 4, ("config.json", "surprise", "Correct it")),
    "config with a wrong value": (lambda m: edit_config(m, w_dim="wide"), 4, ("config.json", "w_dim", "Correct it")),
    "suggestion is no TOML": (lambda m: (m / "unlearn.toml").write_text("]"), 2, ("unlearn.toml", "Correct")),
    "recogniser damaged": (lambda m: (m / "judge.safetensors").write_bytes(b"x"), 2, ("judge.safetensors", "again")),
}


@pytest.mark.parametrize("broken", BROKEN_MODELS)
def test_a_model_that_cannot_be_used_is_told_in_one_sentence(broken: str, own_tiny_model: Path, run: Run) -> None:
    spoil, code, parts = BROKEN_MODELS[broken]
    spoil(own_tiny_model)
    refused(run("--hub", own_tiny_model, "--output", "run"), code, *parts)
    assert list(Path.cwd().iterdir()) == []


def test_a_checkpoint_error_names_the_adapter(own_tiny_model: Path, run: Run) -> None:
    cut_weights(own_tiny_model)
    refused(run("--hub", own_tiny_model), 4, "stylegan2")


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        (["--steps", "0"], ["--steps"]),
        (["--steps", "some"], ["--steps"]),
        (["--set", "nonsense=1"], ["nonsense", "Settings of guide", "alpha_max"]),
        (["--set", "d=far"], ["d:", "Settings of guide"]),
        (["--set", "nonsense"], ["nonsense", "KEY=VALUE"]),
        (["--recogniser", "nobody"], ["nobody", "Known: arcface, curricularface, dlib, facenet, facenet-casia, small"]),
        (["--judge", "nobody"], ["nobody", "Known: arcface, curricularface, dlib, facenet, facenet-casia, small"]),
        (["--operator", "magic"], ["magic", "Known: baseline, fold, guide"]),
        (["--perceptual", "eyes"], ["eyes", "Known:"]),
        (["--face", f"{CANARY}.jpg"], ["--face photo does not exist"]),
        (["--holdout-face", f"{CANARY}.jpg"], ["--holdout-face needs a --face"]),
        (["--face", f"{CANARY}.jpg", "--face-box", "1,2"], ["--face-box X,Y,W,H"]),
        (["--face", f"{CANARY}.jpg", "--face", f"{CANARY}.png", "--face-index", "1"], ["one --face photo"]),
        (["--face", f"{CANARY}.jpg", "--seed", "1"], ["--seed, by --code, by --name or by --face"]),
        (["--seed", str(10**30)], ["seed"]),
        (["--training-seed", str(2**64 - 1)], ["seed"]),
        (["--unknown"], ["--unknown"]),
    ],
    ids=lambda value: " ".join(value) if str(value[0]).startswith("--") else "",
)
def test_a_wrong_option_is_told_in_one_sentence(
    options: list[str], parts: list[str], tiny_model: Path, run: Run
) -> None:
    refused(run("--hub", tiny_model, "--output", "run", *options), 2, *parts)
    assert list(Path.cwd().iterdir()) == []


def test_two_subjects_are_refused_in_plain_words(tiny_model: Path, run: Run) -> None:
    said = run("--hub", tiny_model, "--seed", 1, "--code", f"{CANARY}.npy")
    refused(said, 2, "--seed", "--code", "not by several")
    assert "Value error" not in said.err


@pytest.mark.parametrize(
    ("name", "content", "part"),
    [
        ("absent.npy", None, "does not exist"),
        ("code.jpg", b"x", ".safetensors, .npy, .pt"),
        ("code.npy", np.zeros((3, 8), np.float32), "3 × 8"),
        ("code.npy", np.full(8, np.nan, np.float32), "NaN"),
        ("code.npy", np.array({"a": 1}), "cannot be read"),
        ("code.npy", b"", "cannot be read"),
        ("code.safetensors", b"\xff" * 20, "cannot be read"),
        ("code.pt", b"PK\3\4", "cannot be read"),
        ("code.pt", {"w": [1.0] * 8}, "cannot be read"),
        ("code.pt", {"a": torch.zeros(8), "b": torch.zeros(8)}, "2 tensors"),
    ],
)
def test_a_code_that_cannot_be_used_is_told_without_its_name(
    name: str, content: Any, part: str, tiny_model: Path, tmp_path: Path, run: Run
) -> None:
    file = tmp_path / f"{CANARY}-{name}"
    if isinstance(content, bytes):
        file.write_bytes(content)
    elif isinstance(content, np.ndarray):
        np.save(file, content)
    elif content is not None:
        torch.save(content, file)
    refused(run("--hub", tiny_model, "--output", "run", "--code", file), 2, "--code", part)
    assert list(Path.cwd().iterdir()) == []


class Trap:
    """Creates a file when it is unpickled."""

    def __init__(self, sprung: Path) -> None:
        self.sprung = sprung

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.sprung),)


@pytest.mark.parametrize("kind", [".npy", ".pt", "zipped.pt"])
def test_no_code_in_a_code_file_runs(kind: str, tiny_model: Path, tmp_path: Path, run: Run) -> None:
    trap, file = Trap(tmp_path / "sprung"), tmp_path / f"{CANARY}{kind}"
    if kind == "zipped.pt":
        torch.save({"w": trap}, file)
    else:
        file.write_bytes(pickle.dumps(trap))
    refused(run("--hub", tiny_model, "--code", file, "--output", "run"), 2, "cannot be read")
    assert not trap.sprung.exists()
    assert list(Path.cwd().iterdir()) == []


def test_the_installed_command_answers_the_same(tmp_path: Path) -> None:
    done = subprocess.run([COMMAND, "--hub", tmp_path / "none"], capture_output=True, text=True, cwd=tmp_path)
    refused(Said(done.returncode, done.stdout, done.stderr), 2, "There is no folder", "Check --hub")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("wrong", [["--hub", "nowhere"], ["--hub", "nowhere", "--steps", "0"]])
def test_json_mode_tells_errors_as_json(wrong: list[str], run: Run) -> None:
    said = run(*wrong, "--json")
    assert {key: bool(value) for key, value in json.loads(said.out).items()} == dict.fromkeys(
        ("error", "remedy", "exit_code"), True
    )


def test_an_output_below_a_file_is_refused(tiny_model: Path, tmp_path: Path, run: Run) -> None:
    (tmp_path / "file").write_text("mine")
    said = run("--hub", tiny_model, "--output", tmp_path / "file" / "run")
    refused(said, 2, "cannot be written", "Choose another --output")
    assert (tmp_path / "file").read_text() == "mine"


def test_a_read_only_output_is_refused(tiny_model: Path, small_disk: Callable[..., Path], run: Run) -> None:
    said = run("--hub", tiny_model, "--output", small_disk("ro") / "run")
    refused(said, 2, "Read-only", "Choose another --output")


def test_an_output_in_use_is_left_alone(tiny_model: Path, tmp_path: Path, run: Run) -> None:
    Path("run").mkdir()
    Path("run/letter.txt").write_text("mine")
    refused(run("--hub", tiny_model, "--output", "run"), 2, "not empty", "another --output")
    assert [path.name for path in Path("run").iterdir()] == ["letter.txt"]


def test_a_failed_run_leaves_nothing_behind_a_link(tiny_model: Path, tmp_path: Path, run: Run) -> None:
    (tmp_path / "elsewhere").mkdir()
    Path("run").symlink_to(tmp_path / "elsewhere")
    refused(run("--hub", tiny_model, "--lr", "1e30", "--output", "run"), 2, "lower --lr")
    assert list((tmp_path / "elsewhere").rglob("*")) == []


def test_a_disk_too_small_is_refused_before_anything_is_written(
    tiny_model: Path, small_disk: Callable[..., Path], run: Run
) -> None:
    disk = small_disk("size=200k")
    refused(run("--hub", tiny_model, "--output", disk / "run"), 2, "MB are free", "Free space")
    assert list(disk.iterdir()) == []


def test_a_run_folder_takes_no_more_than_was_said(tiny_model: Path, run: Run) -> None:
    plan = json.loads(run("--hub", tiny_model, "--dry-run", "--json").out)
    run("--hub", tiny_model, "--output", "run")
    assert sum(path.stat().st_size for path in Path("run").rglob("*")) <= plan["bytes_written_at_most"]


class Filler:
    """A plugin and a display that fills the disk of `folder` after a step, or when a stage begins."""

    def __init__(self, folder: Path, when: int | str) -> None:
        self.folder, self.when = folder, when

    @hookimpl
    def unlearn_step(self, step: int) -> None:
        if step == self.when:
            fill(self.folder)

    def stage(self, text: str) -> None:
        if text == self.when:
            fill(self.folder)

    def step(self, step: int, steps: int, losses: object) -> None: ...


def test_a_disk_that_fills_before_the_first_checkpoint_leaves_nothing(
    tiny_model: Path, small_disk: Callable[..., Path], run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = small_disk("size=8m")
    host = PluginHost(also=[Filler(disk, 2)])
    monkeypatch.setattr(guide_plugin.plugins, "PluginHost", lambda: host)
    refused(run("--hub", tiny_model, "--output", disk / "run"), 2, "disk is full", "Free space")
    assert [path.name for path in disk.iterdir()] == ["filler"]


@pytest.mark.parametrize(
    "when", [3, "Writing the redacted model and reading it back", "Measuring the subject and everybody else"]
)
def test_a_disk_that_fills_later_keeps_the_checkpoint_and_nothing_half_written(
    when: int | str, tiny_model: Path, small_disk: Callable[..., Path]
) -> None:
    disk = small_disk("size=8m")
    filler = Filler(disk, when)
    recipe = Recipe.model_validate({"hub": str(tiny_model), "machine": {"checkpoint_every": 2}})
    with pytest.raises(UsageError, match=r"The disk is full: .* unlearn resume"):
        unlearn(recipe, disk / "run", PluginHost(also=[filler]), filler)
    left = {path.relative_to(disk / "run").as_posix() for path in (disk / "run").rglob("*")}
    assert left == {"checkpoint.safetensors", "private", "private/recipe.json", "private/subject.safetensors"}
    (disk / "filler").unlink()
    assert resume(disk / "run", PluginHost(), Silent()).report.training.steps == 4


@pytest.mark.parametrize("subject", ["code", "seed"])
def test_the_subject_stays_in_the_private_folder(subject: str, tiny_model: Path, tmp_path: Path, run: Run) -> None:
    code, seed = np.random.default_rng(0).normal(size=8).astype(np.float32), "3219876540"
    secret = tmp_path / CANARY / f"{CANARY}.npy"
    secret.parent.mkdir()
    np.save(secret, code)
    said = run("--hub", tiny_model, "--output", "run", "--json", f"--{subject}", secret if subject == "code" else seed)
    assert said.code == 3
    with (tmp_path / "here" / "run" / "private" / "recipe.json").open() as file:
        assert (CANARY if subject == "code" else seed) in file.read()
    published = [path for path in Path("run").rglob("*") if path.is_file() and path.parent.name != "private"]
    assert {path.name for path in published} >= {"report.json", "bystanders.png", WEIGHTS, "config.json"}
    contents = [path.read_bytes() for path in published] + [said.err.encode(), said.out.encode()]
    for trace in (CANARY.encode(), seed.encode(), code.tobytes()):
        assert not any(trace in content for content in contents)
    assert Path("run/private").stat().st_mode & 0o077 == 0
