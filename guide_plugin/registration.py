"""What plugins register: adapters, operators, recognisers and encoders by name, all of one plugin's or none."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Protocol

from guide_plugin.adapter import API_VERSION
from guide_plugin.errors import PluginError

if TYPE_CHECKING:
    from pathlib import Path

    import torch

    from guide_plugin.adapter import Adapter
    from guide_plugin.operator import Embedder, Encoder, Operator


class RegisterAdapter(Protocol):
    def __call__(self, adapter: type[Adapter]) -> None: ...


class RegisterOperator(Protocol):
    def __call__(self, name: str, load: Callable[[], type[Operator]], summary: str) -> None: ...


class RegisterRecogniser(Protocol):
    def __call__(
        self, name: str, load: Callable[[Path | None, torch.device], Embedder], summary: str, differentiable: bool
    ) -> None: ...


class RegisterEncoder(Protocol):
    def __call__(self, name: str, load: Callable[[Path | None, torch.device], Encoder], summary: str) -> None: ...


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


@dataclass(frozen=True)
class Registered:
    """What was registered so far, each kind by name."""

    adapters: dict[str, type[Adapter]] = field(default_factory=dict)
    operators: dict[str, RegisteredOperator] = field(default_factory=dict)
    recognisers: dict[str, RegisteredRecogniser] = field(default_factory=dict)
    encoders: dict[str, RegisteredEncoder] = field(default_factory=dict)

    def add(self, others: Registered) -> None:
        """Take all of `others`; where one of its names is taken, take nothing and raise a `ValueError`."""
        pairs = [(getattr(self, kind.name), getattr(others, kind.name)) for kind in fields(self)]
        for known, new in pairs:
            taken = sorted(known.keys() & new.keys())
            if taken:
                raise ValueError(f"the name {taken[0]} is taken by another plugin")
        for known, new in pairs:
            known |= new


def collect(plugin: str, call: Callable[..., object]) -> Registered:
    """Ask a plugin what it registers.

    Args:
        call: calls the plugin's hook of a name with keyword arguments.
    """
    found = Registered()

    def adapter(adapter: type[Adapter]) -> None:
        problem = unknown_version("adapter", adapter.name, adapter.api_version)
        if problem:
            raise ValueError(problem)
        found.adapters[adapter.name] = adapter

    def operator(name: str, load: Callable[[], type[Operator]], summary: str) -> None:
        checked = functools.partial(_of_known_version, plugin, name, load)
        found.operators[name] = RegisteredOperator(name, checked, summary, plugin)

    def recogniser(
        name: str, load: Callable[[Path | None, torch.device], Embedder], summary: str, differentiable: bool
    ) -> None:
        found.recognisers[name] = RegisteredRecogniser(name, load, summary, differentiable, plugin)

    def encoder(name: str, load: Callable[[Path | None, torch.device], Encoder], summary: str) -> None:
        found.encoders[name] = RegisteredEncoder(name, load, summary, plugin)

    call(plugin, "unlearn_register_adapters", register=adapter)
    call(plugin, "unlearn_register_operators", register=operator)
    call(plugin, "unlearn_register_recognisers", register=recogniser)
    call(plugin, "unlearn_register_encoders", register=encoder)
    return found


def unknown_version(contract: str, name: str, stated: int) -> str | None:
    """Say what is wrong with the version of a contract that a class states, and who has to be updated."""
    if stated == API_VERSION:
        return None
    behind = "guide-plugin" if stated > API_VERSION else "the plugin"
    return (
        f"{contract} {name} is written for version {stated} of the {contract} contract, "
        f"and this guide-plugin knows version {API_VERSION}: update {behind}"
    )


def _of_known_version(plugin: str, name: str, load: Callable[[], type[Operator]]) -> type[Operator]:
    operator = load()
    problem = unknown_version("operator", name, operator.api_version)
    if problem:
        raise PluginError(f"Plugin {plugin} cannot be used: {problem}.")
    return operator
