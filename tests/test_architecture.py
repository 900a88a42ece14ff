"""The rooms of the house: who may import whom, and what the top level holds."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

# A module may import from lower layers and from its own; nothing further down reaches up.
LAYERS = [
    {
        *("cli", "audit_command", "check_command", "compare_command", "evaluation_command", "init_command"),
        *("new_plugin_command", "release_commands", "sandbox_command"),
    },
    {"options", "testing", "hook_page"},
    {"comparison", "evaluation", "reaudit", "verification", "dry_run"},
    {"pipeline"},
    {"publication"},
    {"recheck"},
    {"earlier"},
    {"assessment"},
    {"plan"},
    {"training", "audit", "subject", "inversion", "hub", "run_dir", "report", "progress", "device", "operators"},
    {"latent", "latent_file"},
    {"vision"},
    {"recipe_template", "recipe_file", "network_file", "new_plugin"},
    {"whole_files"},
    {"adapter", "operator", "recipe", "recipe_suggestion", "recipe_tables", "hookspecs", "plugins", "errors"}
    | {"registration", "plugin_calls", "hook_trace", "standard_output", "supervision", "random_streams"},
]
RANK = {name: rank for rank, layer in enumerate(LAYERS) for name in layer}


def modules(package: str) -> Iterator[tuple[str, Path]]:
    for path in sorted((REPOSITORY / package).rglob("*.py")):
        yield path.relative_to(REPOSITORY).as_posix(), path


def imports(path: Path) -> Iterator[str]:
    """Yield what a file imports when it runs: imports for type checkers alone do not count."""
    tree = ast.parse(path.read_text("utf-8"))
    for_types = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if node in for_types:
            continue
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module or ""
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


@pytest.mark.parametrize(("name", "path"), list(modules("guide_plugin")))
def test_imports_point_down(name: str, path: Path) -> None:
    parts = name.removesuffix(".py").split("/")
    here = parts[1]
    for imported in imports(path):
        assert not imported.startswith("hub_adapters"), f"{name} names an adapter package"
        if here in RANK and imported.startswith("guide_plugin."):
            room = imported.split(".")[1]
            assert RANK[room] >= RANK[here], f"{name} imports {imported}, which lies above it"


@pytest.mark.parametrize(("name", "path"), list(modules("hub_adapters")))
def test_adapters_use_public_names_alone(name: str, path: Path) -> None:
    for imported in imports(path):
        assert imported == "guide_plugin" or not imported.startswith("guide_plugin."), f"{name} imports {imported}"


def test_no_file_is_long() -> None:
    for package in ("guide_plugin", "hub_adapters"):
        for name, path in modules(package):
            assert len(path.read_text("utf-8").splitlines()) <= 250, name


def test_the_top_level_holds_what_it_should() -> None:
    listed = subprocess.run(
        ["git", "ls-files"], cwd=REPOSITORY, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    top = {name.split("/")[0] for name in listed}
    allowed = {"guide_plugin", "hub_adapters", "tests", "examples", "pyproject.toml", "README.md"}
    allowed |= {"LICENSE", "CHANGELOG.md", "constraints.txt"}
    assert {name for name in top if not name.startswith(".")} <= allowed
