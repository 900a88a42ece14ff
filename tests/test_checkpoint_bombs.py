"""Small files that would take all memory or all time: each is read in a child that has little of either."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
import torch

from guide_plugin import AdapterError, LocalCheckpoint
from hub_adapters.stylegan2.adapter import StyleGAN2
from hub_adapters.stylegan2.network import Generator
from tests import checkpoint_files as files
from tests.hostile_pickles import (
    Code,
    as_archive,
    as_legacy_file,
    as_network_pickle,
    call,
    code,
    legacy,
    module,
    named,
    read_bounded,
    shared,
    storage_id,
    tensor,
)


def memo(number: int) -> bytes:
    return b"j" + struct.pack("<I", number)


def kept(value: Code, number: int) -> bytes:
    """Put a value into the memo and leave nothing on the stack."""
    return value + b"r" + struct.pack("<I", number) + b"0"


def repeated(setup: bytes, again: bytes, times: int) -> Code:
    """A list of the same little program's values, after a setup that leaves nothing."""
    return Code(setup + b"](" + again * times + b"e")


def wide(levels: int, width: int, leaf: Code) -> Code:
    """Nested lists, each `width` times the one before: width^levels leaves."""
    setup = kept(leaf, 0)
    for level in range(levels):
        setup += kept(Code(b"](" + memo(level) * width + b"e"), level + 1)
    return Code(setup + memo(levels))


def tall(levels: int, width: int, state: dict[str, int]) -> Code:
    """Modules that share their children and their plain attributes: width^levels modules."""
    setup = kept(module("M", None, None, **state), 0)
    for level in range(levels):
        children = {f"c{i}": Code(memo(level)) for i in range(width)}
        setup += kept(module("M", None, children), level + 1)
    return Code(setup + memo(levels))


def itself() -> Code:
    """A module that is its own child."""
    state = Code(b"}r\0\0\0\0")
    meta = {"type": "class", "version": 6, "module_src": "", "class_name": "G", "state": state}
    built = call("torch_utils.persistence", "_reconstruct_persistent_obj", meta)
    children = code({"_modules": {"again": Code(memo(1))}, "_parameters": {}, "_buffers": {}})
    return Code(kept(built, 1) + memo(0) + children[1:] + b"0" + memo(1))


LONG_NAME = "n" * (1 << 18)
ITEMS = list(range(50_000))
REUSED = kept(code(b"\0" * 8), 5)

PICKLES: dict[str, Code] = {
    "a shared tuple as a key": Code(b"}" + shared() + b"Ns"),
    "a shared tuple in a set": Code(b"\x8f(" + shared() + b"\x90"),
    "a shared tuple in a frozenset": Code(b"(" + shared() + b"\x91"),
    "a shared tuple in an OrderedDict": call("collections", "OrderedDict", [(shared(), None)]),
    "a shared tuple in a set call": call("builtins", "set", [shared()]),
    "a deep tuple as a key": Code(b"})" + b"\x85" * 900_000 + b"Ns"),
    "a deep tuple": Code(b")" + b"\x85" * 900_000),
    "a deep list": Code(b"]" * 500_000 + b"a" * 499_999),
    "a deep dict": Code(b"}" + b"N}" * 300_000 + b"s" * 300_000),
    "a shared class name": module(shared()),
    "a deep class name": module(Code(b")" + b"\x85" * 5000)),
    "a shared activation": module(
        children={
            "mapping": module("M"),
            "synthesis": module(
                "S", children={"b4": module("B", children={"conv1": module("C", activation=shared())})}
            ),
        }
    ),
    "a huge memo index": Code(b"Nr\xff\xff\xff\xff0" + memo(2**32 - 1)),
    "a missing memo index": Code(memo(2**32 - 1)),
    "a list that holds itself": Code(b"]r\0\0\0\0" + memo(0) + b"a"),
    "a dict that holds itself": Code(b"}r\0\0\0\0" + code("_modules") + memo(0) + b"s"),
    "a module that holds itself": itself(),
    "one list, many sets": repeated(kept(code(ITEMS), 0), named("builtins", "set") + memo(0) + b"\x85R", 20_000),
    "one list, many dicts": repeated(
        kept(code([(i, i) for i in range(20_000)]), 0), named("collections", "OrderedDict") + memo(0) + b"\x85R", 20_000
    ),
    "one text, encoded often": repeated(
        kept(code("\xe9" * 200_000), 0),
        named("_codecs", "encode") + b"(" + memo(0) + code("latin1") + b"tR",
        20_000,
    ),
    "one storage, read often": repeated(
        kept(code(legacy(Code(b"(" + b"N" * 200_000 + b"t"), keys=(), data=b"")), 0),
        named("torch.storage", "_load_from_bytes") + memo(0) + b"\x85R",
        2000,
    ),
    "millions of sets": Code(b"(" + b"\x8f" * 5_000_000 + b"t"),
    "shared modules": tall(16, 8, {}),
    "shared modules with many attributes": tall(5, 8, {f"a{i}": i for i in range(20_000)}),
    "long names": Code(
        kept(code(LONG_NAME), 9)
        + module("M", None, {f"c{i}": module("M", Code(b"}(" + memo(9) + tensor() + b"u")) for i in range(20)})
        + b"r\x08\0\0\0"
        + b"0"
        + tall(4, 20, {}).replace(memo(0), memo(8))
    ),
    "a shape of huge numbers": repeated(
        kept(code(1 << 8000), 0) + kept(Code(b"(" + memo(0) * 100_000 + b"t"), 1),
        tensor(Code(memo(1)), Code(memo(1))),
        1,
    ),
    "a number of many digits": tensor(offset=Code(b"\x8b\xff\xff\xff\x7f")),
    "a negative length": Code(b"\x8b\xff\xff\xff\xff"),
}

