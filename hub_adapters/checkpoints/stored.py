"""Tensors where they lie in a file: checked before they are read, and overwritten in place. Needs no torch to look.

File format: `torch.save` before version 1.6 ("legacy"), which is also how NVIDIA's pickles hold every storage.
"""

from __future__ import annotations

import math
import mmap
import pickle
import struct
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hub_adapters.checkpoints.pickle_stream import PickleStream
from hub_adapters.checkpoints.pickle_values import Global, LongText

if TYPE_CHECKING:
    from torch import Tensor

ITEM_SIZES = {"float64": 8, "float32": 4, "float16": 2, "bfloat16": 2}
ITEM_SIZES |= {"int64": 8, "int32": 4, "int16": 2, "int8": 1, "uint8": 1, "bool": 1}

DTYPES = {
    "DoubleStorage": "float64",
    "FloatStorage": "float32",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
}
STORAGE_CLASSES = frozenset(Global("torch", name) for name in DTYPES)

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
LEGACY_PROTOCOL = 1001
_SYSTEM = {
    "protocol_version": LEGACY_PROTOCOL,
    "little_endian": True,
    "type_sizes": {"short": 2, "int": 4, "long": 4},
}
LEGACY_PREAMBLE = b"".join(pickle.dumps(part, protocol=2) for part in (LEGACY_MAGIC, LEGACY_PROTOCOL, _SYSTEM))
"""What PyTorch on every common machine writes in front, byte for byte; where it stands it need not be interpreted."""


@dataclass
class Storage:
    """A run of elements in a file: `numel` of `dtype`, from byte `start` of `data` once its place is known.

    `text` is set where protocol 2 wrote the elements as text: `start` then counts in what the text decodes to.
    """

    data: memoryview
    numel: int
    dtype: str
    start: int = -1
    text: LongText | None = None

    def place(self, start: int) -> int:
        """Say where the storage begins; return where it ends."""
        end = start + self.numel * ITEM_SIZES[self.dtype]
        if self.numel < 0 or end > len(self.data):
            raise ValueError(f"a storage claims {self.numel} elements")
        self.start = start
        return end

    def content(self) -> memoryview:
        """Return the bytes that `start` counts in."""
        return self.data if self.text is None else memoryview(self.text.decode(self.data))

    def release(self) -> None:
        """Let the system take back the memory pages that lie wholly in this storage; they can be read again."""
        start, length = self.text or (self.start, self.numel * ITEM_SIZES[self.dtype])
        release(self.data, start, length)


@dataclass(frozen=True)
class StoredTensor:
    """A strided view of a storage; offset and strides count elements."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]

    def __post_init__(self) -> None:
        numbers = (self.offset, *self.shape, *self.stride)
        if len(numbers) > 33 or not all(type(n) is int and 0 <= n < 1 << 63 for n in numbers):
            raise ValueError("a tensor has an impossible shape")
        reach = 0
        for step, size in sorted(zip(self.stride, self.shape, strict=True)):
            if size > 1 and step <= reach:
                raise ValueError("a tensor's elements overlap")
            reach += (size - 1) * step if size > 1 else 0
        count = math.prod(self.shape)
        last = self.offset + sum((size - 1) * step for size, step in zip(self.shape, self.stride, strict=True))
        if count > self.storage.numel or (count and last >= self.storage.numel):
            raise ValueError(f"a tensor of {count} elements reaches beyond its storage")

    @property
    def bytes(self) -> int:
        """How much memory a copy takes."""
        return math.prod(self.shape) * ITEM_SIZES[self.storage.dtype]

    def read(self) -> Tensor:
        """Return a contiguous copy of the tensor, and let go of the file's pages that it came from."""
        import torch

        tensor = self.view().clone(memory_format=torch.contiguous_format)
        self.storage.release()
        return tensor

    def view(self, data: memoryview | None = None) -> Tensor:
        """Return the tensor without copying; `data` is where to look instead of the storage's own content."""
        import torch

        dtype = getattr(torch, self.storage.dtype)
        if not math.prod(self.shape):
            return torch.empty(self.shape, dtype=dtype)
        source = self.storage.content() if data is None else data
        flat = torch.frombuffer(source, dtype=dtype, count=self.storage.numel, offset=self.storage.start)
        return flat.as_strided(self.shape, self.stride, self.offset)


