"""The plugin host: what a plugin may do, and what no plugin can do to the command."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pluggy
import pytest
import torch
from safetensors.torch import load_file

import guide_plugin
from guide_plugin import Adapter, PluginHost, Recipe, Refused, UnlearnError, hookimpl, unlearn
from guide_plugin.cli import main
from guide_plugin.errors import PluginWarning
from guide_plugin.hub.source import match, pull
from guide_plugin.plan import Silent
from guide_plugin.plugins import PluginInfo
from guide_plugin.report.schema import Verdict
from guide_plugin.run_dir import RunRecord
from hub_adapters.stylegan2.adapter import StyleGAN2
from tests.conftest import SMALL_AUDIT, plugin, raising

RECORD = RunRecord(Path("run"), "stylegan2", "guide")
BUILT_IN = {"checkpoints", "diffusion", "eg3d", "fold", "guide", "recognisers", "stylegan2", "stylegan3"}
ADAPTERS = {"eg3d", "latent-diffusion", "pixel-diffusion", "stylegan2", "stylegan3", "text-to-image"}


def adapter_named(label: str, version: int = guide_plugin.API_VERSION) -> type[Adapter]:
    class Named(StyleGAN2):
        name: ClassVar[str] = label
        api_version: ClassVar[int] = version

    return Named


def found(host: PluginHost, name: str) -> PluginInfo:
    return next(info for info in host.plugins if info.name == name)


def working(host: PluginHost) -> set[str]:
    return {info.name for info in host.plugins if not info.broken}


def test_the_built_in_parts_come_in_through_entry_points() -> None:
    host = PluginHost()
    assert working(host) == BUILT_IN
    assert {info.distribution for info in host.plugins} == {"guide-plugin"}
    assert (set(host.adapters), set(host.operators)) == (ADAPTERS, {"baseline", "fold", "guide"})
    assert set(host.recognisers) == {"arcface", "curricularface", "dlib", "facenet", "facenet-casia", "small"}


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import no_such_module_at_all", "no_such_module_at_all"),
        ("import sys; sys.exit('not today')", "not today"),
        ("this is no python", "SyntaxError"),
        ("1 / 0", "division by zero"),
    ],
)
def test_a_plugin_that_cannot_be_imported_is_listed_and_harms_nobody(
    source: str,
    reason: str,
    install: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    install("stranger", source)
    with pytest.warns(PluginWarning, match=f"stranger .*{reason}"):
        host = PluginHost()
    info = found(host, "stranger")
    assert (info.distribution, info.version) == ("stranger", "1.0")
    assert reason in (info.broken or "")
    assert working(host) == BUILT_IN

    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    monkeypatch.setattr(sys, "argv", ["unlearn", "plugins", "--json"])
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        main()  # returns: exit code 0
    said = capsys.readouterr()
    assert {entry["name"] for entry in json.loads(said.out) if not entry["broken"]} == BUILT_IN
    assert "stranger is disabled" in said.err


def test_a_strangers_adapter_is_found_like_our_own(install: Callable[..., None]) -> None:
    source = """
    from guide_plugin import hookimpl
    from hub_adapters.stylegan2.adapter import StyleGAN2

    class Theirs(StyleGAN2):
        name = "theirs"

    @hookimpl
    def unlearn_register_adapters(register):
        register(Theirs)
    """
    install("stranger", source)
    host = PluginHost()
    assert set(host.adapters) == {*ADAPTERS, "theirs"}
    assert found(host, "stranger").hooks == ("unlearn_register_adapters",)


BAD_PLUGINS: dict[str, tuple[dict[str, Callable[..., Any]], str]] = {
    "typo": ({"unlearn_gates": lambda run: None}, "unknown hook unlearn_gates"),
    "extra argument": ({"unlearn_gate": lambda run, mood: None}, "mood"),
    "other contract": ({"unlearn_register_adapters": lambda register: register(adapter_named("new", 2))}, "version 2"),
    "no adapter": ({"unlearn_register_adapters": lambda register: register(object)}, "AttributeError"),
    "name taken": ({"unlearn_register_adapters": lambda register: register(adapter_named("stylegan2"))}, "is taken"),
    "crash": ({"unlearn_register_operators": lambda register: 1 / 0}, "division by zero"),
}


@pytest.mark.parametrize("kind", BAD_PLUGINS)
def test_a_plugin_that_does_not_fit_is_disabled_with_a_reason(kind: str) -> None:
    hooks, reason = BAD_PLUGINS[kind]
    hooks = {**hooks, "unlearn_before": lambda run: pytest.fail("a disabled plugin was called")}
    with pytest.warns(PluginWarning, match=reason):
        host = PluginHost(also=[plugin("bad", **hooks)])
    assert reason in (found(host, "bad").broken or "")
    assert working(host) == BUILT_IN
    host.notify("unlearn_before", run=RECORD)
    assert host.vetoes(RECORD) == []


def test_a_plugin_registers_all_of_its_things_or_none() -> None:
    half = plugin(
        "half",
        unlearn_register_adapters=lambda register: register(adapter_named("fresh")),
        unlearn_register_operators=lambda register: register("guide", lambda: None, "another guide"),
        unlearn_gate=lambda run: "no",
    )
    with pytest.warns(PluginWarning, match="the name guide is taken"):
        host = PluginHost(also=[half])
    assert set(host.adapters) == ADAPTERS
    assert host.operators["guide"].plugin == "guide"
    assert host.vetoes(RECORD) == []


def test_a_plugin_without_a_hash_harms_nobody() -> None:
    @dataclass
    class Gate:
        reason: str

        @hookimpl
        def unlearn_gate(self, run: RunRecord) -> str:
            return self.reason

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PluginWarning)
        host = PluginHost(also=[Gate("no"), plugin("lawyer", unlearn_gate=lambda run: "no consent on file")])
    expected = (
        ["lawyer: no consent on file"] if found(host, "Gate").broken else ["Gate: no", "lawyer: no consent on file"]
    )
    assert sorted(host.vetoes(RECORD)) == expected


def test_a_namesake_does_not_push_out_the_plugin_that_was_first() -> None:
    first = plugin("watch", unlearn_gate=lambda run: "I was first")
    second = plugin("watch", unlearn_gate=lambda run: "I was second")
    with pytest.warns(PluginWarning, match="watch"):
        host = PluginHost(also=[first, second])
    assert host.vetoes(RECORD) == ["watch: I was first"]


@pytest.mark.filterwarnings("ignore::guide_plugin.errors.PluginWarning")
def test_every_gate_is_asked_and_every_refusal_has_a_name() -> None:
    gates = [
        plugin("lawyer", unlearn_gate=lambda run: "no consent on file"),
        plugin("calm", unlearn_gate=lambda run: None),
        plugin("crashing", unlearn_gate=lambda run: 1 / 0),
        plugin("leaving", unlearn_gate=raising(SystemExit(0))),
        plugin("tester", unlearn_gate=lambda run: f"{run.operator} is new"),
    ]
    vetoes = PluginHost(also=gates).vetoes(RECORD)
    assert [veto.partition(":")[0] for veto in sorted(vetoes)] == ["crashing", "lawyer", "leaving", "tester"]
    assert "lawyer: no consent on file" in vetoes
    assert "tester: guide is new" in vetoes
    assert "division by zero" in next(veto for veto in vetoes if veto.startswith("crashing"))


GATES = {
    "good": None,
    "refusing": "refusing: no consent on file",
    "crashing": "crashing: the gate failed (ZeroDivisionError('division by zero'))",
    "missing": "gate missing is required, and not installed",
    "broken": "gate broken is required, and is broken: ModuleNotFoundError: No module named 'no_such_module'",
    "gateless": "gate gateless is required, and has no gate",
}
"""A plugin of each kind, and what is said where its gate is required."""
ABSENT = ("missing", "broken", "gateless")


@pytest.fixture
def gates(install: Callable[..., None]) -> PluginHost:
    """Return a host with a plugin of every kind in `GATES` but the missing one."""
    install("broken", "import no_such_module")
    kinds = {
        "good": plugin("good", unlearn_gate=lambda run: None),
        "refusing": plugin("refusing", unlearn_gate=lambda run: "no consent on file"),
        "crashing": plugin("crashing", unlearn_gate=lambda run: 1 / 0),
        "gateless": plugin("gateless", unlearn_before=lambda run: None),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PluginWarning)
        return PluginHost(also=kinds.values())


@pytest.mark.parametrize("kind", GATES)
def test_a_required_gate_that_cannot_be_asked_refuses(kind: str, gates: PluginHost) -> None:
    refusal = GATES[kind]
    asked_anyway = {GATES["refusing"], GATES["crashing"]}
    assert set(gates.vetoes(RECORD)) == asked_anyway
    assert set(gates.vetoes(RECORD, [kind])) == asked_anyway | {refusal} - {None}
    assert gates.missing_gates([kind]) == ([refusal] if kind in ABSENT else [])


@pytest.mark.parametrize("kind", ABSENT)
def test_a_required_gate_is_missed_before_anything_is_done(
    kind: str, gates: PluginHost, tiny_model: Path, tmp_path: Path
) -> None:
    class Untouched(Silent):
        def stage(self, text: str) -> None:
            pytest.fail("work was begun")

    with pytest.raises(Refused, match=f"gate {kind} is required") as refused:
        unlearn(recipe_of(tiny_model, required=[kind]), tmp_path / "run", gates, Untouched())
    assert refused.value.reasons == [GATES[kind]]
    assert refused.value.exit_code == 3
    assert not (tmp_path / "run").exists()


@pytest.mark.usefixtures("passing_verdict")
def test_a_required_gate_that_agrees_lets_the_model_pass(tiny_model: Path, tmp_path: Path) -> None:
    host = PluginHost(also=[plugin("good", unlearn_gate=lambda run: None)])
    outcome = unlearn(recipe_of(tiny_model, required=["good"]), tmp_path / "run", host)
    assert (outcome.verdict, outcome.refusals, outcome.model.name) == ("pass", (), "model")


@pytest.mark.usefixtures("passing_verdict")
def test_a_required_gate_that_is_lost_on_the_way_refuses(tiny_model: Path, tmp_path: Path) -> None:
    host = PluginHost(also=[plugin("good", unlearn_gate=lambda run: None)])

    class Losing(Silent):
        def stage(self, text: str) -> None:
            if text == "Unlearning":
                host.manager.unregister(name="good")

    outcome = unlearn(recipe_of(tiny_model, required=["good"]), tmp_path / "run", host, Losing())
    assert outcome.refusals == ("gate good is required, and not installed",)
    assert (outcome.verdict, outcome.model.name) == ("pass", "refused-model")


def test_the_command_refuses_in_json_too(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    arguments = ["--hub", str(tiny_model), "--require", "lawyer", "--dry-run", "--json"]
    monkeypatch.setattr(sys, "argv", ["unlearn", *arguments])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 3
    told = json.loads(capsys.readouterr().out)
    assert told["exit_code"] == 3
    assert "gate lawyer is required, and not installed" in told["error"]
    assert "unlearn plugins" in told["remedy"]


def recipe_of(model: Path, **release: Any) -> Recipe:
    values = {"hub": str(model), "audit": SMALL_AUDIT, "machine": {"device": "cpu"}, "release": release}
    return Recipe.model_validate(values)


@pytest.fixture
def passing_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every audit end in a pass, so that only gates refuse."""
    passed = Verdict(outcome="pass", reasons=[])
    monkeypatch.setattr("guide_plugin.assessment.draw_verdict", lambda *_, **__: passed)


