"""Standard output belongs to the result: what plugins, models and their libraries print goes to standard error."""

from __future__ import annotations

import ctypes
import io
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout
from typing import Any, TextIO


@contextmanager
def kept_for_the_result() -> Iterator[None]:
    """Send to standard error what is printed meanwhile, also by child processes and by code that is not Python."""
    with ExitStack() as undo:
        if _is_the_process_own(sys.stdout):
            sys.stdout.flush()
            kept = os.dup(1)
            os.dup2(2, 1)
            undo.callback(os.close, kept)
            undo.callback(os.dup2, kept, 1)
            undo.callback(_flush_c)
        undo.enter_context(redirect_stdout(sys.stderr))
        yield


def _is_the_process_own(stream: TextIO) -> bool:
    try:
        return stream.fileno() == 1
    except (OSError, ValueError):  # a stream in memory, or a closed one
        return False


def _flush_c() -> None:
    """Have C's own buffer written while it still goes to standard error, not when the process ends."""
    if os.name == "posix":
        ctypes.CDLL(None).fflush(None)


def under_name(plugin: str) -> TextIO:
    """Return a text stream onto standard error whose every line begins with the plugin's name."""
    return io.TextIOWrapper(io.BufferedWriter(_UnderName(plugin)), "utf-8", "replace", line_buffering=True)


class _UnderName(io.RawIOBase):
    def __init__(self, plugin: str) -> None:
        self.plugin, self.in_line = plugin, False

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        for line in bytes(data).decode("utf-8", "replace").splitlines(keepends=True):
            sys.stderr.write(line if self.in_line else f"{self.plugin}: {line}")
            self.in_line = not line.endswith("\n")
        return len(data)
