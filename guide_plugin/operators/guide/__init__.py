"""The operator `guide`, as a plugin."""

from __future__ import annotations

from typing import TYPE_CHECKING

from guide_plugin.hookspecs import hookimpl

if TYPE_CHECKING:
    from guide_plugin.operator import Operator
    from guide_plugin.registration import RegisterOperator


def _load() -> type[Operator]:
    from guide_plugin.operators.guide.unlearning import Guide

    return Guide


@hookimpl
def unlearn_register_operators(register: RegisterOperator) -> None:
    register("guide", _load, "GUIDE: move one identity to an anonymous target, keep everybody else (CVPR 2024)")
