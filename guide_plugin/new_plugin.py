"""A plugin to begin with: a package that works and is tested, copied from `skeleton/` under another name."""

from __future__ import annotations

import importlib.util
import keyword
import re
import shutil
from collections.abc import Collection
from pathlib import Path

from guide_plugin.errors import UsageError
from guide_plugin.plugins import PluginHost
from guide_plugin.whole_files import make_new, writing

SKELETON = Path(__file__).parent / "skeleton"
MODULES = {
    "adapter": ("adapter", "network", "tiny_model"),
    "recogniser": ("recogniser",),
    "operator": ("operator", "unlearning"),
    "gate": ("gate",),
}
"""The modules of each kind of plugin; beside them each has `tests/test_KIND.py`."""
NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


def write_plugin(name: str, kinds: Collection[str], folder: Path, host: PluginHost) -> None:
    """Write a package of these kinds of plugin into a new folder, whole or not at all.

    Raises:
        UsageError: the name is none for a package or is taken, or the folder exists already.
    """
    require_free(name, host)
    make_new(folder)
    with writing(folder):
        try:
            for path, text in plugin_files(name, kinds).items():
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                (folder / path).write_text(text, "utf-8")
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise


def require_free(name: str, host: PluginHost) -> None:
    """Refuse a name that cannot be a package's, or that a package or plugin here has already."""
    if not NAME.fullmatch(name) or keyword.iskeyword(name):
        raise UsageError(
            f"{name} cannot be the name of a package.", "Use small letters, digits and hyphens: my-generator."
        )
    plugins = {plugin.name for plugin in host.plugins}
    if name in plugins.union(host.adapters, host.operators, host.recognisers):
        raise UsageError(f"A plugin here is named {name} already.", "Choose another name.")
    if importlib.util.find_spec(_module(name)):
        raise UsageError(f"There is a Python package named {_module(name)} already.", "Choose another name.")


def plugin_files(name: str, kinds: Collection[str]) -> dict[str, str]:
    """Return the text of each file of the package, by its POSIX path."""
    left_out = [module for kind, modules in MODULES.items() if kind not in kinds for module in modules]
    files = {}
    for path in sorted(SKELETON.rglob("*")):
        if path.suffix in {".md", ".py", ".toml"} and path.stem.removeprefix("test_") not in left_out:
            text = path.read_text("utf-8")
            if path.suffix != ".py":
                text = _without_lines_about(left_out, text)
            files[_renamed(path.relative_to(SKELETON).as_posix(), name)] = _renamed(text, name)
    return files


def _without_lines_about(modules: list[str], text: str) -> str:
    names = [name for module in modules for name in (f"`{module}.py`", f'"your_name.{module}"')]
    return "".join(line for line in text.splitlines(keepends=True) if not any(name in line for name in names))


def _renamed(text: str, name: str) -> str:
    in_words = "".join(part.capitalize() for part in name.split("-"))
    return text.replace("your-name", name).replace("your_name", _module(name)).replace("YourName", in_words)


def _module(name: str) -> str:
    return name.replace("-", "_")
