"""The README is true: its commands run, and their output has the shape and the figures that it shows."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from guide_plugin import AdapterError, HubError, Refused, UnsafeCheckpoint, UsageError, cli
from tests.conftest import REPOSITORY

README = (REPOSITORY / "README.md").read_text("utf-8")
CI = (REPOSITORY / ".ci" / "run").read_text("utf-8")
NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
OTHER_EVERY_TIME = re.compile(rf"\b[0-9a-f]{{40}}\b|\bhf_\w+|{NUMBER.pattern}")
"""Commits, tokens, figures, dates."""
SANDBOX = "unlearn hub-sandbox"


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


@pytest.fixture(scope="module")
def environment() -> dict[str, str]:
    """Return what every command finds; the sandbox adds what it prints, as a reader would paste it."""
    scripts = str(Path(sys.executable).parent)
    return {**os.environ, "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}", "COLUMNS": "100"}


def run(command: str, folder: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, shell=True, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@contextmanager
def sandbox(command: str, folder: Path, environment: dict[str, str], lines: int) -> Iterator[str]:
    """Run the loopback Hub while the commands after it run, and yield the lines that it begins with."""
    words = shlex.split(command)
    with subprocess.Popen(words, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            said = "".join(process.stdout.readline() for _ in range(lines))
            environment |= dict(re.findall(r"^export (\w+)=(\S+)$", said, re.MULTILINE))
            yield said
        finally:
            process.send_signal(signal.SIGINT)
    assert process.returncode == 0


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder that looks like a fresh checkout, for commands that write."""
    folder = tmp_path_factory.mktemp("checkout")
    shutil.copytree(REPOSITORY / "examples", folder / "examples")
    return folder


@pytest.fixture(scope="module")
def outputs(checkout: Path, environment: dict[str, str]) -> dict[str, str]:
    """Run every command of the README, in its order, and return what each printed."""
    printed = {}
    with ExitStack() as running:
        for command, shown in sessions():
            if command.startswith(SANDBOX):
                lines = len(shown.strip().splitlines())
                printed[command] = running.enter_context(sandbox(command, checkout, environment, lines))
                continue
            done = run(command, checkout, environment)
            refused = "verdict    fail" in shown or "Error: Refused" in shown
            expected = 3 if refused else 0  # a README that shows a refusal says so
            assert done.returncode == expected, f"{command}\n{done.stdout}{done.stderr}"
            printed[command] = done.stdout + (done.stderr if "Error:" in shown else "")
    return printed


def words(text: str) -> str:
    """Return the text with its white space, and what is another every time, levelled."""
    return " ".join(OTHER_EVERY_TIME.sub("#", text).split())


def test_the_first_line_installs_and_runs_the_demo() -> None:
    first, *_, last = blocks("sh")
    assert first.strip() == f"pip install -c constraints.txt . && {sessions()[0][0]}"
    assert last.strip().startswith('pip install -c constraints.txt -e ".[test]" && ')
    assert last.strip().endswith("pytest")
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


def test_commands_that_only_show_have_options_that_exist() -> None:
    shown = [line for block in blocks("sh")[1:-1] for line in block.splitlines()]
    assert len(shown) >= 2
    options = {name for option in cli.command.params for name in option.opts}
    for line in shown:
        words = shlex.split(line)
        assert words[0] == "unlearn"
        assert {word for word in words if word.startswith("--")} <= options, line


def test_the_exit_codes_are_the_programs() -> None:
    told = dict(re.findall(r"^\| (\d+) \| (.*) \|$", README, re.MULTILINE))
    codes = {0, 130, *(error.exit_code for error in (UsageError, HubError, Refused, UnsafeCheckpoint, AdapterError))}
    assert {int(code) for code in told} == codes


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", README):
        assert (REPOSITORY / target).exists(), target
    assert shlex.split(sessions()[0][0])[0] == "unlearn"
