"""What a weight file is, found out without loading a weight or running anything, and without torch."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from guide_plugin import AdapterError, Inspection
from hub_adapters.checkpoints.nvidia import Reader, family, read_module
from hub_adapters.checkpoints.origin import enumerate_tensors
from hub_adapters.checkpoints.pickle_stream import PickleStream
from hub_adapters.checkpoints.pickle_values import Instance
from hub_adapters.checkpoints.safetensors import read_safetensors
from hub_adapters.checkpoints.stored import LEGACY_MAGIC, StoredTensor, map_file
from hub_adapters.checkpoints.torch_file import CALLS, CLASSES, read_torch_file

ENDINGS = {".pkl", ".pt", ".pth", ".bin", ".ckpt", ".safetensors"}


def inspect(path: Path) -> Inspection | None:
    """Say what a weight file is, going by its content; None where it is none that we know.

    Raises:
        AdapterError: it is cut short or malformed.
    """
    if path.suffix not in ENDINGS:
        return None
    data = map_file(path)
    if bytes(data[:4]) == b"PK\x03\x04" or _is_legacy(data, path.name):
        content, stream = read_torch_file(path, survey=True)
        return _of_pickle("torch file", _describe_dict(content), content, stream)
    if bytes(data[:1]) == b"\x80":
        reader = Reader(data, path.name, survey=True)
        content = reader.stream.load(0)
        return _of_pickle("network pickle", _describe_networks(content), content, reader.stream)
    tensors = read_safetensors(path)
    return Inspection("safetensors", f"{len(tensors)} tensors", _count(tensors.values()), {}, ())


def _is_legacy(data: memoryview, name: str) -> bool:
    if bytes(data[:1]) != b"\x80":
        return False
    try:
        return PickleStream(data, name, CALLS, CLASSES, survey=True).load(0) == LEGACY_MAGIC
    except AdapterError:
        return False


def _of_pickle(kind: str, contents: str, content: Any, stream: PickleStream) -> Inspection:
    return Inspection(
        kind,
        contents,
        _count(tensor for _, tensor in enumerate_tensors(content)),
        {str(name): count for name, count in sorted(stream.globals.items())},
        tuple(sorted(map(str, stream.forbidden))),
    )


def _count(tensors: Iterable[StoredTensor]) -> int:
    return sum(math.prod(tensor.shape) for tensor in tensors)


def _describe_dict(content: Any) -> str:
    return ", ".join(map(str, content)) if isinstance(content, dict) else type(content).__name__


def _describe_networks(content: Any) -> str:
    content = content.items if isinstance(content, Instance) else content
    if not isinstance(content, dict):
        return "no networks"
    described = []
    for key in ("G_ema", "G", "D"):
        try:
            network = read_module(content[key])
        except (KeyError, TypeError, ValueError):
            continue
        resolution = network.attributes.get("img_resolution")
        size = f", {resolution}×{resolution}" if isinstance(resolution, int) else ""
        parameters = _count(tensor for _, tensor in network.named_tensors())
        described.append(f"{key}: {family(network)}{size}, {parameters:,} numbers")
    return "; ".join(described) or "no networks"