@pytest.mark.usefixtures("passing_verdict")
def test_a_veto_keeps_the_model_out_of_the_release(tiny_model: Path, tmp_path: Path) -> None:
    free = unlearn(recipe_of(tiny_model), tmp_path / "free", PluginHost())
    assert (free.refusals, free.model.name) == ((), "model")
    lawyer = plugin("lawyer", unlearn_gate=lambda run: "no consent on file")
    held = unlearn(recipe_of(tiny_model), tmp_path / "held", PluginHost(also=[lawyer]))
    assert (held.refusals, held.model.name) == (("lawyer: no consent on file",), "refused-model")
    assert not (held.folder / "model").exists()
    assert json.loads((held.folder / "report.json").read_text())["vetoes"] == ["lawyer: no consent on file"]


@pytest.mark.usefixtures("passing_verdict")
@pytest.mark.parametrize("hook", ["unlearn_before", "unlearn_step", "unlearn_after"])
def test_a_plugin_that_fails_elsewhere_keeps_its_gate(hook: str, tiny_model: Path, tmp_path: Path) -> None:
    lawyer = plugin("lawyer", **{hook: raising(ValueError("oops"))}, unlearn_gate=lambda run: "no consent on file")
    with pytest.warns(PluginWarning, match=f"lawyer.*{hook}.*oops"):
        outcome = unlearn(recipe_of(tiny_model), tmp_path / "run", PluginHost(also=[lawyer]))
    assert outcome.refusals == ("lawyer: no consent on file",)


