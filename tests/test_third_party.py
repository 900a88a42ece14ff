"""Somebody else's package: the example's README is true where our package is an installed wheel and nothing more."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from guide_plugin.new_plugin_command import KINDS
from tests.conftest import REPOSITORY
from tests.readme_sessions import outputs_of, run, sessions, words

EXAMPLE = REPOSITORY / "examples" / "third_party_adapter"
README = (EXAMPLE / "README.md").read_text("utf-8")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the examples of a checkout, and not its packages."""
    folder = tmp_path_factory.mktemp("place")
    shutil.copytree(REPOSITORY / "examples", folder / "examples")
    return folder


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return what commands find in a virtual environment of its own with our wheel.

    What else is needed, torch before all, is the running environment's: a path that is added by a `.pth` file is
    searched last, and `.pth` files in it, such as that of an editable install, are not read.
    """
    folder = tmp_path_factory.mktemp("environment")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=REPOSITORY, check=True, capture_output=True)
    venv.create(folder / "venv", symlinks=True)
    scripts, python = folder / "venv" / "bin", folder / "venv" / "bin" / "python"
    packages = next((folder / "venv" / "lib").glob("python*/site-packages"))
    (packages / "running.pth").write_text("\n".join(path for path in sys.path if path.endswith("site-packages")))
    for module in ("pip", "pytest"):
        (scripts / module).write_text(f'#!/bin/sh\nexec "{python}" -m {module} "$@"\n')
        (scripts / module).chmod(0o755)
    found = {
        **{name: value for name, value in os.environ.items() if name != "PYTHONPATH" and not name.startswith("HF_")},
        "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}",
        "PIP_NO_INDEX": "1",
        "PIP_NO_BUILD_ISOLATION": "0",  # sic: pip reads it as the value of build isolation
        "HF_HOME": str(folder / "hugging-face"),
        "CUDA_VISIBLE_DEVICES": "",
        "OMP_NUM_THREADS": "1",
        "COLUMNS": "100",
    }
    installed = run(f"pip install -q --no-deps {next(folder.glob('*.whl'))}", folder, found)
    assert installed.returncode == 0, installed.stderr
    where = run("python -c 'import guide_plugin; print(guide_plugin.__file__)'", folder, found)
    assert Path(where.stdout.strip()).is_relative_to(packages), where
    return found


@pytest.fixture(scope="module")
def outputs(place: Path, environment: dict[str, str]) -> dict[str, str]:
    return outputs_of(README, place, environment)


def test_every_command_gives_what_is_shown(outputs: dict[str, str]) -> None:
    for command, shown in sessions(README):
        assert words(shown) in words(outputs[command]), f"{command}\n{outputs[command]}"


def test_the_example_is_what_the_command_writes(outputs: dict[str, str], place: Path) -> None:
    def package(folder: Path) -> dict[str, str]:
        paths = [path for path in folder.rglob("*") if path.suffix in {".py", ".toml"} and path.name != "unlearn.toml"]
        return {path.relative_to(folder).as_posix(): path.read_text("utf-8") for path in paths}

    assert package(EXAMPLE) == package(place / "dcgan")
    assert len(package(EXAMPLE)) >= 9


def test_the_tests_of_every_kind_of_plugin_pass(place: Path, environment: dict[str, str]) -> None:
    kinds = " ".join(f"--kind {kind}" for kind in KINDS)
    written = run(f"unlearn new-plugin every-kind {kinds} && pip install -q -e every-kind", place, environment)
    assert written.returncode == 0, written.stderr
    tested = run("pytest -q every-kind", place, environment)
    assert tested.returncode == 0, tested.stdout
    assert "12 passed" in tested.stdout
