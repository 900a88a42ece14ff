"""What kind of file a model's file is, by its first bytes; and files of each kind that hold something else."""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors.torch import save

Kind = Literal["JSON", "zip archive", "pickle", "safetensors", "other"]

SOMETHING_ELSE: dict[str, Any] = {"something": {"else": torch.zeros(2, 3)}}


def kind_of(path: Path) -> Kind:
    """Say what a file is."""
    if path.suffix == ".json":
        return "JSON"
    if zipfile.is_zipfile(path):
        return "zip archive"
    with path.open("rb") as file:
        first = file.read(9)
    if first[:1] == b"\x80":
        return "pickle"
    return "safetensors" if first[8:] == b"{" else "other"


def something_else(kind: Kind) -> bytes | None:
    """Return a sound file of the kind that holds no model; None where nothing is known of the kind."""
    makers: dict[Kind, Callable[[], bytes]] = {
        "JSON": lambda: json.dumps({"something": "else"}).encode(),
        "zip archive": lambda: torch_file(SOMETHING_ELSE),
        "pickle": lambda: pickle.dumps({"something": "else"}, protocol=2),
        "safetensors": lambda: save({"something.else": torch.zeros(2, 3)}),
    }
    return makers[kind]() if kind in makers else None


def torch_file(content: object, as_zip: bool = True) -> bytes:
    """Return what `torch.save` writes, as a zip archive or as before version 1.6."""
    buffer = io.BytesIO()
    torch.save(content, buffer, _use_new_zipfile_serialization=as_zip)
    return buffer.getvalue()
