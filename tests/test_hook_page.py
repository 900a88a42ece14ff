"""The README's section on hooks says what the specifications say, and its examples run."""

from __future__ import annotations

import inspect
from pathlib import Path
from types import ModuleType

import pytest
import torch

from guide_plugin import PluginHost, RunRecord, cli, hookspecs, supervision
from guide_plugin.hook_page import HookText, hook_page, hook_texts
from tests.conftest import REPOSITORY

REMEDY = "run: python -m guide_plugin.hook_page README.md"
CPU = torch.device("cpu")
EXAMPLES = {text.name: text for text in hook_texts()}


def test_the_readme_holds_the_page() -> None:
    assert hook_page() in (REPOSITORY / "README.md").read_text("utf-8"), REMEDY


@pytest.mark.parametrize("text", hook_texts(), ids=lambda text: text.name)
def test_every_hook_says_all_that_the_table_asks(text: HookText) -> None:
    assert set(text.cells) == {"When", "Args", "Returns", "Raises", "Since"}
    assert all(text.cells.values())
    arguments = inspect.signature(getattr(hookspecs, text.name)).parameters
    assert all(f"`{name}" in text.cells["Args"] for name in arguments)
    assert f"def {text.name}(" in text.example


def test_the_switches_are_those_that_exist() -> None:
    rows = [line.split(" | ") for line in hook_page().splitlines() if "UNLEARN_" in line]
    options = {name for option in cli.command.params for name in option.opts}
    keywords = set(inspect.signature(PluginHost).parameters) - {"also"}
    variables = {supervision.PLUGINS, supervision.TRACE, supervision.STRICT, supervision.GATE_TIMEOUT}
    assert {row[0].split()[1].strip("`,") for row in rows} <= options
    assert {row[1].strip("`").partition("=")[0] for row in rows} == variables
    assert {row[2].strip("`").partition("=")[0] for row in rows} == keywords


def host_of(hook: str) -> PluginHost:
    """Return a host with the hook's example as its plugin."""
    example = ModuleType("example")
    exec(EXAMPLES[hook].example, vars(example))  # noqa: S102
    host = PluginHost(also=[example])
    assert next(info for info in host.plugins if info.name == "example").hooks == (hook,)
    return host


def test_the_examples_register_what_they_say() -> None:
    assert host_of("unlearn_register_adapters").adapters["portraits"].alignment == "ffhq"
    assert host_of("unlearn_register_operators").operator("forget").load().__name__ == "Forget"
    images = torch.rand(2, 3, 4, 4)
    embeddings = host_of("unlearn_register_recognisers").recogniser("mean-colour").load(None, CPU)(images)
    assert torch.allclose(embeddings.norm(dim=1), torch.ones(2))
    assert host_of("unlearn_register_encoders").encoder("brightness").load(None, CPU)(images).shape == (2, 512)


def test_the_example_that_inspects_knows_its_files(tmp_path: Path) -> None:
    for name in ("a.mine", "a.theirs"):
        (tmp_path / name).write_bytes(bytes(8))
    host = host_of("unlearn_inspect")
    assert [found.parameters for found in host.inspect(tmp_path / "a.mine")] == [2]
    assert host.inspect(tmp_path / "a.theirs") == []


@pytest.mark.parametrize(
    ("hook", "arguments", "said"),
    [
        ("unlearn_before", {}, "unlearning begins: guide on stylegan2"),
        ("unlearn_step", {"step": 100, "losses": {"total": torch.tensor(0.5)}}, "100 0.5"),
        ("unlearn_step", {"step": 99, "losses": {}}, ""),
        ("unlearn_after", {}, "verdict: pass"),
        ("unlearn_error", {"error": ValueError("secret")}, "failed: ValueError"),
    ],
)
def test_the_examples_that_are_told_something_say_it(
    hook: str, arguments: dict[str, object], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run = RunRecord(Path("run"), "stylegan2", "guide", {"verdict": {"outcome": "pass"}})
    named = arguments if hook == "unlearn_step" else {"run": run, **arguments}
    host_of(hook).notify(hook, **named)
    assert capsys.readouterr() == ("", f"example: {said}\n" if said else "")


def test_the_example_gate_refuses_what_it_says(tmp_path: Path) -> None:
    host, run = host_of("unlearn_gate"), RunRecord(tmp_path, "stylegan2", "guide", {}, tmp_path)
    assert host.vetoes(run) == []
    (tmp_path / "samples.png").touch()
    assert host.vetoes(run) == ["example: somebody has to look at samples.png first"]
