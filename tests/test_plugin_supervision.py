"""Which plugins load, what a trace shows of their calls, and what strictness does; from Python, shell and pipeline."""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image

from guide_plugin import PluginError, PluginHost, Recipe, RunRecord, UsageError, hook_trace, unlearn
from tests.conftest import SMALL_AUDIT, Run, plugin, raising

RECORD = RunRecord(Path("secret"), "stylegan2", "guide")
GATE = """
from guide_plugin import hookimpl

@hookimpl
def unlearn_gate(run):
    return "no consent on file"
"""


def third_parties(host: PluginHost) -> dict[str, bool]:
    """Return whether each plugin of others was left out."""
    return {info.name: info.left_out for info in host.plugins if info.distribution != "guide-plugin"}


@pytest.fixture
def strangers(install: Callable[..., None]) -> None:
    install("lawyer", GATE)
    install("tester", GATE)


@pytest.mark.usefixtures("strangers")
@pytest.mark.parametrize(
    ("only", "variable", "loaded"),
    [
        (None, None, {"lawyer", "tester"}),
        (None, "", {"lawyer", "tester"}),
        (["lawyer"], None, {"lawyer"}),
        ([], None, set()),
        (None, "none", set()),
        (None, "lawyer, tester", {"lawyer", "tester"}),
        (["tester"], "lawyer", {"tester"}),
    ],
)
def test_only_the_named_strangers_are_imported_and_asked(
    only: list[str] | None, variable: str | None, loaded: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if variable is not None:
        monkeypatch.setenv("UNLEARN_PLUGINS", variable)
    ours = plugin("own", unlearn_gate=lambda run: "not yet")
    host = PluginHost(also=[ours], only=only)
    assert {"lawyer", "tester"} & sys.modules.keys() == loaded
    assert {veto.partition(":")[0] for veto in host.vetoes(RECORD)} == {"own", *loaded}
    assert {"eg3d", "stylegan2", "stylegan3", "text-to-image"} <= set(host.adapters)
    assert {name for name, left_out in third_parties(host).items() if left_out} == {"lawyer", "tester"} - loaded


@pytest.mark.usefixtures("strangers")
def test_a_required_gate_that_was_left_out_refuses() -> None:
    assert PluginHost(only=["tester"]).missing_gates(["lawyer"]) == [
        "gate lawyer is required, and not loaded: it is not among the plugins that were named"
    ]


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("UNLEARN_PLUGINS", "nobody"),
        ("UNLEARN_TRACE_HOOKS", "perhaps"),
        ("UNLEARN_STRICT_PLUGINS", "2"),
        ("UNLEARN_GATE_TIMEOUT", "soon"),
        ("UNLEARN_GATE_TIMEOUT", "0"),
        ("UNLEARN_GATE_TIMEOUT", "nan"),
    ],
)
def test_what_the_environment_cannot_mean_is_told(variable: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(UsageError):
        PluginHost()


COMMANDS = ["--hub m", "resume m", "push m", "audit m", "audit --before m --after m", "evaluate --hub m", "inspect ."]
COMMANDS += ["compare --hub m", "check stylegan2 m"]


@pytest.mark.parametrize("command", [*COMMANDS, "plugins", "adapters"])
def test_every_command_heeds_the_options(command: str, run: Run) -> None:
    said = run("--plugins", "nobody", *command.split(), *([] if command.startswith("inspect") else ["--json"]))
    assert said.code == 2
    assert "No plugin named nobody is installed" in said.err


@pytest.mark.usefixtures("strangers")
def test_the_list_says_what_was_not_loaded(run: Run) -> None:
    said = run("--plugins", "tester", "plugins")
    state = {line.split()[0]: line for line in said.out.splitlines()}
    assert "not loaded" in state["lawyer"]
    assert "unlearn_gate" in state["tester"]
    listed = json.loads(run("--plugins", "none", "plugins", "--json").out)
    assert {entry["name"] for entry in listed if entry["left_out"]} == {"lawyer", "tester"}


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (7, "7"),
        (None, "None"),
        (0.125, "float"),
        (torch.tensor([[0.125, 3.5]]), "Tensor[1, 2] float32"),
        ({"total": torch.tensor(0.125)}, "{total: Tensor[] float32}"),
        ([0.125, 3.5], "list of 2"),
        (Image.new("RGB", (64, 48)), "Image[64, 48] RGB"),
        (Path("secret/me.jpg"), "path"),
        ("secret", "str of 6"),
        (ValueError("secret"), "ValueError"),
        ({"secret": "secret"}, "dict of 1"),
        (
            RunRecord(Path("secret"), "secret", "secret", {"secret": 1}),
            "RunRecord(folder=path, adapter=str of 6, operator=str of 6, report=dict of 1, release=None)",
        ),
    ],
)
def test_a_trace_shows_kinds_and_shapes_alone(value: object, shown: str) -> None:
    assert hook_trace.described(value) == shown


