"""Whether bytes of weights that were replaced are left in a file.

Looked for are runs of numbers from every trained tensor, as float32, float16 and bfloat16, at any place in the file.
What is compressed or written in another way is not found, and tensors of fewer than a run's numbers say nothing.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from guide_plugin.testing.conformance.bench import Bench
from guide_plugin.testing.conformance.clause import broken_if, clause
from guide_plugin.testing.conformance.saving import format_loads

RUN = 8
"""Numbers in a row: with so many, even halves are alike by chance once in 10^20 places."""

RUNS = 16
"""Looked for from each tensor, spread over it."""

KEY = 4
"""Bytes by which places are found where a run may begin."""


@clause(
    expected="No file that `save` wrote holds a run of the old weights, in any precision.",
    matters="Whoever finds the old weights in the redacted model has the person back.",
    mend="Empty optimiser states and other copies of the generator (EMA, best so far), and write files anew.",
    needs=(format_loads,),
)
def no_old_weights(bench: Bench) -> None:
    old = {name: parameter.detach() for name, parameter in bench.load().trainable_parameters()}
    for path in bench.rewritten.saved.files:
        found = sorted(tensors_in(path, old))
        broken_if(bool(found), f"{path.name} still holds old numbers of {', '.join(found[:3])}.")


def tensors_in(path: Path, tensors: Mapping[str, Tensor]) -> set[str]:
    """Return the names of those tensors of which a file holds a run."""
    by_key: dict[bytes, list[tuple[bytes, str]]] = {}
    for name, tensor in tensors.items():
        for run in _runs(tensor):
            by_key.setdefault(run[:KEY], []).append((run, name))
    if not by_key:
        return set()
    keys = np.frombuffer(b"".join(by_key), dtype=np.uint32)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as held:
        return {
            name
            for place in _places(held, keys)
            for run, name in by_key[held[place : place + KEY]]
            if held[place : place + len(run)] == run
        }


def _runs(tensor: Tensor) -> Iterable[bytes]:
    """Yield runs of a tensor's numbers in each precision; of different ones, none zero: zeros lie everywhere."""
    flat = tensor.float().flatten()
    for start in np.linspace(0, max(len(flat) - RUN, 0), RUNS).astype(int).tolist():
        run = flat[start : start + RUN]
        if len(run) < RUN or len(run.unique()) < RUN // 2 or bool((run.half() == 0).any()):
            continue
        yield run.numpy().tobytes()
        for dtype in (torch.float16, torch.bfloat16):
            yield run.to(dtype).view(torch.int16).numpy().tobytes()


def _places(held: mmap.mmap, keys: np.ndarray) -> Iterable[int]:
    """Yield where in a file four bytes are one of the keys."""
    for offset in range(KEY):
        count = (len(held) - offset) // KEY
        words = np.frombuffer(held[offset : offset + count * KEY], dtype=np.uint32)
        yield from (offset + KEY * np.flatnonzero(np.isin(words, keys))).tolist()


CLAUSES = (no_old_weights,)
