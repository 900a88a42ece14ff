"""A copy of a weight file with other values in its tensors, and everything else byte for byte."""

from __future__ import annotations

import shutil
import struct
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from hub_adapters.checkpoints.pickle_values import LongText
from hub_adapters.checkpoints.stored import StoredTensor, find_entry, map_file

if TYPE_CHECKING:
    from torch import Tensor


def rewrite(source: Path, target: Path, values: Iterable[tuple[StoredTensor, Tensor | None]]) -> None:
    """Copy a file with new values in its tensors, zeros where None, and everything else byte for byte.

    Elements that protocol 2 wrote as text change the text's length, so such a file is put together anew around them.
    The target is there whole or not at all; it may be the source.
    """
    partial = target.with_name(f"{target.name}.partial")
    try:
        shutil.copyfile(source, partial)
        data = map_file(partial, write=True)
        texts: dict[LongText, memoryview] = {}
        for stored, value in values:
            text = stored.storage.text
            if text is not None and text not in texts:
                texts[text] = stored.storage.content()
            place = stored.view(data if text is None else texts[text])
            if value is None:
                place.zero_()
            else:
                place.copy_(value.reshape(place.shape))
        if texts:
            _write_texts(partial, data, texts)
        elif zipfile.is_zipfile(partial):
            _renew_checksums(partial, data)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def _write_texts(path: Path, data: memoryview, texts: Mapping[LongText, memoryview]) -> None:
    """Write the file anew around texts of other content, each behind its length in four bytes."""
    pieces, position = [], 0
    for text, content in sorted(texts.items()):
        encoded = str(content, "latin1").encode("utf-8")
        pieces += [bytes(data[position : text.start - 4]), struct.pack("<I", len(encoded)), encoded]
        position = text.start + text.length
    path.write_bytes(b"".join([*pieces, bytes(data[position:])]))


def _renew_checksums(path: Path, data: memoryview) -> None:
    """Correct the CRC-32 of every entry of an archive, wherever it says one: PyTorch ignores it, others do not."""
    with zipfile.ZipFile(path) as archive:
        entries, central = archive.infolist(), archive.start_dir
    for entry in entries:
        start, length = find_entry(data, entry)
        checksum = struct.pack("<I", zlib.crc32(data[start : start + length]))
        for header, field in ((central, 16), (entry.header_offset, 14)):
            if data[header + field : header + field + 4] != bytes(4):  # zero: said elsewhere, or not at all
                data[header + field : header + field + 4] = checksum
        if data[start + length : start + length + 4] == b"PK\x07\x08":
            data[start + length + 4 : start + length + 8] = checksum
        central += 46 + sum(struct.unpack_from("<3H", data, central + 28))
