"""The README's section on hooks, made of the hook specifications: `python -m guide_plugin.hook_page README.md`."""

from __future__ import annotations

import inspect
import re
import sys
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from guide_plugin import hookspecs
from guide_plugin.adapter import Inspection
from guide_plugin.errors import UsageError
from guide_plugin.run_dir import RunRecord

BEGIN, END = "<!-- hooks -->", "<!-- /hooks -->"

INTRODUCTION = """\
### Hooks

A plugin implements any of these, each with as many of the arguments as it wants and marked with
`guide_plugin.hookimpl`. A package names its plugin, a module or an object, in its `pyproject.toml`:

```toml
[project.entry-points.unlearn]
my-plugin = "my_package.plugin"
```
"""

POLICY = """\
**What may change.** A hook keeps its arguments and their meaning: later versions add arguments and hooks, and your
plugin goes on with those that it names. What has to go warns for a release at least, with your plugin's name and what
to use instead. A plugin that asks for a hook or an argument which the installed version does not have is disabled, and
listed with the reason. The contracts of adapters and operators have a version: state `api_version = 1` in your class,
and a package that knows another one refuses it with a sentence that says which of the two to update.

**When a plugin misbehaves.** Options stand before a command's name, `unlearn --trace-hooks resume RUN`, and win over
the environment, which Python heeds too.

| option | environment | `PluginHost(…)` | |
|---|---|---|---|
| `--plugins a,b`, `--plugins none` | `UNLEARN_PLUGINS=a,b` | `only=["a", "b"]` | Of the installed plugins of others, \
these alone are loaded; the rest is not even imported. Ours always are, and so is what a program hands over itself. |
| `--trace-hooks` | `UNLEARN_TRACE_HOOKS=1` | `trace=True` | A line for each call, on standard error: plugin, hook, \
what kind of thing went in and came out, seconds. Of tensors and pictures it shows shapes, of paths and text nothing. |
| `--strict-plugins` | `UNLEARN_STRICT_PLUGINS=1` | `strict=True` | An error in a plugin ends the command, with its \
traceback; in Python it is the cause of a `PluginError`. |
| `--gate-timeout 60` | `UNLEARN_GATE_TIMEOUT=60` | `gate_timeout=60` | A gate that has not answered after so many \
seconds refuses, by its plugin's name. The default is 600. |

What a plugin prints goes to standard error, each line under its name (what its child processes print without it), so
`--json` stays JSON. A plugin whose step hook takes more than a tenth of the training is named in a warning, and so is
one during whose calls the process grew by more than 256 MB (where the system is Linux).

All this is against mistakes, not against malice: a plugin runs with your rights. Time is limited for gates alone, and
theirs by going on without them: a thread that waits cannot be ended, and lives until the command ends. If another hook
hangs, `--trace-hooks` and Ctrl-C tell whose it is. Memory is measured, not limited.
"""


@dataclass(frozen=True)
class HookText:
    """What a hook's docstring says.

    Attributes:
        cells: of its row in the table: "When", "Args", "Returns", "Raises", "Since".
        example: a plugin, as source in the usual format.
    """

    name: str
    sentence: str
    cells: dict[str, str]
    notes: str
    example: str


def hook_texts() -> list[HookText]:
    """Read the docstring of every hook, in the order of `hookspecs.py`."""
    return [_read(name, spec) for name, spec in vars(hookspecs).items() if name.startswith("unlearn_")]


def hook_page() -> str:
    """Return the section as Markdown, with its markers."""
    texts = hook_texts()
    rows = ["| hook | when | arguments | a return means | raising means | since |", "|---|---|---|---|---|---|"]
    for text in texts:
        cells = [text.cells[name] for name in ("When", "Args", "Returns", "Raises", "Since")]
        rows.append(f"| {' | '.join([f'`{text.name}`', *cells])} |")
    held = [f"`run` is a `RunRecord`:\n\n{_attributes(RunRecord)}", f"An `Inspection`:\n\n{_attributes(Inspection)}"]
    examples = "\n\n".join(_example(text) for text in texts)
    folded = f"<details><summary>An example of each hook</summary>\n\n{examples}\n\n</details>"
    table = "\n".join(rows)
    return "\n\n".join([BEGIN, INTRODUCTION.strip(), table, *held, POLICY.strip(), folded, END]) + "\n"


def replaced(readme: str) -> str:
    """Return the README with its section on hooks made anew."""
    before, begin, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(f"{END}\n")
    if not (begin and end):
        raise UsageError(f"The file has no section between {BEGIN} and {END}.", "Put these lines where it belongs.")
    return before + hook_page() + after


def _read(name: str, spec: Callable[..., object]) -> HookText:
    text, _, example = (inspect.getdoc(spec) or "").partition("\n\nExample:\n")
    sentence, table, *notes = text.split("\n\n")
    cells = dict(re.findall(r"^(\w+): (.*)$", table, re.MULTILINE))
    if spec.__annotations__["return"] == "None":
        cells["Returns"] = "nothing"
    source = textwrap.dedent(example).strip()
    if not source.startswith("from "):
        source = f"from guide_plugin import hookimpl\n\n{source}"
    return HookText(name, sentence, cells, "\n\n".join(notes), re.sub(r"\n\n(?=\S)", "\n\n\n", source) + "\n")


def _attributes(kind: type) -> str:
    listed = (inspect.getdoc(kind) or "").partition("Attributes:\n")[2].partition("\n\n")[0]
    return re.sub(r"^([\w, ]+): ", _as_item, textwrap.dedent(listed), flags=re.MULTILINE)


def _as_item(found: re.Match[str]) -> str:
    names = ", ".join(f"`{name}`" for name in found[1].split(", "))
    return f"* {names}: "


def _example(text: HookText) -> str:
    words = " ".join(filter(None, (text.sentence, text.notes.replace("\n", " "))))
    return f"{textwrap.fill(f'`{text.name}`: {words}', 120)}\n\n```python\n{text.example}```"


if __name__ == "__main__":
    file = Path(sys.argv[1])
    file.write_text(replaced(file.read_text("utf-8")), "utf-8")
