"""Read a pickle as data: a small interpreter of the opcodes that can call nothing.

A pickle is a program for a stack machine whose dangerous instructions name a global and call it. Here a global is
only ever a pair of strings, and a "call" only ever an entry of a closed table of pure functions given by the caller;
everything else is `UnsafeCheckpoint`. Byte strings are not copied: they stay places in the file, so that tensors can
be read from there and written back to there.

Source: the opcodes of protocols 2 to 5 as CPython's `pickletools` documents them.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any

from guide_plugin import AdapterError, UnsafeCheckpoint
from hub_adapters.checkpoints.pickle_values import READING_ERRORS, Global, Handler, Instance, Place, Text, check_keys

MOST_STEPS = 200_000
"""The largest known file takes 40 000; a byte of a pickle can ask for two hundred bytes of memory."""

_MARK = object()
_INTEGERS = {b"K": "<B", b"M": "<H", b"J": "<i"}
_CONSTANTS = {b"N": None, b"\x88": True, b"\x89": False}
_EMPTY = {b"}": dict, b"]": list, b")": tuple, b"\x8f": set}
_TEXT = {b"\x8c": "<B", b"X": "<I", b"\x8d": "<Q"}
_BYTES = {b"C": "<B", b"B": "<I", b"\x8e": "<Q", b"\x96": "<Q"}


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
        self.memo: dict[int, Any] = {}
        try:
            while (opcode := bytes(self._take(1))) != b".":
                self.steps += 1
                if self.steps > MOST_STEPS:
                    raise ValueError("more steps than weights need")
                self._step(opcode)
            (result,) = self.stack
        except READING_ERRORS as error:
            raise AdapterError(
                f"{self.name}: the pickle is cut short or damaged near byte {self.position} ({type(error).__name__}).",
                "Fetch the file again.",
            ) from error
        return result

    def _take(self, n: int) -> memoryview:
        end = self.position + n
        if n < 0 or end > len(self.data):
            raise ValueError("past the end of the file")
        taken = self.data[self.position : end]
        self.position = end
        return taken

    def _number(self, form: str) -> int:
        return struct.unpack(form, self._take(struct.calcsize(form)))[0]

    def _line(self) -> str:
        end = bytes(self.data[self.position : self.position + 4096]).index(b"\n")
        line = bytes(self._take(end + 1)[:-1])
        return line.decode("utf-8")

    def _since_mark(self) -> list[Any]:
        for i in range(len(self.stack) - 1, -1, -1):
            if self.stack[i] is _MARK:
                items = self.stack[i + 1 :]
                del self.stack[i:]
                return items
        raise ValueError("no mark")

    def _step(self, opcode: bytes) -> None:
        push = self.stack.append
        match opcode:
            case b"q" | b"r":
                self.memo[self._number("<B" if opcode == b"q" else "<I")] = self.stack[-1]
            case b"h" | b"j":
                push(self.memo[self._number("<B" if opcode == b"h" else "<I")])
            case b"\x94":
                self.memo[len(self.memo)] = self.stack[-1]
            case b"K" | b"M" | b"J":
                push(self._number(_INTEGERS[opcode]))
            case b"\x8c" | b"X" | b"\x8d":
                length = self._number(_TEXT[opcode])
                place = Place(self.position, length)
                text = Text(bytes(self._take(length)).decode("utf-8"))
                text.place = place
                push(text)
            case b"}" | b"]" | b")" | b"\x8f":
                push(_EMPTY[opcode]())
            case b"(":
                push(_MARK)
            case b"N" | b"\x88" | b"\x89":
                push(_CONSTANTS[opcode])
            case b"R":
                arguments, called = self.stack.pop(), self.stack.pop()
                push(self._call(called, arguments))
            case b"\x85" | b"\x86" | b"\x87":
                n = opcode[0] - 0x84
                self.stack[-n:] = [tuple(self.stack[-n:])]
            case b"t":
                push(tuple(self._since_mark()))
            case b"u":
                items = self._since_mark()
                check_keys(items[::2])
                self._mapping().update(zip(items[::2], items[1::2], strict=True))
            case b"\x80":
                if not 2 <= (protocol := self._number("<B")) <= 5:
                    raise ValueError(f"protocol {protocol}")
            case b"\x95":
                self._take(8)
            case b"\x8a" | b"\x8b":
                length = self._number("<B" if opcode == b"\x8a" else "<I")
                if length > 1024:
                    raise ValueError("a number of over 1024 bytes")
                push(int.from_bytes(self._take(length), "little", signed=True))
            case b"G":
                push(struct.unpack(">d", self._take(8))[0])
            case b"C" | b"B" | b"\x8e" | b"\x96":
                length = self._number(_BYTES[opcode])
                push(Place(self.position, length))
                self._take(length)
            case b"l":
                push(self._since_mark())
            case b"d":
                items = self._since_mark()
                check_keys(items[::2])
                push(dict(zip(items[::2], items[1::2], strict=True)))
            case b"e":
                items = self._since_mark()
                self._container(list).extend(items)
            case b"a":
                item = self.stack.pop()
                self._container(list).append(item)
            case b"\x90":
                items = self._since_mark()
                check_keys(items)
                self._container(set).update(items)
            case b"\x91":
                items = self._since_mark()
                check_keys(items)
                push(frozenset(items))
            case b"s":
                value, key = self.stack.pop(), self.stack.pop()
                check_keys([key])
                self._mapping()[key] = value
            case b"0" | b"1":
                self.stack.pop() if opcode == b"0" else self._since_mark()
            case b"2":
                push(self.stack[-1])
            case b"c":
                push(self._global(self._line(), self._line()))
            case b"\x93":
                name, module = self.stack.pop(), self.stack.pop()
                push(self._global(module, name))
            case b"\x81" | b"\x92":
                keywords = self.stack.pop() if opcode == b"\x92" else {}
                arguments, cls = self.stack.pop(), self.stack.pop()
                push(self._instance(cls, arguments, keywords))
            case b"b":
                state = self.stack.pop()
                self._build(self.stack[-1], state)
            case b"Q":
                if self.persistent is None:
                    raise ValueError("persistent id")
                push(self.persistent(self.stack.pop()))
            case _:
                raise ValueError(f"opcode {opcode!r}")

    def _container(self, kind: type) -> Any:
        if type(self.stack[-1]) is not kind:
            raise TypeError(kind.__name__)
        return self.stack[-1]

    def _mapping(self) -> dict[Any, Any]:
        top = self.stack[-1]
        return top.items if isinstance(top, Instance) else self._container(dict)

    def _global(self, module: Any, name: Any) -> Global:
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

    def _call(self, called: Any, arguments: Any) -> Any:
        if not isinstance(called, Global) or not isinstance(arguments, tuple):
            raise TypeError("call")
        self.copied += sum(len(a) for a in arguments if isinstance(a, str | tuple | list | dict | set | frozenset))
        if self.copied > 2 * len(self.data):
            raise ValueError("more arguments than the file holds")
        if called in self.calls:
            return self.calls[called](*arguments)
        return self._instance(called, arguments, {})

    def _instance(self, cls: Any, arguments: Any, keywords: Any) -> Instance:
        if not isinstance(cls, Global) or not isinstance(arguments, tuple) or keywords:
            raise TypeError("instance")
        if cls not in self.classes and not self.survey:
            raise TypeError("instance")
        return Instance(cls, arguments)

    def _build(self, target: Any, state: Any) -> None:
        if isinstance(target, Instance):
            target.state = state
        elif type(target) is not dict:  # attributes of an OrderedDict, such as a state dict's _metadata, say nothing
            raise TypeError("build")
