"""The plugin host: loads plugins one by one, so that none can take the command down, and asks them by name."""

from __future__ import annotations

import importlib.metadata
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pluggy

from guide_plugin import hookspecs
from guide_plugin.errors import DeprecatedHook, PluginError, PluginWarning, UnlearnError, UsageError
from guide_plugin.plugin_calls import NoAnswer, PluginCalls
from guide_plugin.registration import Registered, RegisteredEncoder, RegisteredOperator, RegisteredRecogniser, collect
from guide_plugin.supervision import supervision

if TYPE_CHECKING:
    from pathlib import Path

    from guide_plugin.adapter import Adapter, Inspection
    from guide_plugin.run_dir import RunRecord

OURS = "guide-plugin"
"""The distribution whose plugins always load."""


@dataclass(frozen=True)
class PluginInfo:
    """One plugin as `unlearn plugins` lists it.

    Attributes:
        broken: why it is not in use; None where it is, or was not tried.
        left_out: whether it was not loaded because others were named to be.
    """

    name: str
    distribution: str
    version: str
    hooks: tuple[str, ...]
    broken: str | None
    left_out: bool = False


class PluginHost:
    """All plugins of one process: what they registered, and guarded ways to call them.

    Args:
        also: plugins beyond the installed ones, for example those of a host toolkit
            (`host_manager.get_plugins()`); objects without our hooks are passed over.
        only: the names of the installed plugins of third parties that are loaded; the rest is not even imported. By
            default those that the environment variable UNLEARN_PLUGINS names, and all where it names none.
        trace: whether each call is logged on standard error, without what it was told [UNLEARN_TRACE_HOOKS].
        strict: whether a plugin's error is raised, as the cause of a `PluginError` [UNLEARN_STRICT_PLUGINS].
        gate_timeout: seconds after which a gate that did not answer refuses [UNLEARN_GATE_TIMEOUT, or 600].

    Raises:
        UsageError: `only` names a plugin that is not installed.
        PluginError: in strict mode, a plugin is broken.
    """

    def __init__(
        self,
        also: Iterable[object] = (),
        *,
        only: Iterable[str] | None = None,
        trace: bool | None = None,
        strict: bool | None = None,
        gate_timeout: float | None = None,
    ) -> None:
        self.supervision = supervision(only, trace, strict, gate_timeout)
        self.manager = pluggy.PluginManager(hookspecs.PROJECT)
        self.manager.add_hookspecs(hookspecs)
        self.calls = PluginCalls(self.supervision.trace)
        self.plugins: list[PluginInfo] = []
        self.muted: set[tuple[str, str]] = set()
        self.registered = Registered()
        self.adapters = self.registered.adapters
        self.operators = self.registered.operators
        self.recognisers = self.registered.recognisers
        self.encoders = self.registered.encoders
        self._add_installed()
        for plugin in also:
            self._add_given(plugin)

    def _add_installed(self) -> None:
        found = importlib.metadata.entry_points(group=hookspecs.PROJECT)
        only = self.supervision.only
        unknown = sorted((only or frozenset()) - found.names)
        if unknown:
            raise UsageError(f"No plugin named {unknown[0]} is installed.", "`unlearn plugins` lists those that are.")
        for entry_point in found:
            source = entry_point.dist
            distribution, version = (source.name, source.version) if source else ("", "")
            if only is None or distribution == OURS or entry_point.name in only:
                self._add(entry_point.name, entry_point.load, distribution, version)
            else:
                self.plugins.append(PluginInfo(entry_point.name, distribution, version, (), None, left_out=True))

    def _add_given(self, plugin: object) -> None:
        if any(self.manager.parse_hookimpl_opts(plugin, name) for name in dir(plugin)):
            self._add(getattr(plugin, "__name__", type(plugin).__name__), lambda: plugin, "", "")

    def _add(self, name: str, load: Callable[[], Any], distribution: str, version: str) -> None:
        broken: str | None = None
        hooks: tuple[str, ...] = ()
        told: list[warnings.WarningMessage] = []
        taken = self.manager.has_plugin(name)
        try:
            plugin = self.calls(name, "import", load, {})
            hash(plugin)  # pluggy keeps plugins in sets
            with warnings.catch_warnings(record=True) as told:
                warnings.simplefilter("always")
                self.manager.register(plugin, name)
            hooks = tuple(sorted(caller.name for caller in self.manager.get_hookcallers(plugin) or []))
            unknown = [hook for hook in hooks if not getattr(self.manager.hook, hook).has_spec()]
            if unknown:
                raise pluggy.PluginValidationError(plugin, f"unknown hook {unknown[0]}: a slip, or a later version's")
            self.registered.add(collect(name, self._call))
        except (Exception, SystemExit) as error:
            broken = " ".join(f"{type(error).__name__}: {error}".split())
            if not taken and self.manager.has_plugin(name):
                self.manager.unregister(name=name)
            self._survive(error, f"plugin {name} is disabled: {broken}")
        for warning in told:
            if issubclass(warning.category, DeprecatedHook):
                warnings.warn(f"plugin {name}: {warning.message}", warning.category, stacklevel=2)
        self.plugins.append(PluginInfo(name, distribution, version, hooks, broken))

    def _survive(self, error: BaseException, sentence: str) -> None:
        """Warn of a plugin's error; in strict mode, raise it."""
        if self.supervision.strict:
            raise PluginError(f"{sentence}.", "It ends the run, since plugins are to be strict.") from error
        warnings.warn(sentence, PluginWarning, stacklevel=3)

    def _names(self, hook: str) -> list[str]:
        """Return the plugins that implement a hook, in the order in which they were loaded."""
        asked = {implementation.plugin_name for implementation in getattr(self.manager.hook, hook).get_hookimpls()}
        return [name for name, _ in self.manager.list_name_plugin() if name in asked]

    def _call(self, plugin: str, hook: str, timeout: float | None = None, **arguments: Any) -> Any:
        """Return one plugin's answer; None where it gives none."""
        if plugin not in self._names(hook):
            return None
        others = [other for name, other in self.manager.list_name_plugin() if name != plugin]
        caller = self.manager.subset_hook_caller(hook, others)

        def call() -> Any:
            return next(iter(caller(**arguments)), None)

        return self.calls(plugin, hook, call, arguments, timeout)

    def notify(self, hook: str, **arguments: Any) -> None:
        """Call a lifecycle hook plugin by plugin; one that raises becomes a warning, and is not asked this again."""
        for name in self._names(hook):
            if (name, hook) in self.muted:
                continue
            try:
                self._call(name, hook, **arguments)
            except (Exception, SystemExit) as error:
                self.muted.add((name, hook))
                self._survive(error, f"plugin {name} failed in {hook}: {error!r}")

    def listens(self, hook: str) -> bool:
        """Say whether any plugin implements `hook`."""
        return bool(self._names(hook))

    @contextmanager
    def noticing_costs(self, hook: str) -> Iterator[None]:
        """Warn afterwards of each plugin whose calls of `hook` took much of the time, or made the process grow."""
        with self.calls.measured(hook) as notable:
            yield
        for sentence in notable:
            warnings.warn(sentence, PluginWarning, stacklevel=3)

    def inspect(self, path: Path) -> list[Inspection]:
        """Ask every plugin what the weight file at `path` is; a plugin that raises one of our errors has the say."""
        found = []
        for name in self._names("unlearn_inspect"):
            try:
                found.append(self._call(name, "unlearn_inspect", path=path))
            except UnlearnError:
                raise
            except (Exception, SystemExit) as error:
                self._survive(error, f"plugin {name} failed in unlearn_inspect: {error!r}")
        return [inspection for inspection in found if inspection is not None]

    def missing_gates(self, required: Iterable[str]) -> list[str]:
        """Say of each required gate that cannot be asked why not."""
        gates = self._names("unlearn_gate")
        return [f"gate {name} is required, and {self._absence(name)}" for name in required if name not in gates]

    def _absence(self, name: str) -> str:
        if self.manager.has_plugin(name):
            return "has no gate"
        known = [info for info in self.plugins if info.name == name]
        if any(info.left_out for info in known):
            return "not loaded: it is not among the plugins that were named"
        reasons = [info.broken for info in known if info.broken]
        return f"is broken: {reasons[0]}" if reasons else "not installed"

    def vetoes(self, run: RunRecord, required: Iterable[str] = ()) -> list[str]:
        """Ask every gate, each on its own, and return all refusals as "plugin: reason".

        A crash is a refusal, except in strict mode, and so is silence.

        Args:
            required: plugins whose gates must have spoken; each that cannot be asked is a refusal too.
        """
        refusals, patience = self.missing_gates(required), self.supervision.gate_timeout
        for name in self._names("unlearn_gate"):
            try:
                reason = self._call(name, "unlearn_gate", patience, run=run)
                if reason is not None:
                    refusals.append(f"{name}: {reason}")
            except NoAnswer:
                refusals.append(f"{name}: the gate did not answer within {patience:g} seconds")
            except (Exception, SystemExit) as error:
                if self.supervision.strict:
                    raise PluginError(f"The gate of plugin {name} failed: {error!r}.") from error
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


def _look_up(registry: dict[str, Any], name: str, kind: str) -> Any:
    if name not in registry:
        known = ", ".join(sorted(registry)) or "none; plugins bring them"
        raise UsageError(f"There is no {kind} named {name}.", f"Known: {known}.")
    return registry[name]
