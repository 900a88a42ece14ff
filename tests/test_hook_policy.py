"""What a plugin may rely on when the hooks change: older plugins work on, what goes warns, what is unknown is told."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import pytest

from guide_plugin import API_VERSION, PluginError, PluginHost, RunRecord, hookspecs, plugins
from guide_plugin.errors import DeprecatedHook, PluginWarning
from guide_plugin.operators.guide.unlearning import Guide
from hub_adapters.stylegan2.adapter import StyleGAN2
from tests.conftest import plugin

RECORD = RunRecord(Path("run"), "stylegan2", "guide")
LATER = {"run": RECORD, "mood": "calm", "folder": Path("run")}
UPDATES = [(API_VERSION + 1, "update guide-plugin"), (API_VERSION - 1, "update the plugin")]


@pytest.fixture
def later_hooks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let hosts have the hooks of a later version: an argument more, an argument and a hook that will go."""
    folder = DeprecatedHook("the argument folder of unlearn_before will go: use run.folder")
    begin = DeprecatedHook("the hook unlearn_begin will go: use unlearn_before")

    @hookspecs.hookspec(warn_on_impl_args={"folder": folder})
    def unlearn_before(run: RunRecord, mood: str, folder: Path) -> None: ...

    @hookspecs.hookspec(warn_on_impl=begin)
    def unlearn_begin(run: RunRecord) -> None: ...

    later = ModuleType("later")
    vars(later).update(vars(hookspecs), unlearn_before=unlearn_before, unlearn_begin=unlearn_begin)
    monkeypatch.setattr(plugins, "hookspecs", later)


@pytest.mark.usefixtures("later_hooks")
def test_a_plugin_of_an_older_version_works_on_without_a_word() -> None:
    told: list[Any] = []
    older = plugin("older", unlearn_before=lambda run: told.append(run))
    bare = plugin("bare", unlearn_before=lambda: told.append("called"))
    PluginHost(also=[older, bare]).notify("unlearn_before", **LATER)
    assert told == [RECORD, "called"]


@pytest.mark.usefixtures("later_hooks")
def test_what_will_go_works_and_warns_with_the_plugins_name() -> None:
    told: list[Any] = []
    with pytest.warns(DeprecatedHook, match=r"plugin old: the argument folder of unlearn_before .* use run\.folder"):
        host = PluginHost(also=[plugin("old", unlearn_before=lambda folder: told.append(folder))])
    host.notify("unlearn_before", **LATER)
    with pytest.warns(DeprecatedHook, match="plugin older: the hook unlearn_begin will go: use unlearn_before"):
        host = PluginHost(also=[plugin("older", unlearn_begin=lambda run: told.append(run))])
    host.notify("unlearn_begin", run=RECORD)
    assert told == [Path("run"), RECORD]


def test_a_plugin_of_a_later_version_is_disabled_with_the_reason() -> None:
    with pytest.warns(PluginWarning, match=r"plugin later is disabled: .*mood"):
        PluginHost(also=[plugin("later", unlearn_before=lambda run, mood: None)])
    with pytest.warns(PluginWarning, match=r"plugin later is disabled: .*unknown hook unlearn_begin.* later version"):
        PluginHost(also=[plugin("later", unlearn_begin=lambda run: None)])


@pytest.mark.parametrize(("stated", "remedy"), UPDATES)
def test_an_adapter_of_an_unknown_contract_is_refused_in_a_sentence(stated: int, remedy: str) -> None:
    class Other(StyleGAN2):
        name: ClassVar[str] = "other"
        api_version: ClassVar[int] = stated

    other = plugin("other", unlearn_register_adapters=lambda register: register(Other))
    sentence = f"adapter other is written for version {stated} of the adapter contract, .* knows version 1: {remedy}"
    with pytest.warns(PluginWarning, match=sentence):
        assert "other" not in PluginHost(also=[other]).adapters


@pytest.mark.parametrize(("stated", "remedy"), UPDATES)
def test_an_operator_of_an_unknown_contract_is_refused_where_it_is_asked_for(stated: int, remedy: str) -> None:
    class Other(Guide):
        api_version: ClassVar[int] = stated

    other = plugin("theirs", unlearn_register_operators=lambda register: register("other", lambda: Other, ""))
    registered = PluginHost(also=[other]).operator("other")
    with pytest.raises(PluginError, match=f"theirs .*: operator other is written for version {stated} .* {remedy}"):
        registered.load()
