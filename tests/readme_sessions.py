"""What a README shows in its console blocks, and how to do the same."""

from __future__ import annotations

import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
OTHER_EVERY_TIME = re.compile(rf"\b[0-9a-f]{{40}}\b|\bhf_\w+|{NUMBER.pattern}")
"""Commits, tokens, figures, dates."""
SANDBOX = "unlearn hub-sandbox"


def blocks(readme: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", readme, re.DOTALL)


def sessions(readme: str) -> list[tuple[str, str]]:
    """Return every (command, output) of a README's console blocks."""
    found = []
    for block in blocks(readme, "console"):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            found.append((command, output))
    return found


def outputs_of(readme: str, folder: Path, environment: dict[str, str]) -> dict[str, str]:
    """Run every command of a README, in its order, and return what each printed."""
    printed = {}
    with ExitStack() as running:
        for command, shown in sessions(readme):
            if command.startswith(SANDBOX):
                lines = len(shown.strip().splitlines())
                printed[command] = running.enter_context(_sandbox(command, folder, environment, lines))
                continue
            done = run(command, folder, environment)
            refused = "verdict    fail" in shown or "Error: Refused" in shown
            expected = 3 if refused else 0  # a README that shows a refusal says so
            assert done.returncode == expected, f"{command}\n{done.stdout}{done.stderr}"
            printed[command] = done.stdout + (done.stderr if "Error:" in shown else "")
    return printed


def run(command: str, folder: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, shell=True, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@contextmanager
def _sandbox(command: str, folder: Path, environment: dict[str, str], lines: int) -> Iterator[str]:
    """Run the loopback Hub while the commands after it run, and yield the lines that it begins with."""
    # `exec`, so that the sign to end reaches the sandbox and not the shell around it.
    with subprocess.Popen(
        f"exec {command}", shell=True, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        try:
            said = "".join(process.stdout.readline() for _ in range(lines))
            environment |= dict(re.findall(r"^export (\w+)=(\S+)$", said, re.MULTILINE))
            yield said
        finally:
            process.send_signal(signal.SIGINT)
    assert process.returncode == 0


def words(text: str) -> str:
    """Return the text with its white space, and what is another every time, levelled."""
    return " ".join(OTHER_EVERY_TIME.sub("#", text).split())
