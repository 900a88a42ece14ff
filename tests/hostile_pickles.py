"""An assembler for pickles that no honest program writes, and a child process in which reading them is bounded."""

from __future__ import annotations

import multiprocessing
import pickle
import resource
import signal
import struct
import zipfile
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch

from guide_plugin import LocalCheckpoint, RepoListing, UnlearnError
from hub_adapters.stylegan2.adapter import StyleGAN2
from hub_adapters.stylegan3.adapter import StyleGAN3

CPU = torch.device("cpu")
MAGIC, VERSION = 0x1950A86A20F9469CFC6C, 1001


class Code(bytes):
    """Opcodes that leave one value on the stack."""


def code(value: Any) -> Code:
    """Assemble a value; `Code` stands for itself."""
    match value:
        case Code():
            return value
        case None | bool():
            return Code({None: b"N", True: b"\x88", False: b"\x89"}[value])
        case int():
            content = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
            return Code(b"\x8b" + struct.pack("<I", len(content)) + content)
        case float():
            return Code(b"G" + struct.pack(">d", value))
        case str():
            return Code(b"X" + struct.pack("<I", len(value.encode())) + value.encode())
        case bytes():
            return Code(b"B" + struct.pack("<I", len(value)) + value)
        case tuple():
            return Code(b"(" + b"".join(map(code, value)) + b"t")
        case list():
            return Code(b"](" + b"".join(map(code, value)) + b"e")
        case dict():
            return Code(b"}(" + b"".join(code(key) + code(item) for key, item in value.items()) + b"u")
    raise TypeError(type(value))


def named(module: str, name: str) -> Code:
    return Code(f"c{module}\n{name}\n".encode())


def call(module: str, name: str, *arguments: Any) -> Code:
    return Code(named(module, name) + code(arguments) + b"R")


def complete(value: Any, protocol: int = 4) -> bytes:
    """Return a whole pickle of an assembled value."""
    return bytes([0x80, protocol]) + code(value) + b"."


def shared(depth: int = 64) -> Code:
    """A value of `depth` opcodes that has 2^depth parts when walked."""
    return Code(b")" + b"2\x86" * depth)


def storage_id(numel: int = 4, key: Any = "0", cls: Any = None) -> Code:
    reference = ("storage", cls or named("torch", "FloatStorage"), key, "cpu", numel)
    return Code(code(reference) + b"Q")


def legacy(found: Any, keys: Any = ("0",), numel: int = 4, data: bytes | None = None) -> bytes:
    """Return a legacy `torch.save` stream around an assembled object."""
    head = b"".join(pickle.dumps(part, 2) for part in (MAGIC, VERSION, {"little_endian": True}))
    data = bytes(4 * numel) if data is None else data
    return head + complete(found, 2) + complete(list(keys), 2) + struct.pack("<q", numel) + data


def storage(numel: int = 4, claimed: int | None = None) -> Code:
    """A nested storage of zeros, as network pickles hold it."""
    reference = (*("storage", named("torch", "FloatStorage"), "0", "cpu", claimed or numel), None)
    return call("torch.storage", "_load_from_bytes", legacy(Code(code(reference) + b"Q"), numel=numel))


def tensor(shape: Any = (4,), stride: Any = (1,), offset: Any = 0, held: Code | None = None) -> Code:
    return call("torch._utils", "_rebuild_tensor_v2", held or storage(), offset, shape, stride, False, named_dict())


def named_dict() -> Code:
    return call("collections", "OrderedDict")


def module(name: Any = "Generator", tensors: Any = None, children: Any = None, **attributes: Any) -> Code:
    """A persistent object as network pickles hold it."""
    state = {**attributes, "_parameters": tensors or {}, "_buffers": {}, "_modules": children or {}}
    meta = {"type": "class", "version": 6, "module_src": "", "class_name": name, "state": state}
    return call("torch_utils.persistence", "_reconstruct_persistent_obj", meta)


def as_network_pickle(value: Any, path: Path) -> Path:
    path = path.with_suffix(".pkl")
    path.write_bytes(complete({"G": None, "D": None, "G_ema": value}))
    return path


def as_nested_storage(value: Any, path: Path) -> Path:
    """Put the value where a storage's bytes promise a storage."""
    return as_network_pickle(
        module(tensors={"weight": tensor(held=call("torch.storage", "_load_from_bytes", legacy(value)))}), path
    )


def as_legacy_file(value: Any, path: Path) -> Path:
    path = path.with_suffix(".pt")
    path.write_bytes(legacy({"g_ema": value}, keys=(), data=b""))
    return path


def as_archive(value: Any, path: Path) -> Path:
    path = path.with_suffix(".pt")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model/data.pkl", complete({"g_ema": value}, 2))
        archive.writestr("model/data/0", bytes(16))
    return path


CARRIERS: list[Callable[[Any, Path], Path]] = [as_network_pickle, as_nested_storage, as_legacy_file, as_archive]


def read(path: Path) -> None:
    """Match the file and load it with every adapter, whatever `match` says; raises the first error."""
    listing = RepoListing({path.name: path.stat().st_size}, {}, path.parent)
    errors: list[UnlearnError] = []
    for adapter in (StyleGAN2, StyleGAN3):
        for attempt in (lambda: adapter.match(listing), lambda: adapter.load(_checkpoint(path), CPU)):  # noqa: B023
            try:
                attempt()
            except UnlearnError as error:
                errors.append(error.with_traceback(None))  # a traceback keeps all that was read
                error.__cause__ = error.__context__ = None
            except KeyError as error:
                if path.suffix not in str(error):  # StyleGAN3 has no .pt files
                    raise
    if errors:
        raise errors[0]


def _checkpoint(path: Path) -> LocalCheckpoint:
    return LocalCheckpoint(path.parent, (path.name,))


def read_bounded(path: Path, seconds: int = 10, megabytes: int = 384) -> str:
    """Read in a child process with so much time and additional memory; returns what came of it."""
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe(duplex=False)
    child = context.Process(target=_child, args=(path, seconds, megabytes, there))
    child.start()
    there.close()
    try:
        told: str = here.recv()
    except EOFError:
        told = ""
    child.join()
    return told or f"killed by signal {-(child.exitcode or 0)}"


def _child(path: Path, seconds: int, megabytes: int, parent: Connection) -> None:
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(seconds)
    now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + (megabytes << 20), resource.RLIM_INFINITY))
    try:
        read(path)
        told = "read"
    except BaseException as error:
        told = type(error).__name__ + ": " + str(error)[:300]
    parent.send(told)
