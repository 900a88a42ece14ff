"""Safetensors files in and out.

File format: https://huggingface.co/docs/safetensors; the length of a JSON header, the header, raw tensors. Nothing in
it can run.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors import SafetensorError, safe_open

from guide_plugin import AdapterError
from hub_adapters.checkpoints.stored import Storage, StoredTensor, map_file

if TYPE_CHECKING:
    from torch import Tensor

DTYPES = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "BOOL": "bool"}
DTYPES |= {"I64": "int64", "I32": "int32", "I16": "int16", "I8": "int8", "U8": "uint8"}


def read_safetensors(path: Path) -> dict[str, StoredTensor]:
    """Find every tensor in the file; the library checks the header, and none is read yet.

    Raises:
        AdapterError: the file is cut short, damaged or no safetensors file.
    """
    try:
        with safe_open(path, framework="np"):
            data = map_file(path)
        (length,) = struct.unpack_from("<Q", data)
        header = json.loads(bytes(data[8 : 8 + length]))
        header.pop("__metadata__", None)
        return {name: _place(data, 8 + length, **entry) for name, entry in header.items()}
    except (SafetensorError, OSError, KeyError, ValueError, struct.error) as error:
        raise AdapterError(
            f"{path.name} cannot be read: it is cut short, damaged or no safetensors file ({error}).",
            "Fetch it again and compare its size and SHA-256 with the source.",
        ) from error


def _place(data: memoryview, base: int, dtype: str, shape: list[int], data_offsets: list[int]) -> StoredTensor:
    storage = Storage(data, math.prod(shape), DTYPES[dtype])
    storage.place(base + data_offsets[0])
    stride = list(accumulate(reversed(shape[1:]), lambda a, b: a * b, initial=1))[::-1] if shape else []
    return StoredTensor(storage, 0, tuple(shape), tuple(stride))


def write_safetensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write named tensors to a new file, with the permissions that new files have here."""
    from safetensors.torch import save_file

    path.touch()
    permissions = path.stat().st_mode
    save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, path, {"format": "pt"})
    path.chmod(permissions)  # save_file leaves the file to its owner alone
