"""Checkpoints that want something run, or more memory or time than reading them is worth: refused, nothing done."""

from __future__ import annotations

import struct
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from guide_plugin import AdapterError, UnlearnError, UnsafeCheckpoint
from tests.hostile_pickles import (
    CARRIERS,
    Code,
    as_archive,
    as_network_pickle,
    call,
    code,
    complete,
    legacy,
    module,
    named,
    read,
    read_bounded,
    storage,
    storage_id,
    tensor,
)

RAN: list[object] = []
"""A call to `append` from a pickle would be seen here."""

FORBIDDEN = {
    "os.system": lambda touch: call("os", "system", touch),
    "posix.system": lambda touch: call("posix", "system", touch),
    "subprocess.Popen": lambda touch: call("subprocess", "Popen", touch, -1),
    "builtins.eval": lambda touch: call("builtins", "eval", f"__import__('os').system({touch!r})"),
    "builtins.exec": lambda touch: call("builtins", "exec", f"__import__('os').system({touch!r})"),
    "__builtin__.eval": lambda touch: call("__builtin__", "eval", f"__import__('os').system({touch!r})"),
    "functools.partial": lambda touch: Code(call("functools", "partial", named("os", "system"), touch) + b")R"),
    "builtins.getattr": lambda touch: call("builtins", "getattr", named("os", "path"), "join"),
    "operator.attrgetter": lambda touch: call("operator", "attrgetter", "os.system"),
    "tests.test_unsafe_checkpoints.RAN.append": lambda touch: Code(
        code("tests.test_unsafe_checkpoints") + code("RAN.append") + b"\x93\x8c\x01x\x85R"
    ),
    "os.path.join": lambda touch: Code(code("os") + code("path.join") + b"\x93"),
    "torch.FloatStorage.__class__": lambda touch: Code(code("torch") + code("FloatStorage.__class__") + b"\x93"),
    "torch.load": lambda touch: call("torch", "load", "other.pkl"),
    "torch.serialization.load": lambda touch: call("torch.serialization", "load", "other.pkl"),
    "pickle.loads": lambda touch: call("pickle", "loads", complete(call("os", "system", touch))),
    "copyreg._reconstructor": lambda touch: call("copyreg", "_reconstructor", named("os", "system"), None, None),
    "builtins.object.__reduce_ex__": lambda touch: Code(code("builtins") + code("object.__reduce_ex__") + b"\x93"),
    "pathlib.Path": lambda touch: Code(named("pathlib", "Path") + b")\x81"),
    "types.CodeType": lambda touch: Code(named("types", "CodeType") + b")}\x92"),
}

MALFORMED = {
    "INST": lambda touch: Code(b"(" + code(touch) + b"ios\nsystem\n"),
    "OBJ": lambda touch: Code(b"(" + named("collections", "OrderedDict") + b"o"),
    "EXT1": lambda touch: Code(b"\x82\x01"),
    "EXT2": lambda touch: Code(b"\x83\x01\x00"),
    "EXT4": lambda touch: Code(b"\x84\x01\x00\x00\x00"),
    "PERSID": lambda touch: Code(b"Pos.system\n"),
    "BINPERSID of text": lambda touch: Code(code("os.system") + b"Q"),
    "NEXT_BUFFER": lambda touch: Code(b"\x97"),
    "a called string": lambda touch: Code(code("os.system") + code((touch,)) + b"R"),
    "a called result": lambda touch: Code(code(call("collections", "OrderedDict")) + code((touch,)) + b"R"),
    "arguments that are no tuple": lambda touch: Code(named("collections", "OrderedDict") + code([]) + b"R"),
    "STACK_GLOBAL of numbers": lambda touch: Code(b"K\x01K\x02\x93"),
    "__setstate__ on a dict": lambda touch: Code(b"}" + code({"__class__": "x"}) + b"b" + b"0K\x01K\x02\x93"),
    "NEWOBJ of a callable": lambda touch: Code(named("collections", "OrderedDict") + b")\x81"),
    "NEWOBJ_EX with keywords": lambda touch: Code(named("torch", "FloatStorage") + b")" + code({"a": 1}) + b"\x92"),
    "BUILD of a number": lambda touch: Code(b"K\x01}b"),
    "protocol 255": lambda touch: Code(b"\x80\xff"),
    "no mark": lambda touch: Code(b"t"),
    "an empty stack": lambda touch: Code(b"0" * 10),
    "an unknown opcode": lambda touch: Code(b"\xff"),
}


