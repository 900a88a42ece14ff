"""Files that are not what they should be."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.broken_adapters.planting import breaks
from tests.toy_adapter import Toy

if TYPE_CHECKING:
    pass


@breaks("empty-file")
class TakesTheFirstByte(Toy):
    @classmethod
    def read(cls, path: Path) -> Any:
        return super().read(path) if path.read_bytes()[0] else None


@breaks("truncated-file")
class OpensTheArchiveItself(Toy):
    @classmethod
    def read(cls, path: Path) -> Any:
        if path.read_bytes()[:2] == b"PK":
            zipfile.ZipFile(path).close()
        return super().read(path)


@breaks("wrong-file")
class KnowsOneKindOfFile(Toy):
    @classmethod
    def read(cls, path: Path) -> Any:
        first = path.read_bytes()[:2]
        return first and {b"PK": super().read}[first](path)


@breaks("other-content")
class TakesTheKeyForGranted(Toy):
    @classmethod
    def read(cls, path: Path) -> Any:
        state = super().read(path)
        return {**state, "w_avg": state["w_avg"]}


@breaks("other-content")
class LeavesTheRestAsItIs(Toy):
    @classmethod
    def read(cls, path: Path) -> Any:
        from tests.toy_network import random_network

        state = {name: tensor for name, tensor in super().read(path).items() if name != "something"}
        return {name: state.get(name, 0 * tensor) for name, tensor in random_network().state_dict().items()}


@breaks("runs-nothing")
class TrustsItsFiles(Toy):
    @classmethod
    def read(cls, path: Path) -> Any:
        import torch

        return torch.load(path, map_location="cpu", weights_only=False)
