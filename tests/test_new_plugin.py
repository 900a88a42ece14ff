"""`unlearn new-plugin` writes a package under a name that is free, whole or not at all."""

from __future__ import annotations

import tomllib
from itertools import combinations
from pathlib import Path

import pytest

from guide_plugin import new_plugin
from guide_plugin.new_plugin_command import KINDS
from tests.conftest import Run


def test_the_command_writes_an_adapter_by_default(run: Run) -> None:
    said = run("new-plugin", "my-gan")
    assert said.code == 0
    assert said.out.splitlines()[1:] == ["pip install -e 'my-gan[test]'", "pytest my-gan", "unlearn plugins"]
    package = Path("my-gan")
    written = {path.relative_to(package).as_posix() for path in package.rglob("*") if path.is_file()}
    modules = {f"src/my_gan/{name}.py" for name in ("__init__", "adapter", "network", "tiny_model")}
    assert written == {"README.md", "pyproject.toml", "tests/test_adapter.py", *modules}
    assert "class MyGanAdapter(Adapter)" in (package / "src/my_gan/adapter.py").read_text()


@pytest.mark.parametrize("kinds", [kinds for n in range(1, 5) for kinds in combinations(KINDS, n)], ids="-".join)
def test_what_was_not_asked_for_is_not_mentioned(kinds: tuple[str, ...]) -> None:
    files = new_plugin.plugin_files("my-gan", kinds)
    entries = tomllib.loads(files["pyproject.toml"])["project"]["entry-points"]["unlearn"]
    assert set(entries.values()) == {f"my_gan.{kind}" for kind in kinds}
    for kind, modules in new_plugin.MODULES.items():
        for module in modules:
            assert (f"src/my_gan/{module}.py" in files) == (kind in kinds)
            assert (f"`{module}.py`" in files["README.md"]) == (kind in kinds)
    assert not [path for path, text in files.items() if "your" in path or "your-name" in text or "your_name" in text]


def test_every_kind_can_be_asked_for() -> None:
    assert tuple(new_plugin.MODULES) == KINDS
    stems = {path.stem for path in (new_plugin.SKELETON / "src" / "your_name").glob("*.py")} - {"__init__"}
    assert stems == {module for modules in new_plugin.MODULES.values() for module in modules}


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("My-GAN", "cannot be the name"),
        ("../gan", "cannot be the name"),
        ("3d-gan", "cannot be the name"),
        ("my--gan", "cannot be the name"),
        ("class", "cannot be the name"),
        ("stylegan2", "A plugin here is named stylegan2"),
        ("guide", "A plugin here is named guide"),
        ("guide-plugin", "a Python package named guide_plugin"),
        ("json", "a Python package named json"),
    ],
)
def test_a_name_that_cannot_be_used_is_refused(name: str, sentence: str, run: Run) -> None:
    said = run("new-plugin", name)
    assert said.code == 2
    assert sentence in said.err
    assert not list(Path().iterdir())


def test_nothing_is_overwritten(run: Run) -> None:
    Path("mine").mkdir()
    Path("mine/notes.txt").write_text("mine")
    said = run("new-plugin", "my-gan", "--output", "mine")
    assert said.code == 2
    assert "mine exists already and is not empty. Choose another --output." in said.err
    assert [path.name for path in Path("mine").iterdir()] == ["notes.txt"]


def test_nothing_is_half_written(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(name: str, kinds: object) -> dict[str, str]:
        return {"pyproject.toml": "", "src/x.py/y": "", "src/x.py": ""}  # the last one is a folder by then

    monkeypatch.setattr(new_plugin, "plugin_files", full)
    said = run("new-plugin", "my-gan")
    assert said.code == 2
    assert "cannot be written" in said.err
    assert not list(Path().iterdir())