@pytest.fixture(autouse=True)
def nothing_ran_or_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Give `tempfile` an empty folder of its own, and look afterwards for whatever a hostile file could have done."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    yield
    assert not list(scratch.iterdir())
    assert not (tmp_path / "ran").exists()
    assert not RAN


def refused(path: Path) -> UnlearnError:
    before = {file for file in path.parent.rglob("*")}
    with pytest.raises((UnsafeCheckpoint, AdapterError)) as caught:
        read(path)
    assert path.name in str(caught.value)
    assert {file for file in path.parent.rglob("*")} == before
    return caught.value


@pytest.mark.parametrize("carrier", CARRIERS)
@pytest.mark.parametrize("wanted", FORBIDDEN)
def test_forbidden_globals(tmp_path: Path, wanted: str, carrier: Callable[[Any, Path], Path]) -> None:
    error = refused(carrier(FORBIDDEN[wanted](f"touch {tmp_path / 'ran'}"), tmp_path / "model"))
    assert isinstance(error, UnsafeCheckpoint)
    assert wanted in str(error)


@pytest.mark.parametrize("carrier", CARRIERS)
def test_nested_calls(tmp_path: Path, carrier: Callable[[Any, Path], Path]) -> None:
    chain = call("os", "system", f"touch {tmp_path / 'ran'}")
    for _ in range(50):
        chain = call("collections", "OrderedDict", [("x", chain)])
    assert "os.system" in str(refused(carrier(chain, tmp_path / "model")))


@pytest.mark.parametrize("carrier", CARRIERS)
@pytest.mark.parametrize("kind", MALFORMED)
def test_opcodes_that_weights_do_not_need(tmp_path: Path, kind: str, carrier: Callable[[Any, Path], Path]) -> None:
    refused(carrier(MALFORMED[kind](f"touch {tmp_path / 'ran'}"), tmp_path / "model"))


@pytest.mark.parametrize(
    "built",
    [
        Code(named("dnnlib.util", "EasyDict") + b")\x81" + code({"__setstate__": "x", "state": 1}) + b"b"),
        Code(named("numpy", "ndarray") + b")\x81" + code((1, (2**40,), None, False, b"")) + b"b"),
        Code(named("torch.nn.modules.container", "Sequential") + b")\x81" + code({"_modules": 7}) + b"b"),
        Code(named("torch.nn.modules.container", "Sequential") + b")\x81" + code({"_modules": {"x": 7}}) + b"b"),
        module(children={"synthesis": module("S", {1: tensor()}), "mapping": module("M")}),
        module(children={"synthesis": 3}),
        module(children=[1, 2]),
        module(tensors=[tensor()]),
        call("torch_utils.persistence", "_reconstruct_persistent_obj", {"type": "function"}),
        call("torch_utils.persistence", "_reconstruct_persistent_obj", None),
        call("torch.storage", "_load_from_bytes", b""),
        call("torch.storage", "_load_from_bytes", "text"),
        call("numpy.core.multiarray", "_reconstruct", 1, 2),
        tensor(),
    ],
)
def test_states_of_another_kind(tmp_path: Path, built: Code) -> None:
    refused(as_network_pickle(built, tmp_path / "model"))


TENSORS = {
    "offset beyond": tensor(offset=1),
    "negative offset": tensor(offset=-1),
    "negative stride": tensor(stride=(-1,), offset=3),
    "huge shape, stride 0": tensor((2**40,), (0,)),
    "2^40 elements": tensor((2**20, 2**20), (2**20, 1)),
    "huge stride": tensor((2, 2), (2**62, 1)),
    "a storage of 2^40": tensor((2**40,), (1,), held=storage(4, 2**40)),
    "a storage of -1": tensor((0,), (1,), held=storage(4, -1)),
    "shape of text": tensor("ab", "ab"),
    "shape of floats": tensor((2.0,), (1,)),
    "shape without strides": tensor((4,), ()),
    "a number for storage": tensor(held=Code(b"K\x01")),
    "elements that overlap": tensor((2, 2), (1, 1)),
}