def recipe_of(model: Path) -> Recipe:
    values = {"hub": str(model), "subject": {"seed": 3219876540}, "audit": SMALL_AUDIT, "machine": {"device": "cpu"}}
    return Recipe.model_validate(values)


def test_a_traced_run_names_every_call(tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    watch = plugin(
        "watch",
        unlearn_before=lambda run: None,
        unlearn_step=lambda step, losses: None,
        unlearn_gate=raising(OSError("secret.jpg")),
    )
    unlearn(recipe_of(tiny_model), tmp_path / "run", PluginHost(also=[watch], trace=True))
    out, err = capsys.readouterr()
    lines = [line for line in err.splitlines() if line.startswith("hook watch ")]
    assert [line.split("(")[0].split()[-1] for line in lines] == [
        *("import", "unlearn_before"),
        *["unlearn_step"] * 4,
        "unlearn_gate",
    ]
    assert "unlearn_step(step=1, losses={" in lines[2]
    assert "total: Tensor[] float32" in lines[2]
    assert "-> None in 0.0" in lines[2]
    assert "-> OSError in " in lines[-1]
    assert not any(secret in err for secret in (str(tmp_path), "3219876540", "secret"))
    assert out == ""


def test_the_option_and_the_variable_trace_too(
    install: Callable[..., None], run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    install("lawyer", GATE)
    assert "hook lawyer import() -> module in" in run("--trace-hooks", "plugins").err
    monkeypatch.setenv("UNLEARN_TRACE_HOOKS", "1")
    assert "hook eg3d unlearn_register_adapters(register=function) -> None in" in run("adapters").err


@pytest.mark.parametrize("error", [ValueError("oops"), SystemExit(0), UsageError("oops")])
def test_strictness_raises_with_the_plugins_own_error(error: BaseException, tmp_path: Path) -> None:
    hooks = {hook: raising(error) for hook in ("unlearn_before", "unlearn_gate")}
    host = PluginHost(also=[plugin("clumsy", **hooks)], strict=True)
    for call in (lambda: host.notify("unlearn_before", run=RECORD), lambda: host.vetoes(RECORD)):
        with pytest.raises(PluginError, match="clumsy") as raised:
            call()
        assert raised.value.__cause__ is error


def test_strictness_keeps_a_broken_plugin_from_being_passed_over(
    install: Callable[..., None], run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    install("broken", "def deep_inside():\n    1 / 0\n\ndeep_inside()")
    with pytest.raises(PluginError, match="broken"):
        PluginHost(strict=True)
    said = run("--strict-plugins", "plugins", "--json")
    assert said.code == 1
    assert "broken" in json.loads(said.out)["error"]
    assert "in deep_inside" in said.err
    assert "ZeroDivisionError" in said.err
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        said = run("plugins", "--json")
    assert said.code == 0
    assert "deep_inside" not in said.err
    monkeypatch.setenv("UNLEARN_STRICT_PLUGINS", "1")
    said = run("plugins", "--json")
    assert (said.code, "in deep_inside" in said.err) == (1, True)


@pytest.mark.filterwarnings("ignore::guide_plugin.errors.PluginWarning")
def test_a_plugin_that_cannot_inspect_leaves_the_others_at_work(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    clumsy = plugin("clumsy", unlearn_inspect=raising(ValueError("oops")))
    sure = plugin("sure", unlearn_inspect=lambda path: "known")
    assert PluginHost(also=[clumsy, sure]).inspect(tmp_path / "file") == ["known"]
    with pytest.raises(PluginError, match="clumsy"):
        PluginHost(also=[clumsy], strict=True).inspect(tmp_path / "file")