TORCH_FILES: dict[str, Code] = {
    "lists of lists of lists": wide(9, 100, tensor(held=storage_id())),
    "a shared storage class": Code(code(("storage", shared(), "0", "cpu", 4)) + b"Q"),
    "a shared key": Code(code(("storage", named("torch", "FloatStorage"), shared(), "cpu", 4)) + b"Q"),
    "a shared location": storage_id(key=shared()),
    "a shared reference": Code(shared() + b"Q"),
}


@pytest.mark.parametrize("kind", PICKLES)
def test_network_pickles(tmp_path: Path, kind: str) -> None:
    told = read_bounded(as_network_pickle(PICKLES[kind], tmp_path / "model"))
    assert told.startswith(("AdapterError: model.pkl", "WrongFamily: model.pkl")), told


@pytest.mark.parametrize("carrier", [as_legacy_file, as_archive])
@pytest.mark.parametrize(
    "kind", [*TORCH_FILES, *(kind for kind in PICKLES if "call" not in kind and "often" not in kind)]
)
def test_torch_files(tmp_path: Path, kind: str, carrier: type) -> None:
    told = read_bounded(carrier((TORCH_FILES | PICKLES)[kind], tmp_path / "model"))
    assert told.startswith(("AdapterError: model.pt", "WrongFamily: model.pt", "UnsafeCheckpoint: model.pt")), told


@pytest.mark.parametrize("extra", [{}, {"big": wide(9, 100, tensor(held=storage_id()))}])
def test_content_beside_the_network(tmp_path: Path, extra: dict[str, Code]) -> None:
    path = as_archive(tensor(held=storage_id()), tmp_path / "model")
    import zipfile

    from tests.hostile_pickles import complete

    state = {"style.1.weight": tensor(held=storage_id()), "input.input": tensor(held=storage_id())}
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model/data.pkl", complete({"g_ema": state, **extra}, 2))
        archive.writestr("model/data/0", bytes(16))
    told = read_bounded(path)
    assert told.startswith("AdapterError: model.pt"), told


def test_tensors_that_share_one_storage(tmp_path: Path) -> None:
    path = tmp_path / "shared.pt"
    generator = files.random_generator(Generator, files.TINY2)
    state = files.rosinality_names(generator)
    whole = torch.randn(max(value.numel() for value in state.values()))
    state = {name: whole[: value.numel()].view(value.shape) for name, value in state.items()}
    torch.save({"g_ema": state, "latent_avg": whole[: files.TINY2["w_dim"]]}, path)
    with pytest.raises(AdapterError, match="share memory"):
        StyleGAN2.load(LocalCheckpoint(tmp_path, (path.name,)), torch.device("cpu"))