@pytest.mark.parametrize("kind", TENSORS)
def test_tensors_that_claim_what_is_not_theirs(tmp_path: Path, kind: str) -> None:
    path = as_network_pickle(module(tensors={"weight": TENSORS[kind]}), tmp_path / "model")
    assert "damaged" in str(refused(path))
    assert "model.pkl" in read_bounded(path, megabytes=64)


@pytest.mark.parametrize(
    "length", [b"B\xff\xff\xff\xff", b"X\xff\xff\xff\xff", b"\x8e" + b"\xff" * 8, b"\x8d" + b"\x7f" * 8]
)
@pytest.mark.parametrize("carrier", CARRIERS)
def test_lengths_beyond_the_file(tmp_path: Path, length: bytes, carrier: Callable[[Any, Path], Path]) -> None:
    path = carrier(Code(length), tmp_path / "model")
    refused(path)
    assert path.name in read_bounded(path, megabytes=64)


def test_archives_with_tricks(tmp_path: Path) -> None:
    state = {"g_ema": {"input.input": tensor(held=storage_id(key="0"))}}
    entries = {"model/data.pkl": complete(state, 2), "model/data/0": bytes(16)}

    def write(changes: dict[str, bytes], compress: int = zipfile.ZIP_STORED) -> Path:
        path = tmp_path / "model.pt"
        with zipfile.ZipFile(path, "w", compress) as archive:
            for name, content in {**entries, **changes}.items():
                archive.writestr(name, content)
        return path

    assert "compressed" in str(refused(write({}, zipfile.ZIP_DEFLATED)))
    bomb = write({"model/data/0": bytes(1 << 28)}, zipfile.ZIP_DEFLATED)
    assert "compressed" in read_bounded(bomb, megabytes=64)
    for key in ("../../../etc/passwd", "/etc/passwd", "1", 3, ("0",), None):
        refused(write({"model/data.pkl": complete({"g_ema": {"x": storage_id(key=key)}}, 2)}))
    refused(write({"model/data/0": bytes(12)}))
    refused(write({"other/data.pkl": entries["model/data.pkl"]}))
    plain = write({}).read_bytes()
    at = plain.index(b"PK\x01\x02")
    for field, value in (
        (10, b"\x08\x00"),
        (20, struct.pack("<I", 2**31)),
        (42, b"\xff\xff\xff\x7f"),
        (6, b"\xff\xff"),
    ):
        (tmp_path / "model.pt").write_bytes(plain[: at + field] + value + plain[at + field + len(value) :])
        refused(tmp_path / "model.pt")


def test_legacy_files_whose_parts_disagree(tmp_path: Path) -> None:
    found = {"g_ema": {"x": tensor(held=storage_id())}}
    path = tmp_path / "model.pt"
    whole = legacy(found)
    for content in (legacy(found, ()), legacy(found, ("1",)), legacy(found, ("0", "0")), legacy(found, numel=3)):
        path.write_bytes(content)
        refused(path)
    for cut in (1, 8, 16, 17, 24, 25):
        path.write_bytes(whole[:-cut])
        refused(path)


def test_big_endian_archives(tmp_path: Path) -> None:
    path = as_archive({"x": tensor(held=storage_id())}, tmp_path / "model")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("model/byteorder", b"big")
    assert "endian" in str(refused(path))


def test_messages_cannot_be_abused(tmp_path: Path) -> None:
    """No terminal escapes, no lone surrogates, nothing endless."""
    name = Code(b"X" + struct.pack("<I", 9) + b"\x1b[31m\xed\xa0\x80x")
    path = as_network_pickle(Code(code("os" * 100_000) + code("\x1b[31mred") + b"\x93"), tmp_path / "model")
    message = str(refused(path))
    assert len(message) < 1000
    assert "\x1b" not in message
    str(refused(as_network_pickle(Code(code("os") + name + b"\x93"), tmp_path / "model"))).encode()
    assert "\x1b" not in str(refused(as_network_pickle(module("\x1b[31mred", {"a": tensor()}), tmp_path / "model")))
