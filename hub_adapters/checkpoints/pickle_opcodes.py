"""What each opcode of a pickle does to the stack, the memo and the position; none of it can call anything.

Source: the opcodes of protocols 2 to 5 as CPython's `pickletools` documents them.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TYPE_CHECKING

from hub_adapters.checkpoints.pickle_values import Instance, LongText, Place, check_keys

if TYPE_CHECKING:
    from hub_adapters.checkpoints.pickle_stream import PickleStream

Step = Callable[["PickleStream"], None]

MARK = object()
STOP = ord(".")
LONGEST_NAME = 200
"""Longer texts are source code, or bytes that protocol 2 wrote as text: they are left where they lie."""

OPCODES: dict[int, Step] = {
    opcode[0]: step
    for opcode, step in {
        b"N": lambda stream: stream.push(None),
        b"\x88": lambda stream: stream.push(True),
        b"\x89": lambda stream: stream.push(False),
        b"(": lambda stream: stream.push(MARK),
        b"}": lambda stream: stream.push({}),
        b"]": lambda stream: stream.push([]),
        b")": lambda stream: stream.push(()),
        b"\x8f": lambda stream: stream.push(set()),
        b"K": lambda stream: stream.push(stream.byte()),
        b"M": lambda stream: stream.push(stream.number("<H")),
        b"J": lambda stream: stream.push(stream.number("<i")),
        b"G": lambda stream: stream.push(struct.unpack(">d", stream.take(8))[0]),
        b"\x8a": lambda stream: stream.push(_whole_number(stream, stream.byte())),
        b"\x8b": lambda stream: stream.push(_whole_number(stream, stream.number("<I"))),
        b"\x8c": lambda stream: stream.push(_text(stream, stream.byte(), Place)),
        b"X": lambda stream: stream.push(_text(stream, stream.number("<I"), LongText)),
        b"\x8d": lambda stream: stream.push(_text(stream, stream.number("<Q"), Place)),
        b"C": lambda stream: stream.push(_place(stream, stream.byte())),
        b"B": lambda stream: stream.push(_place(stream, stream.number("<I"))),
        b"\x8e": lambda stream: stream.push(_place(stream, stream.number("<Q"))),
        b"\x96": lambda stream: stream.push(_place(stream, stream.number("<Q"))),
        b"h": lambda stream: stream.push(stream.memo[stream.byte()]),
        b"j": lambda stream: stream.push(stream.memo[stream.number("<I")]),
        b"2": lambda stream: stream.push(stream.stack[-1]),
        b"t": lambda stream: stream.push(tuple(stream.since_mark())),
        b"l": lambda stream: stream.push(stream.since_mark()),
        b"c": lambda stream: stream.push(stream.named(stream.line(), stream.line())),
    }.items()
}
"""The instructions that reading weights takes, by their byte; any other is an error."""


def _opcode(code: bytes) -> Callable[[Step], None]:
    def register(step: Step) -> None:
        OPCODES[code[0]] = step

    return register


def _whole_number(stream: PickleStream, length: int) -> int:
    if length > 1024:
        raise ValueError("a number of over 1024 bytes")
    return int.from_bytes(stream.take(length), "little", signed=True)


def _place(stream: PickleStream, length: int) -> Place:
    place = Place(stream.position, length)
    stream.take(length)
    return place


def _text(stream: PickleStream, length: int, long: type[Place | LongText]) -> str | Place | LongText:
    if length <= LONGEST_NAME:
        return str(stream.take(length), "utf-8")
    return long(*_place(stream, length))


@_opcode(b"\x80")
def _protocol(stream: PickleStream) -> None:
    if not 2 <= (protocol := stream.byte()) <= 5:
        raise ValueError(f"protocol {protocol}")


@_opcode(b"\x95")
def _frame(stream: PickleStream) -> None:
    stream.take(8)


@_opcode(b"\x94")
def _memoize(stream: PickleStream) -> None:
    stream.memo[len(stream.memo)] = stream.stack[-1]


@_opcode(b"q")
def _put(stream: PickleStream) -> None:
    stream.memo[stream.byte()] = stream.stack[-1]


@_opcode(b"r")
def _long_put(stream: PickleStream) -> None:
    stream.memo[stream.number("<I")] = stream.stack[-1]


@_opcode(b"0")
def _pop(stream: PickleStream) -> None:
    stream.stack.pop()


@_opcode(b"1")
def _pop_mark(stream: PickleStream) -> None:
    stream.since_mark()


@_opcode(b"\x85")
def _tuple1(stream: PickleStream) -> None:
    stream.stack[-1:] = [tuple(stream.stack[-1:])]


@_opcode(b"\x86")
def _tuple2(stream: PickleStream) -> None:
    stream.stack[-2:] = [tuple(stream.stack[-2:])]


@_opcode(b"\x87")
def _tuple3(stream: PickleStream) -> None:
    stream.stack[-3:] = [tuple(stream.stack[-3:])]


@_opcode(b"u")
def _set_items(stream: PickleStream) -> None:
    items = stream.since_mark()
    check_keys(items[::2])
    stream.mapping().update(zip(items[::2], items[1::2], strict=True))


@_opcode(b"s")
def _set_item(stream: PickleStream) -> None:
    value, key = stream.stack.pop(), stream.stack.pop()
    check_keys([key])
    stream.mapping()[key] = value


@_opcode(b"d")
def _dict(stream: PickleStream) -> None:
    items = stream.since_mark()
    check_keys(items[::2])
    stream.push(dict(zip(items[::2], items[1::2], strict=True)))


@_opcode(b"e")
def _appends(stream: PickleStream) -> None:
    items = stream.since_mark()
    stream.container(list).extend(items)


@_opcode(b"a")
def _append(stream: PickleStream) -> None:
    item = stream.stack.pop()
    stream.container(list).append(item)


@_opcode(b"\x90")
def _add_items(stream: PickleStream) -> None:
    items = stream.since_mark()
    check_keys(items)
    stream.container(set).update(items)


@_opcode(b"\x91")
def _frozenset(stream: PickleStream) -> None:
    items = stream.since_mark()
    check_keys(items)
    stream.push(frozenset(items))


@_opcode(b"\x93")
def _stack_global(stream: PickleStream) -> None:
    name, module = stream.stack.pop(), stream.stack.pop()
    stream.push(stream.named(module, name))


@_opcode(b"R")
def _reduce(stream: PickleStream) -> None:
    arguments, called = stream.stack.pop(), stream.stack.pop()
    stream.push(stream.call(called, arguments))


@_opcode(b"\x81")
def _new_object(stream: PickleStream) -> None:
    arguments, cls = stream.stack.pop(), stream.stack.pop()
    stream.push(stream.instance(cls, arguments, {}))


@_opcode(b"\x92")
def _new_object_with_keywords(stream: PickleStream) -> None:
    keywords, arguments, cls = stream.stack.pop(), stream.stack.pop(), stream.stack.pop()
    stream.push(stream.instance(cls, arguments, keywords))


@_opcode(b"b")
def _build(stream: PickleStream) -> None:
    state = stream.stack.pop()
    target = stream.stack[-1]
    if isinstance(target, Instance):
        target.state = state
    elif type(target) is not dict:  # attributes of an OrderedDict, such as a state dict's _metadata, say nothing
        raise TypeError("build")


@_opcode(b"Q")
def _persistent_id(stream: PickleStream) -> None:
    if stream.persistent is None:
        raise ValueError("persistent id")
    stream.push(stream.persistent(stream.stack.pop()))
