"""A model folder: which of its files an adapter reads, its checked configuration, and the same written back.

Ours is `config.json` beside `model.safetensors`. A model that came in one weight file of another format is written
back as both: ours, and that file with other weights in it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError

from guide_plugin import (
    AdapterError,
    LocalCheckpoint,
    Match,
    RepoListing,
    Saved,
    UnlearnError,
    UnsafeCheckpoint,
    UsageError,
)
from hub_adapters.checkpoints.origin import Origin
from hub_adapters.checkpoints.safetensors import read_safetensors, write_safetensors
from hub_adapters.checkpoints.stored import StoredTensor

if TYPE_CHECKING:
    from torch import Tensor

CONFIG, WEIGHTS = "config.json", "model.safetensors"

Reader = Callable[[Path], tuple[dict[str, Any], Origin]]
"""Reads a weight file's configuration and finds its tensors; `WrongFamily` where it holds another kind of network."""

C = TypeVar("C", bound=BaseModel)


class WrongFamily(AdapterError):
    """The file is sound, and holds another kind of network."""


@dataclass(frozen=True)
class OpenModel(Generic[C]):
    """A model found and described, its tensors not read yet; `origin` is None where it came in our own layout."""

    file: str
    config: C
    tensors: Mapping[str, StoredTensor]
    origin: Origin | None


def match_model(listing: RepoListing, model_type: str, title: str, readers: Mapping[str, Reader]) -> Match | None:
    """Return what an adapter would read, or None where this is no model of its type.

    Args:
        title: what people call the type.
        readers: what reads a weight file without a configuration beside it, by the ending of its name.

    Raises:
        UsageError: several files hold such a model.
        UnsafeCheckpoint: there is no such model, but a file that asks for code to be run.
        UnlearnError: what the only weight file was refused for.
    """
    if CONFIG in listing.files and WEIGHTS in listing.files:
        config = listing.documents.get(CONFIG)
        if not isinstance(config, dict) or config.get("model_type") != model_type:
            return None
        return Match((CONFIG, WEIGHTS), _summary(title, config))
    if listing.folder is None:
        return None
    candidates = [file for file in listing.files if Path(file).suffix in readers]
    found: dict[str, dict[str, Any]] = {}
    refused: list[UnlearnError] = []
    for file in candidates:
        path = listing.folder / file
        try:
            found[file] = readers[path.suffix](path)[0]
        except UnlearnError as error:
            refused.append(error)
    if len(found) > 1:
        raise UsageError(f"Several files hold a generator: {', '.join(found)}.", "Name one of them with --file.")
    for file, described in found.items():
        return Match((file,), f"{_summary(title, described)}, from {file}")
    unsafe = [error for error in refused if isinstance(error, UnsafeCheckpoint)]
    if unsafe or (len(candidates) == 1 and not isinstance(refused[0], WrongFamily)):
        raise (unsafe or refused)[0]
    return None


def _summary(title: str, described: Mapping[str, Any]) -> str:
    resolution = described.get("img_resolution")
    return f"{title}, {resolution}×{resolution}"


def open_model(checkpoint: LocalCheckpoint, kind: type[C], readers: Mapping[str, Reader]) -> OpenModel[C]:
    """Find a matched model's tensors and check its configuration.

    Raises:
        AdapterError: names the file and what is wrong with it.
    """
    first = checkpoint.files[0]
    if first == CONFIG:
        tensors = read_safetensors(checkpoint.folder / WEIGHTS)
        return OpenModel(WEIGHTS, _parse(kind, (checkpoint.folder / CONFIG).read_bytes(), CONFIG), tensors, None)
    path = checkpoint.folder / first
    described, origin = readers[path.suffix](path)
    if sum(tensor.bytes for tensor in origin.tensors.values()) > path.stat().st_size:
        raise AdapterError(
            f"{first}: its tensors share memory and would take more than the file's size.", "Get another."
        )
    return OpenModel(first, _parse(kind, described, first), origin.tensors, origin)


def save_model(folder: Path, config: BaseModel, state: Mapping[str, Tensor], origin: Origin | None) -> Saved:
    """Write a model in our layout and, where it came in another file, that file with these weights in it."""
    (folder / CONFIG).write_text(json.dumps(config.model_dump(), indent=2) + "\n")
    write_safetensors(folder / WEIGHTS, state)
    ours = (folder / CONFIG, folder / WEIGHTS)
    if origin is None:
        return Saved(ours)
    copy = folder / origin.path.name
    return Saved((*ours, copy), tuple(origin.write(copy, state)))


def _parse(kind: type[C], described: dict[str, Any] | bytes, file: str) -> C:
    try:
        return kind.model_validate_json(described) if isinstance(described, bytes) else kind.model_validate(described)
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise AdapterError(f"{file}: {where}: {first['msg']}.", "Correct it, or fetch it again.") from error
