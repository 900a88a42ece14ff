"""Plugins that print, hang, are slow, or hold on to memory: bounded where that can be, and always named."""

from __future__ import annotations

import json
import mmap
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from guide_plugin import Outcome, PluginHost, Recipe, RunRecord, plugin_calls, unlearn
from guide_plugin.errors import PluginWarning
from tests.conftest import SMALL_AUDIT, plugin, raising

RECORD = RunRecord(Path("run"), "stylegan2", "guide")
NOISY = """
import ctypes, os, subprocess, sys
from guide_plugin import hookimpl

print("at import")

@hookimpl
def unlearn_before(run):
    print("one\\ntwo")
    sys.stdout.buffer.write(b"three\\n")
    os.write(1, b"past Python\\n")
    ctypes.CDLL(None).puts(b"from C")
    subprocess.run([sys.executable, "-c", "print('from a child')"])

@hookimpl
def unlearn_step(step):
    print("step", step)

@hookimpl
def unlearn_gate(run):
    while True:
        print("again")
"""


def recipe_of(model: Path) -> Recipe:
    return Recipe.model_validate({"hub": str(model), "audit": SMALL_AUDIT, "machine": {"device": "cpu"}})


def run_with(model: Path, folder: Path, **hooks: Callable[..., Any]) -> Outcome:
    return unlearn(recipe_of(model), folder, PluginHost(also=[plugin("hostile", **hooks)]))


def test_json_stays_json_whatever_a_plugin_prints(
    tiny_model: Path, tmp_path: Path, install: Callable[..., None]
) -> None:
    install("noisy", NOISY)
    paths = os.pathsep.join([str(tmp_path), *sys.path])
    arguments = [
        "--gate-timeout",
        "0.5",
        "--audit",
        "off",
        "--hub",
        str(tiny_model),
        "--output",
        str(tmp_path / "run"),
        "--json",
    ]
    done = subprocess.run(
        [sys.executable, "-c", "from guide_plugin.cli import main; main()", *arguments],
        env={**os.environ, "PYTHONPATH": paths, "PYTHONUNBUFFERED": ""},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 3
    refusals = json.loads(done.stdout)["refusals"]
    assert "noisy: the gate did not answer within 0.5 seconds" in refusals
    lines = done.stderr.splitlines()
    for said in ("at import", "one", "two", "three", "step 1", "step 4", "again"):
        assert f"noisy: {said}" in lines
    assert {"past Python", "from C", "from a child"} <= set(lines)


def test_a_gate_that_hangs_refuses_by_name_and_the_others_are_asked() -> None:
    never = threading.Event()
    gates = [
        plugin("hanging", unlearn_gate=lambda run: never.wait()),
        plugin("spinning", unlearn_gate=spin),
        plugin("lawyer", unlearn_gate=lambda run: "no consent on file"),
        plugin("thoughtful", unlearn_gate=lambda run: time.sleep(0.05)),
        plugin("crashing", unlearn_gate=raising(TimeoutError("of its own"))),
    ]
    begun = time.monotonic()
    vetoes = PluginHost(also=gates, gate_timeout=0.4).vetoes(RECORD)
    assert time.monotonic() - begun < 5
    assert sorted(vetoes) == [
        "crashing: the gate failed (TimeoutError('of its own'))",
        "hanging: the gate did not answer within 0.4 seconds",
        "lawyer: no consent on file",
        "spinning: the gate did not answer within 0.4 seconds",
    ]
    left = {thread.name: thread for thread in threading.enumerate() if "unlearn_gate of plugin" in thread.name}
    spinning = left.get("unlearn_gate of plugin spinning")
    if spinning:
        spinning.join(5)
        assert not spinning.is_alive()
    assert left["unlearn_gate of plugin hanging"].daemon
    never.set()


def spin(run: RunRecord) -> None:
    while True:
        pass


def test_a_slow_step_hook_is_named_with_its_share(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plugin_calls, "SLOW_SECONDS", 0.1)
    with pytest.warns(PluginWarning, match=r"unlearn_step of plugin hostile took 0\.\d of \d+\.\d s") as warned:
        run_with(tiny_model, tmp_path / "run", unlearn_step=lambda: time.sleep(0.1))
    assert len(warned) == 1


def test_slowness_is_a_part_of_the_time_and_more_than_a_moment() -> None:
    def told(spent: float, of: float) -> list[str]:
        return plugin_calls._notable("it", plugin_calls.Cost(spent), of)

    assert told(spent=5, of=100) == told(spent=0.5, of=1) == []
    assert told(spent=20, of=100) == ["it took 20.0 of 100.0 s, its waiting for the device included"]


@pytest.mark.skipif(not plugin_calls.STATM.exists(), reason="the system does not say what a process holds")
def test_a_plugin_that_holds_on_to_memory_is_named(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plugin_calls, "LARGE_GROWTH", 64 * 2**20)
    kept: list[mmap.mmap] = []

    def hold() -> None:
        kept.append(mmap.mmap(-1, 64 * 2**20))  # fresh pages: `bytes` may get memory that the process held already
        kept[-1].write(b"\1" * len(kept[-1]))

    with pytest.warns(PluginWarning, match=r"the process grew by \d+ MB during .* unlearn_step of plugin hostile"):
        run_with(tiny_model, tmp_path / "run", unlearn_step=hold)


def test_a_plugin_can_neither_hold_the_graph_nor_change_the_figures(tiny_model: Path, tmp_path: Path) -> None:
    kept: list[torch.Tensor] = []

    def meddle(losses: dict[str, torch.Tensor]) -> None:
        kept.extend(losses.values())
        for value in losses.values():
            value.zero_()
        losses.clear()

    meddled = run_with(tiny_model, tmp_path / "meddled", unlearn_step=meddle)
    quiet = unlearn(recipe_of(tiny_model), tmp_path / "quiet", PluginHost())
    assert all(value.grad_fn is None and not value.requires_grad for value in kept)
    assert len(kept) > 0
    assert meddled.report.training.losses == quiet.report.training.losses
