"""The operator `fold` as a plugin: unlearning that withstands a search."""

from __future__ import annotations

from typing import TYPE_CHECKING

from guide_plugin.hookspecs import hookimpl

if TYPE_CHECKING:
    from guide_plugin.operator import Operator
    from guide_plugin.registration import RegisterOperator


def _fold() -> type[Operator]:
    from guide_plugin.operators.fold.unlearning import Fold

    return Fold


@hookimpl
def unlearn_register_operators(register: RegisterOperator) -> None:
    register("fold", _fold, "FOLD: draw somebody else wherever a search would find the person, keep everybody else")