def map_file(path: Path, write: bool = False) -> memoryview:
    """Map a file into memory: privately (writes stay in memory), or so that writes reach it."""
    with path.open("r+b" if write else "rb") as file:
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_WRITE if write else mmap.ACCESS_COPY))


def release(data: memoryview, start: int, length: int) -> None:
    """Let the system take back the memory pages that lie wholly in this part of a mapped file."""
    if isinstance(data.obj, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        first = -(-start // mmap.PAGESIZE) * mmap.PAGESIZE
        last = (start + length) // mmap.PAGESIZE * mmap.PAGESIZE
        if last > first:
            data.obj.madvise(mmap.MADV_DONTNEED, first, last - first)


def rebuild_tensor(storage: Any, offset: Any, shape: Any, stride: Any, *_: Any) -> StoredTensor:
    """Stand in for `torch._utils._rebuild_tensor_v2`."""
    if not isinstance(storage, Storage):
        raise TypeError("storage")
    return StoredTensor(storage, offset, tuple(shape), tuple(stride))


def rebuild_parameter(tensor: Any, *_: Any) -> StoredTensor:
    """Stand in for `torch._utils._rebuild_parameter`."""
    if not isinstance(tensor, StoredTensor):
        raise TypeError("tensor")
    return tensor


def check_reference(kind: Any, cls: Any, key: Any, numel: Any) -> None:
    """Refuse a persistent id that is not a storage's; types first: comparing shared tuples takes for ever."""
    if kind != "storage" or not isinstance(cls, Global) or cls not in STORAGE_CLASSES:
        raise ValueError("persistent id")
    if not isinstance(key, str) or len(key) > 200 or type(numel) is not int:
        raise ValueError("persistent id")


def read_legacy(stream: PickleStream, start: int) -> Any:
    """Read a legacy `torch.save` file at `start` of the stream; its tensors stay where they are.

    Layout: pickles of a magic number, a version, system facts, the object, and its storages' keys; then for each
    key the number of elements (int64) and the elements.
    """
    storages: dict[str, Storage] = {}

    def persistent(reference: Any) -> Storage:
        kind, cls, key, _location, numel, *view = reference
        check_reference(kind, cls, key, numel)
        if view not in ([], [None]):
            raise ValueError("persistent id")
        return storages.setdefault(key, Storage(stream.data, numel, DTYPES[cls.name]))

    if stream.data[start : start + len(LEGACY_PREAMBLE)] == LEGACY_PREAMBLE:
        stream.position = start + len(LEGACY_PREAMBLE)
    else:
        if stream.load(start) != LEGACY_MAGIC or stream.load(stream.position) != LEGACY_PROTOCOL:
            raise ValueError("no torch file")
        stream.load(stream.position)
    stream.persistent = persistent
    found = stream.load(stream.position)
    keys = stream.load(stream.position)
    position = stream.position
    if len(keys) != len(set(keys)) or set(keys) != storages.keys():
        raise ValueError("storages do not match their keys")
    for key in keys:
        (numel,) = struct.unpack_from("<q", stream.data, position)
        if numel != storages[key].numel:
            raise ValueError(f"a storage holds {numel} elements, {storages[key].numel} are promised")
        position = storages[key].place(position + 8)
    return found


def find_entry(data: memoryview, entry: zipfile.ZipInfo) -> tuple[int, int]:
    """Return where an uncompressed entry's content starts in the file, and its length."""
    if entry.compress_type != zipfile.ZIP_STORED or entry.compress_size != entry.file_size:
        raise ValueError(f"{entry.filename} is compressed")
    if entry.header_offset < 0 or bytes(data[entry.header_offset : entry.header_offset + 4]) != b"PK\x03\x04":
        raise ValueError("damaged archive")
    name, extra = struct.unpack_from("<2H", data, entry.header_offset + 26)
    start = entry.header_offset + 30 + name + extra
    if start + entry.file_size > len(data):
        raise ValueError("damaged archive")
    return start, entry.file_size
