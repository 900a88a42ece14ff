"""`torch.save` files (`.pt`, `.pth`, `.bin`), zip or legacy, read without running what they carry.

File format: since version 1.6 a zip archive of uncompressed entries, `NAME/data.pkl` beside one `NAME/data/KEY` for
each storage; before that, see `stored.read_legacy`.
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

from guide_plugin import AdapterError, UnsafeCheckpoint
from hub_adapters.checkpoints.pickle_stream import PickleStream
from hub_adapters.checkpoints.pickle_values import READING_ERRORS, Global, Handler, make_dict
from hub_adapters.checkpoints.stored import (
    DTYPES,
    STORAGE_CLASSES,
    Storage,
    check_reference,
    find_entry,
    map_file,
    read_legacy,
    rebuild_parameter,
    rebuild_tensor,
)

CALLS: dict[Global, Handler] = {
    Global("torch._utils", "_rebuild_tensor_v2"): rebuild_tensor,
    Global("torch._utils", "_rebuild_parameter"): rebuild_parameter,
    Global("collections", "OrderedDict"): make_dict,
}
CLASSES = STORAGE_CLASSES | {Global("argparse", "Namespace")}


def read_torch_file(path: Path, survey: bool = False) -> tuple[Any, PickleStream]:
    """Read the file's object, its tensors left where they lie; also give the stream, which knows the globals named.

    Args:
        survey: as `PickleStream`'s.

    Raises:
        UnsafeCheckpoint: it names a global that weights do not need.
        AdapterError: it is cut short, malformed or compressed.
    """
    try:
        data = map_file(path)
        if not zipfile.is_zipfile(path):
            stream = PickleStream(data, path.name, CALLS, CLASSES, survey=survey)
            return read_legacy(stream, 0), stream
        return _read_zip(path, data, survey)
    except UnsafeCheckpoint:
        raise
    except (OSError, NotImplementedError, zipfile.BadZipFile, *READING_ERRORS) as error:
        raise AdapterError(f"{path.name} is no readable torch file ({error}).", "Fetch the file again.") from error


def _read_zip(path: Path, data: memoryview, survey: bool) -> tuple[Any, PickleStream]:
    with zipfile.ZipFile(path) as archive:
        entries = {entry.filename: entry for entry in archive.infolist()}
    pickles = [name for name in entries if name.endswith("/data.pkl")]
    if len(pickles) != 1:
        raise ValueError("no data.pkl in it")
    folder = pickles[0].removesuffix("data.pkl")
    if f"{folder}byteorder" in entries:
        start, length = find_entry(data, entries[f"{folder}byteorder"])
        if bytes(data[start : start + length]) != b"little":
            raise ValueError("it is not little-endian")
    storages: dict[str, Storage] = {}

    def persistent(reference: Any) -> Storage:
        kind, cls, key, _location, numel = reference
        check_reference(kind, cls, key, numel)
        if key not in storages:
            start, length = find_entry(data, entries[f"{folder}data/{key}"])
            storages[key] = Storage(data[: start + length], numel, DTYPES[cls.name])
            storages[key].place(start)
        return storages[key]

    start, length = find_entry(data, entries[pickles[0]])
    stream = PickleStream(data[: start + length], path.name, CALLS, CLASSES, persistent, survey)
    return stream.load(start), stream
