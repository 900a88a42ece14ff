"""The gate refuses what it should, and nothing else."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from guide_plugin import PluginHost

from dcgan.gate import unlearn_gate


def report(lost: int) -> dict[str, Any]:
    return {"findings": {"bystanders": {"lost": lost, "random": {"n": 100}}}}


@pytest.mark.parametrize(
    ("told", "refused"),
    [(report(0), None), (report(5), None), (report(6), "6 of 100"), ({"findings": None}, "nothing was measured")],
)
def test_who_is_refused(told: dict[str, Any], refused: str | None) -> None:
    said = unlearn_gate(SimpleNamespace(report=told))
    assert said is None if refused is None else refused in said


def test_it_is_asked() -> None:
    assert not PluginHost().missing_gates(["dcgan-gate"])
