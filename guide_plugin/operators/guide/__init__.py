"""The methods of GUIDE's paper as one plugin: `guide`, and `baseline`, which the paper compares it with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from guide_plugin.hookspecs import hookimpl

if TYPE_CHECKING:
    from guide_plugin.operator import Operator
    from guide_plugin.registration import RegisterOperator


def _guide() -> type[Operator]:
    from guide_plugin.operators.guide.unlearning import Guide

    return Guide


def _baseline() -> type[Operator]:
    from guide_plugin.operators.baseline.unlearning import Baseline

    return Baseline


@hookimpl
def unlearn_register_operators(register: RegisterOperator) -> None:
    register("guide", _guide, "GUIDE: move one identity to an anonymous target, keep everybody else (CVPR 2024)")
    register("baseline", _baseline, "GUIDE's baseline: move one identity to the mean face, and nothing else")
