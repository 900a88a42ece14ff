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

from tests.conftest import REPOSITORY

README = (REPOSITORY / "README.md").read_text("utf-8")
CI = (REPOSITORY / ".ci" / "run").read_text("utf-8")
NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def sessions() -> list[tuple[str, str]]:
    """Return every (command, output) of the README's console blocks."""
    found = []
    for block in blocks("console"):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            found.append((command, output))
    return found


def run(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    scripts = str(Path(sys.executable).parent)
    environment = {**os.environ, "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}", "COLUMNS": "100"}
    return subprocess.run(command, shell=True, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder that looks like a fresh checkout, for commands that write."""
    folder = tmp_path_factory.mktemp("checkout")
    shutil.copytree(REPOSITORY / "examples", folder / "examples")
    return folder


@pytest.fixture(scope="module")
def outputs(checkout: Path) -> dict[str, str]:
    """Run every command of the README, in its order, and return what each printed."""
    printed = {}
    for command, shown in sessions():
        done = run(command, checkout)
        expected = 3 if "verdict    fail" in shown else 0  # a README that shows a refusal says so
        assert done.returncode == expected, f"{command}\n{done.stdout}{done.stderr}"
        printed[command] = done.stdout
    return printed


def words(text: str) -> str:
    """Return the text with its numbers, dates and white space levelled."""
    return " ".join(NUMBER.sub("#", text).split())


def test_the_first_line_installs_and_runs_the_demo() -> None:
    first, second = blocks("sh")[:2]
    assert first.strip() == f"pip install -c constraints.txt . && {sessions()[0][0]}"
    assert second.strip().startswith('pip install -c constraints.txt -e ".[test]" && ')
    assert second.strip().endswith("pytest")
    assert r"grep -m1 '^pip install .*\[test\]' README.md" in CI


def test_every_command_gives_what_is_shown(outputs: dict[str, str], checkout: Path) -> None:
    for command, shown in sessions():
        assert words(shown) in words(outputs[command]), f"{command}\n{outputs[command]}"
    folder = next((checkout / "runs").glob("synthetic-faces-*"))
    model = "refused-model" if "verdict    fail" in sessions()[0][1] else "model"
    assert (folder / model / "model.safetensors").is_file()
    assert (folder / "report.html").is_file()


def test_the_demos_figures_are_the_readmes(outputs: dict[str, str]) -> None:
    """Similarities may differ between processors in their last digits, not in what they say."""
    command, shown = sessions()[0]
    pairs = zip(shown.strip().splitlines(), outputs[command].strip().splitlines(), strict=True)
    figures = [(line, actual) for line, actual in pairs if re.search(r"\d\.\d{3}", line)]
    assert len(figures) >= 6
    for line, actual in figures:
        shown_numbers, numbers = ([float(n) for n in NUMBER.findall(text)] for text in (line, actual))
        assert numbers == pytest.approx(shown_numbers, abs=0.05), actual


@pytest.mark.parametrize("code", blocks("python"))
def test_every_python_block_runs(code: str, checkout: Path) -> None:
    done = subprocess.run([sys.executable, "-c", code], cwd=checkout, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", README):
        assert (REPOSITORY / target).exists(), target
    assert shlex.split(sessions()[0][0])[0] == "unlearn"
