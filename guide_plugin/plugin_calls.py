"""Calls into plugins, one at a time: attributed, timed, traced, and kept away from standard output."""

from __future__ import annotations

import ctypes
import os
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO, TypeVar

from guide_plugin.hook_trace import described, traced
from guide_plugin.standard_output import under_name

T = TypeVar("T")

SLOW_SHARE, SLOW_SECONDS = 0.1, 1.0
"""A hook is slow where it takes more than this part of the time, and more than a moment."""
LARGE_GROWTH = 256 * 2**20
STATM = Path("/proc/self/statm")


class NoAnswer(Exception):
    """A plugin did not answer in time."""


@dataclass
class Cost:
    """What the calls of one hook of one plugin took: seconds, and by how many bytes the process grew during them."""

    seconds: float = 0.0
    growth: int = 0


class PluginCalls:
    """Calls plugins and keeps what that cost.

    Args:
        trace: whether each call is logged on standard error, with kinds and shapes alone.
    """

    def __init__(self, trace: bool = False) -> None:
        self.trace = trace
        self.costs: dict[tuple[str, str], Cost] = defaultdict(Cost)
        self._outputs: dict[str, TextIO] = {}

    @contextmanager
    def measured(self, hook: str) -> Iterator[list[str]]:
        """Give a list that says afterwards which plugins' calls of `hook` meanwhile took much time or memory."""
        self.costs.clear()
        notable: list[str] = []
        begun = time.perf_counter()
        try:
            yield notable
        finally:
            seconds = time.perf_counter() - begun
            for (plugin, called), cost in self.costs.items():
                if called == hook:
                    notable += _notable(f"{hook} of plugin {plugin}", cost, seconds)

    def __call__(
        self,
        plugin: str,
        hook: str,
        call: Callable[[], T],
        arguments: Mapping[str, Any],
        timeout: float | None = None,
    ) -> T:
        """Return what `call` returns; what it prints goes to standard error under the plugin's name.

        Args:
            timeout: seconds to wait for it; None waits for as long as it takes.

        Raises:
            NoAnswer: it took longer than that. Whatever `call` raises is passed on.
        """
        cost, outcome = self.costs[plugin, hook], ""
        output = self._outputs.setdefault(plugin, under_name(plugin))
        held, begun = _resident(), time.perf_counter()
        try:
            with redirect_stdout(output):
                result = call() if timeout is None else _within(timeout, call, f"{hook} of plugin {plugin}")
            outcome = described(result)
            return result
        except BaseException as error:
            outcome = type(error).__name__  # its text may name a file
            raise
        finally:
            seconds = time.perf_counter() - begun
            cost.seconds += seconds
            cost.growth += _resident() - held
            with suppress(ValueError):  # the plugin closed it
                output.flush()
            if self.trace:
                print(traced(plugin, hook, arguments, seconds, outcome), file=sys.stderr)


def _notable(name: str, cost: Cost, seconds: float) -> list[str]:
    told = []
    if cost.seconds > max(SLOW_SECONDS, SLOW_SHARE * seconds):
        told.append(f"{name} took {cost.seconds:.1f} of {seconds:.1f} s, its waiting for the device included")
    if cost.growth > LARGE_GROWTH:
        told.append(f"the process grew by {cost.growth / 2**20:.0f} MB during the calls of {name}")
    return told


def _within(timeout: float, call: Callable[[], T], name: str) -> T:
    """Wait so long for `call`, in a thread of its own, and no longer.

    Not in a process: a plugin is an object in this one, often with a model on the device or a toolkit around it, and
    neither goes into another process whole. A thread cannot be ended, though: the one that is given up on is asked to
    leave, which a loop in Python does at once and a call that waits for the network when it returns, and as a daemon
    it does not keep the process alive.
    """
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(call())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, name=name, daemon=True)
    thread.start()
    thread.join(min(timeout, threading.TIMEOUT_MAX))
    if results:
        return results[0]
    if errors:
        raise errors[0]
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident or 0), ctypes.py_object(SystemExit))
    raise NoAnswer


def _resident() -> int:
    """Return the bytes of memory that this process holds; 0 where the system does not say."""
    try:
        return int(STATM.read_bytes().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0
