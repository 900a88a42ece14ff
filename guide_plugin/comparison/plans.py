"""What each method is asked to do: the same but for the operator and its settings."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from guide_plugin.errors import UsageError
from guide_plugin.plan import Display, Plan, choose_operator, operator_class, prepare
from guide_plugin.plugins import PluginHost
from guide_plugin.recipe import Recipe, parse


def make_plans(recipe: Recipe, methods: Sequence[str], host: PluginHost, display: Display) -> dict[str, Plan]:
    """Return the plan of each method; model and networks are loaded once and shared.

    Raises:
        UsageError: a method is unknown or named twice, or a setting is.
    """
    if len(methods) < 2 or len({*methods}) < len(methods):
        raise UsageError("Name several methods, each once.", f"Known: {', '.join(sorted(host.operators))}.")
    known = {method: tuple(operator_class(method, host).Settings.model_fields) for method in methods}
    settings = share_out(recipe.method.settings, known)
    asked = {method: _asked(recipe, method, settings[method]) for method in methods}
    plan = prepare(asked[methods[0]], host, display)
    plans = {}
    for method in methods:
        chosen, suggestion, operator = choose_operator(asked[method], plan.source, host)
        plans[method] = replace(plan, recipe=chosen, suggestion=suggestion, operator=operator)
    return plans


def share_out(said: Mapping[str, Any], known: Mapping[str, Collection[str]]) -> dict[str, dict[str, Any]]:
    """Return the settings of each method: "KEY" is for all that know it, "METHOD.KEY" for one and goes before.

    Args:
        known: the methods compared, with the settings that each of them has.

    Raises:
        UsageError: no method that is compared has such a setting.
    """
    shares: dict[str, dict[str, Any]] = {method: {} for method in known}
    for name in sorted(said, key=lambda name: "." in name):
        method, _, key = name.rpartition(".")
        takers = [other for other in known if key in known[other] and method in ("", other)]
        if not takers:
            lists = "; ".join(f"{other} has {', '.join(known[other])}" for other in known)
            raise UsageError(f"No method that is compared has a setting {name}.", f"Known: {lists}.")
        for taker in takers:
            shares[taker][key] = said[name]
    return shares


def _asked(recipe: Recipe, method: str, settings: dict[str, Any]) -> Recipe:
    said = recipe.model_dump(exclude_unset=True)
    asked: Recipe = parse(
        Recipe, {**said, "method": {**said.get("method", {}), "operator": method, "settings": settings}}, "The options"
    )
    return asked
