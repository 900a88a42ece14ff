"""The plugin host: loads plugins one by one, so that none can take the command down, and asks them by name."""

from __future__ import annotations

import functools
import importlib.metadata
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pluggy

from guide_plugin import hookspecs
from guide_plugin.adapter import API_VERSION
from guide_plugin.errors import PluginWarning, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    import torch

    from guide_plugin.adapter import Adapter, Inspection
    from guide_plugin.operator import Embedder, Encoder, Operator
    from guide_plugin.run_dir import RunRecord


@dataclass(frozen=True)
class PluginInfo:
    """One plugin as `unlearn plugins` lists it; `broken` says why it is not in use, None where it is."""

    name: str
    distribution: str
    version: str
    hooks: tuple[str, ...]
    broken: str | None


@dataclass(frozen=True)
class RegisteredOperator:
    name: str
    load: Callable[[], type[Operator]]
    summary: str
    plugin: str


@dataclass(frozen=True)
class RegisteredRecogniser:
    name: str
    load: Callable[[Path | None, torch.device], Embedder]
    summary: str
    differentiable: bool
    plugin: str


@dataclass(frozen=True)
class RegisteredEncoder:
    name: str
    load: Callable[[Path | None, torch.device], Encoder]
    summary: str
    plugin: str


class PluginHost:
    """All plugins of one process: what they registered, and guarded ways to call them.

    Args:
        also: plugins beyond the installed ones, for example those of a host toolkit
            (`host_manager.get_plugins()`); objects without our hooks are passed over.
    """

    def __init__(self, also: Iterable[object] = ()) -> None:
        self.manager = pluggy.PluginManager(hookspecs.PROJECT)
        self.manager.add_hookspecs(hookspecs)
        self.plugins: list[PluginInfo] = []
        self.muted: set[tuple[str, str]] = set()
        self.adapters: dict[str, type[Adapter]] = {}
        self.operators: dict[str, RegisteredOperator] = {}
        self.recognisers: dict[str, RegisteredRecogniser] = {}
        self.encoders: dict[str, RegisteredEncoder] = {}
        for entry_point in importlib.metadata.entry_points(group=hookspecs.PROJECT):
            source = entry_point.dist
            name, version = (source.name, source.version) if source else ("", "")
            self._add(entry_point.name, entry_point.load, name, version)
        for plugin in also:
            if any(self.manager.parse_hookimpl_opts(plugin, name) for name in dir(plugin)):
                name = getattr(plugin, "__name__", type(plugin).__name__)
                self._add(name, functools.partial(_itself, plugin), "", "")

    def _add(self, name: str, load: Callable[[], Any], distribution: str, version: str) -> None:
        broken: str | None = None
        hooks: tuple[str, ...] = ()
        taken = self.manager.has_plugin(name)
        try:
            plugin = load()
            hash(plugin)  # pluggy keeps plugins in sets
            self.manager.register(plugin, name)
            hooks = tuple(sorted(caller.name for caller in self.manager.get_hookcallers(plugin) or []))
            unknown = [hook for hook in hooks if not getattr(self.manager.hook, hook).has_spec()]
            if unknown:
                raise pluggy.PluginValidationError(plugin, f"unknown hook {', '.join(unknown)}")
            self._register_all(name)
        except (Exception, SystemExit) as error:
            broken = " ".join(f"{type(error).__name__}: {error}".split())
            if not taken and self.manager.has_plugin(name):
                self.manager.unregister(name=name)
            warnings.warn(f"plugin {name} is disabled: {broken}", PluginWarning, stacklevel=2)
        self.plugins.append(PluginInfo(name, distribution, version, hooks, broken))

    def _register_all(self, plugin: str) -> None:
        """Collect what `plugin` registers; nothing of it counts unless all of it can."""
        adapters: dict[str, type[Adapter]] = {}
        operators: dict[str, RegisteredOperator] = {}
        recognisers: dict[str, RegisteredRecogniser] = {}
        encoders: dict[str, RegisteredEncoder] = {}

        def adapter(adapter: type[Adapter]) -> None:
            if adapter.api_version != API_VERSION:
                raise ValueError(
                    f"adapter {adapter.name} speaks contract version {adapter.api_version}, this is {API_VERSION}"
                )
            adapters[adapter.name] = adapter

        def operator(name: str, load: Callable[[], type[Operator]], summary: str) -> None:
            operators[name] = RegisteredOperator(name, load, summary, plugin)

        def recogniser(
            name: str, load: Callable[[Path | None, torch.device], Embedder], summary: str, differentiable: bool
        ) -> None:
            recognisers[name] = RegisteredRecogniser(name, load, summary, differentiable, plugin)

        def encoder(name: str, load: Callable[[Path | None, torch.device], Encoder], summary: str) -> None:
            encoders[name] = RegisteredEncoder(name, load, summary, plugin)

        self._call(plugin, "unlearn_register_adapters", register=adapter)
        self._call(plugin, "unlearn_register_operators", register=operator)
        self._call(plugin, "unlearn_register_recognisers", register=recogniser)
        self._call(plugin, "unlearn_register_encoders", register=encoder)
        for known, new in (
            (self.adapters, adapters),
            (self.operators, operators),
            (self.recognisers, recognisers),
            (self.encoders, encoders),
        ):
            taken = sorted(known.keys() & new.keys())
            if taken:
                raise ValueError(f"the name {taken[0]} is taken by another plugin")
        self.adapters |= adapters
        self.operators |= operators
        self.recognisers |= recognisers
        self.encoders |= encoders

    def _names(self) -> list[str]:
        return [name for name, _ in self.manager.list_name_plugin()]

    def _call(self, plugin: str, hook: str, **arguments: Any) -> list[Any]:
        others = [other for name, other in self.manager.list_name_plugin() if name != plugin]
        return self.manager.subset_hook_caller(hook, others)(**arguments)

    def notify(self, hook: str, **arguments: Any) -> None:
        """Call a lifecycle hook plugin by plugin; one that raises becomes a warning, and is not asked this again."""
        for name in self._names():
            if (name, hook) in self.muted:
                continue
            try:
                self._call(name, hook, **arguments)
            except (Exception, SystemExit) as error:
                self.muted.add((name, hook))
                warnings.warn(f"plugin {name} failed in {hook}: {error!r}", PluginWarning, stacklevel=2)

    def listens(self, hook: str) -> bool:
        """Say whether any plugin implements `hook`."""
        return bool(getattr(self.manager.hook, hook).get_hookimpls())

    def inspect(self, path: Path) -> list[Inspection]:
        """Ask every plugin what the weight file at `path` is; a plugin that raises one of our errors has the say."""
        return [found for name in self._names() for found in self._call(name, "unlearn_inspect", path=path)]

    def missing_gates(self, required: Iterable[str]) -> list[str]:
        """Say of each required gate that cannot be asked why not."""
        gates = {gate.plugin_name for gate in self.manager.hook.unlearn_gate.get_hookimpls()}
        return [f"gate {name} is required, and {self._absence(name)}" for name in required if name not in gates]

    def _absence(self, name: str) -> str:
        if self.manager.has_plugin(name):
            return "has no gate"
        reasons = [info.broken for info in self.plugins if info.name == name and info.broken]
        return f"is broken: {reasons[0]}" if reasons else "not installed"

    def vetoes(self, run: RunRecord, required: Iterable[str] = ()) -> list[str]:
        """Ask every gate, each on its own, and return all refusals as "plugin: reason"; a crash is a refusal.

        Args:
            required: plugins whose gates must have spoken; each that cannot be asked is a refusal too.
        """
        refusals = self.missing_gates(required)
        for name in self._names():
            try:
                refusals += [f"{name}: {reason}" for reason in self._call(name, "unlearn_gate", run=run)]
            except (Exception, SystemExit) as error:
                refusals.append(f"{name}: the gate failed ({error!r})")
        return refusals

    def adapter(self, name: str) -> type[Adapter]:
        """Return the adapter of this name; `UsageError` names those that exist."""
        adapter: type[Adapter] = _look_up(self.adapters, name, "adapter")
        return adapter

    def operator(self, name: str) -> RegisteredOperator:
        """Return the operator of this name; `UsageError` names those that exist."""
        return _look_up(self.operators, name, "operator")

    def recogniser(self, name: str) -> RegisteredRecogniser:
        """Return the recogniser of this name; `UsageError` names those that exist."""
        return _look_up(self.recognisers, name, "recogniser")

    def encoder(self, name: str) -> RegisteredEncoder:
        """Return the encoder of this name; `UsageError` names those that exist."""
        return _look_up(self.encoders, name, "encoder")


def _itself(plugin: object) -> object:
    return plugin


def _look_up(registry: dict[str, Any], name: str, kind: str) -> Any:
    if name not in registry:
        known = ", ".join(sorted(registry)) or "none; plugins bring them"
        raise UsageError(f"There is no {kind} named {name}.", f"Known: {known}.")
    return registry[name]
