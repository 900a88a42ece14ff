"""Read a pickle as data: a small interpreter of the opcodes that can call nothing.

A pickle is a program for a stack machine whose dangerous instructions name a global and call it. Here a global is
only ever a pair of strings, and a "call" only ever an entry of a closed table of pure functions given by the caller;
everything else is `UnsafeCheckpoint`. Byte strings are not copied: they stay places in the file, so that tensors can
be read from there and written back to there.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any

from guide_plugin import AdapterError, UnsafeCheckpoint
from hub_adapters.checkpoints.pickle_opcodes import MARK, OPCODES, STOP
from hub_adapters.checkpoints.pickle_values import READING_ERRORS, Global, Handler, Instance

MOST_STEPS = 200_000
"""The largest known file takes 40 000; a byte of a pickle can ask for two hundred bytes of memory."""

_SIZED = frozenset({str, tuple, list, dict, set, frozenset})


class PickleStream:
    """One file, from which pickles are read one after another.

    Args:
        data: the file's bytes, usually a memory map.
        name: the file's name, for messages.
        calls: the closed table: what each callable global gives.
        classes: globals that may be instantiated; they become `Instance`.
        persistent: what a persistent id gives; None refuses them.
        survey: note forbidden globals in `forbidden` instead of refusing, and leave what they would build opaque.
    """

    def __init__(
        self,
        data: memoryview,
        name: str,
        calls: Mapping[Global, Handler],
        classes: frozenset[Global],
        persistent: Handler | None = None,
        survey: bool = False,
    ) -> None:
        self.data, self.name, self.calls, self.classes, self.persistent = data, name, calls, classes, persistent
        self.survey = survey
        self.globals: dict[Global, int] = {}
        self.forbidden: set[Global] = set()
        self.position = self.steps = self.copied = 0

    def load(self, start: int) -> Any:
        """Interpret the pickle at `start`; afterwards `position` is behind its end.

        Raises:
            UnsafeCheckpoint: it calls or instantiates a global that is not in the tables.
            AdapterError: it is cut short or malformed.
        """
        self.position = start
        self.stack: list[Any] = []
        self.push = self.stack.append
        self.memo: dict[int, Any] = {}
        data, opcodes = self.data, OPCODES
        try:
            for steps in range(self.steps, MOST_STEPS):  # noqa: B007
                opcode = data[self.position]
                self.position += 1
                if opcode == STOP:
                    break
                opcodes[opcode](self)
            else:
                raise ValueError("more steps than weights need")
            self.steps = steps
            (result,) = self.stack
        except READING_ERRORS as error:
            raise AdapterError(
                f"{self.name}: the pickle is cut short or damaged near byte {self.position} ({type(error).__name__}).",
                "Fetch the file again.",
            ) from error
        return result

    def take(self, n: int) -> memoryview:
        """Return the next `n` bytes, uncopied, and go behind them."""
        end = self.position + n
        if n < 0 or end > len(self.data):
            raise ValueError("past the end of the file")
        taken = self.data[self.position : end]
        self.position = end
        return taken

    def byte(self) -> int:
        """Return the next byte as a number."""
        self.position += 1
        return self.data[self.position - 1]

    def number(self, form: str) -> int:
        """Return the next number of this `struct` format."""
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def line(self) -> str:
        """Return the next line of text without its end, at most 4096 bytes."""
        end = bytes(self.data[self.position : self.position + 4096]).index(b"\n")
        return bytes(self.take(end + 1)[:-1]).decode("utf-8")

    def since_mark(self) -> list[Any]:
        """Take what lies on the stack above the last mark, and the mark."""
        for i in range(len(self.stack) - 1, -1, -1):
            if self.stack[i] is MARK:
                items = self.stack[i + 1 :]
                del self.stack[i:]
                return items
        raise ValueError("no mark")

    def container(self, kind: type) -> Any:
        """Return the top of the stack, which must be of exactly this kind."""
        if type(self.stack[-1]) is not kind:
            raise TypeError(kind.__name__)
        return self.stack[-1]

    def mapping(self) -> dict[Any, Any]:
        """Return the top of the stack, where items can be set."""
        top = self.stack[-1]
        return top.items if isinstance(top, Instance) else self.container(dict)

    def named(self, module: Any, name: Any) -> Global:
        """Note that a global is named.

        Raises:
            UnsafeCheckpoint: it is in neither table.
        """
        if not isinstance(module, str) or not isinstance(name, str):
            raise TypeError("global")
        found = Global(module, name)
        self.globals[found] = self.globals.get(found, 0) + 1
        if found not in self.calls and found not in self.classes:
            self.forbidden.add(found)
            if self.survey:
                return found
            raise UnsafeCheckpoint(
                f"{self.name} asks for {found}, which reading weights does not need.",
                "Nothing was run. Do not open this file with other tools; ask its owner for a safetensors file.",
            )
        return found

    def call(self, called: Any, arguments: Any) -> Any:
        """Give what the table has for a call."""
        if not isinstance(called, Global) or not isinstance(arguments, tuple):
            raise TypeError("call")
        for argument in arguments:
            if type(argument) in _SIZED:
                self.copied += len(argument)
        if self.copied > 2 * len(self.data):
            raise ValueError("more arguments than the file holds")
        handler = self.calls.get(called)
        return self.instance(called, arguments, {}) if handler is None else handler(*arguments)

    def instance(self, cls: Any, arguments: Any, keywords: Any) -> Instance:
        """Give an object of one of the classes that may be instantiated."""
        if not isinstance(cls, Global) or not isinstance(arguments, tuple) or keywords:
            raise TypeError("instance")
        if cls not in self.classes and not self.survey:
            raise TypeError("instance")
        return Instance(cls, arguments)
