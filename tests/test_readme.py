"""The README is true: its commands run, and their output has the shape and the figures that it shows."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from guide_plugin import AdapterError, HubError, Refused, UnsafeCheckpoint, UsageError, cli
from tests.conftest import REPOSITORY
from tests.readme_sessions import NUMBER, blocks, outputs_of, sessions, words

README = (REPOSITORY / "README.md").read_text("utf-8")
CI = (REPOSITORY / ".ci" / "run").read_text("utf-8")


@pytest.fixture(scope="module")
def environment() -> dict[str, str]:
    """Return what every command finds; the sandbox adds what it prints, as a reader would paste it.

    One thread each: other tests run beside, and the figures of a training are the same again.
    """
    scripts = str(Path(sys.executable).parent)
    path = f"{scripts}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "COLUMNS": "100", "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder that looks like a fresh checkout, for commands that write."""
    folder = tmp_path_factory.mktemp("checkout")
    shutil.copytree(REPOSITORY / "examples", folder / "examples")
    return folder


@pytest.fixture(scope="module")
def outputs(checkout: Path, environment: dict[str, str]) -> dict[str, str]:
    """Run every command of the README, in its order, and return what each printed."""
    return outputs_of(README, checkout, environment)


def test_the_first_line_installs_and_runs_the_demo() -> None:
    first, *_, last = blocks(README, "sh")
    assert first.strip() == f"pip install -c constraints.txt . && {sessions(README)[0][0]}"
    assert last.strip().startswith('pip install -c constraints.txt -e ".[test]" && ')
    assert last.strip().endswith("pytest")
    assert r"grep -m1 '^pip install .*\[test\]' README.md" in CI


def test_every_command_gives_what_is_shown(outputs: dict[str, str], checkout: Path) -> None:
    for command, shown in sessions(README):
        assert words(shown) in words(outputs[command]), f"{command}\n{outputs[command]}"
    folder = next((checkout / "runs").glob("synthetic-faces-*"))
    model = "refused-model" if "verdict    fail" in sessions(README)[0][1] else "model"
    assert (folder / model / "model.safetensors").is_file()
    assert (folder / "report.html").is_file()


def test_the_demos_figures_are_the_readmes(outputs: dict[str, str]) -> None:
    """Similarities may differ between processors in their last digits, not in what they say."""
    command, shown = sessions(README)[0]
    pairs = zip(shown.strip().splitlines(), outputs[command].strip().splitlines(), strict=True)
    figures = [(line, actual) for line, actual in pairs if re.search(r"\d\.\d{3}", line)]
    assert len(figures) >= 6
    for line, actual in figures:
        shown_numbers, numbers = ([float(n) for n in NUMBER.findall(text)] for text in (line, actual))
        assert numbers == pytest.approx(shown_numbers, abs=0.05), actual


@pytest.mark.parametrize("code", blocks(README, "python"))
def test_every_python_block_runs(code: str, checkout: Path) -> None:
    done = subprocess.run([sys.executable, "-c", code], cwd=checkout, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_commands_that_only_show_have_options_that_exist() -> None:
    shown = [line for block in blocks(README, "sh")[1:-1] for line in block.splitlines()]
    assert len(shown) >= 2
    options = {name for option in cli.command.params for name in option.opts}
    for line in shown:
        said = shlex.split(line)
        assert said[0] == "unlearn"
        assert {word for word in said if word.startswith("--")} <= options, line


def test_the_exit_codes_are_the_programs() -> None:
    told = dict(re.findall(r"^\| (\d+) \| (.*) \|$", README, re.MULTILINE))
    codes = {0, 130, *(error.exit_code for error in (UsageError, HubError, Refused, UnsafeCheckpoint, AdapterError))}
    assert {int(code) for code in told} == codes


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", README):
        assert (REPOSITORY / target).exists(), target
    assert shlex.split(sessions(README)[0][0])[0] == "unlearn"