class Diary:
    """A plugin that writes down every call."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, Any]] = []

    @hookimpl
    def unlearn_before(self, run: RunRecord) -> None:
        self.calls.append(("before", run))

    @hookimpl
    def unlearn_step(self, step: int, losses: dict[str, torch.Tensor]) -> None:
        assert losses["total"].isfinite()
        self.calls.append(("step", step))

    @hookimpl
    def unlearn_after(self, run: RunRecord) -> None:
        self.calls.append(("after", run))

    @hookimpl
    def unlearn_error(self, run: RunRecord, error: BaseException) -> None:
        self.calls.append(("error", error))

    @hookimpl
    def unlearn_gate(self, run: RunRecord) -> None:
        self.calls.append(("gate", run))


def test_a_run_tells_plugins_how_it_goes(tiny_model: Path, tmp_path: Path) -> None:
    diary = Diary()
    outcome = unlearn(recipe_of(tiny_model), tmp_path / "run", PluginHost(also=[diary]))
    kinds, values = zip(*diary.calls, strict=True)
    assert kinds == ("before", "step", "step", "step", "step", "after", "gate")
    assert values[0] == RunRecord(tmp_path / "run", "stylegan2", "guide", None)
    assert values[1:5] == (1, 2, 3, 4)
    assert values[5] == values[6]
    assert values[5].report == outcome.report.model_dump(mode="json")


def test_a_failing_run_tells_plugins_why(tiny_model: Path, tmp_path: Path) -> None:
    class Cut(Silent):
        def step(self, step: int, steps: int, losses: object) -> None:
            if step == 2:
                raise RuntimeError("no screen")

    diary = Diary()
    with pytest.raises(RuntimeError, match="no screen") as stop:
        unlearn(recipe_of(tiny_model), tmp_path / "run", PluginHost(also=[diary]), Cut())
    assert [kind for kind, _ in diary.calls] == ["before", "step", "error"]
    assert diary.calls[-1][1] is stop.value


@pytest.mark.parametrize("error", [ValueError("oops"), SystemExit("oops")])
def test_a_plugin_that_fails_in_a_step_is_warned_of_once(
    error: BaseException, tiny_model: Path, tmp_path: Path
) -> None:
    host = PluginHost(also=[plugin("clumsy", unlearn_step=raising(error))])
    with pytest.warns(PluginWarning) as warned:
        disturbed = unlearn(recipe_of(tiny_model), tmp_path / "disturbed", host)
    assert len(warned) == 1
    assert all(part in str(warned[0].message) for part in ("clumsy", "unlearn_step", "oops"))
    quiet = unlearn(recipe_of(tiny_model), tmp_path / "quiet", PluginHost())
    ours, theirs = (load_file(run.model / "model.safetensors") for run in (quiet, disturbed))
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_an_adapter_that_fails_to_match_leaves_the_others_at_work(tiny_model: Path) -> None:
    class Crashing(StyleGAN2):
        name: ClassVar[str] = "crashing"

        @classmethod
        def match(cls, listing: object) -> None:
            raise RuntimeError("oops")

    with pytest.warns(PluginWarning, match=r"crashing.*match.*oops"):
        chosen, _ = match(pull(str(tiny_model)), {"crashing": Crashing, "stylegan2": StyleGAN2})
    assert chosen is StyleGAN2


def test_an_operator_that_cannot_be_loaded_is_told_in_one_sentence(tiny_model: Path, tmp_path: Path) -> None:
    lazy = plugin(
        "lazy",
        unlearn_register_operators=lambda register: register("slow", raising(ImportError("no cuda_magic")), "slow"),
    )
    recipe = Recipe.model_validate({"hub": str(tiny_model), "method": {"operator": "slow"}})
    with pytest.raises(UnlearnError, match=r"lazy.*no cuda_magic"):
        unlearn(recipe, tmp_path / "run", PluginHost(also=[lazy]))


@pytest.mark.parametrize(
    "command", [["plugins", "--json"], ["adapters", "--json"], ["plugins"], ["adapters"], ["--help"], []]
)
def test_questions_about_plugins_are_answered_without_torch(command: list[str]) -> None:
    call = "import guide_plugin.cli; guide_plugin.cli.main()" if command else "import guide_plugin, hub_adapters"
    code = f"import sys; sys.argv[0] = 'unlearn'\n{call}\nassert 'torch' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code, *command], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    if "--json" in command:
        names = {entry["name"] for entry in json.loads(done.stdout)}
        assert names == (BUILT_IN if command[0] == "plugins" else ADAPTERS)


def test_a_host_toolkit_can_mount_ours(tiny_model: Path, tmp_path: Path) -> None:
    """A toolkit with its own plugin manager hands its plugins over, and offers our job as one of its own."""
    spec, impl = pluggy.HookspecMarker("toolkit"), pluggy.HookimplMarker("toolkit")

    class Specs:
        @spec(firstresult=True)
        def toolkit_run(self, task: str, model: Path) -> Any: ...

    class Both:
        """Carries hooks of the toolkit and of ours."""

        seen: ClassVar[list[int]] = []

        @impl
        def toolkit_run(self, task: str, model: Path) -> Any:
            if task == "unlearn":
                return unlearn(recipe_of(model), tmp_path / "run", PluginHost(also=toolkit.get_plugins()))
            return None

        @hookimpl
        def unlearn_step(self, step: int) -> None:
            self.seen.append(step)

    class OnlyTheirs:
        @impl
        def toolkit_run(self, task: str, model: Path) -> Any:
            return None

        @property
        def fragile(self) -> None:
            raise RuntimeError("not ours to touch")

    toolkit = pluggy.PluginManager("toolkit")
    toolkit.add_hookspecs(Specs())
    toolkit.register(Both())
    toolkit.register(OnlyTheirs())
    outcome = toolkit.hook.toolkit_run(task="unlearn", model=tiny_model)
    assert outcome.report.operator == "guide"
    assert Both.seen == [1, 2, 3, 4]
    assert working(PluginHost(also=toolkit.get_plugins())) == {*BUILT_IN, "Both"}
