"""Files that are whole or absent: written beside their place, then put there in one step."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from guide_plugin.errors import UsageError


def sha256(path: Path) -> str:
    """Return the hexadecimal SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; when the block ends well, it takes `path`'s place, on the disk for sure."""
    partial = path.with_name(path.name + ".partial")
    with writing(path):
        try:
            yield partial
            with partial.open("rb") as file:
                os.fsync(file.fileno())
            partial.replace(path)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise


def json_bytes(value: Any) -> bytes:
    """Return a value as a readable JSON file."""
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()


def write_whole(path: Path, content: bytes) -> None:
    """Write a file, whole or not at all."""
    with replacing(path) as partial:
        partial.write_bytes(content)


def write_private(path: Path, content: bytes) -> None:
    """Write a file, whole or not at all, readable by the owner alone."""
    path.parent.mkdir(mode=0o700, exist_ok=True)
    with replacing(path) as partial:
        partial.touch(0o600)
        partial.write_bytes(content)


def make_new(folder: Path, remedy: str = "Choose another --output.") -> None:
    """Make a folder that holds nothing yet.

    Raises:
        UsageError: it holds something already, or cannot be made.
    """
    with writing(folder):
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise UsageError(f"{folder} exists already and is not empty.", remedy)
        folder.mkdir(parents=True, exist_ok=True)


def require_space(folder: Path, needed: int) -> None:
    """Refuse to begin what the disk of a folder, made or not, cannot hold: `needed` bytes."""
    existing = next(parent for parent in (folder.absolute(), *folder.absolute().parents) if parent.exists())
    free = shutil.disk_usage(existing).free
    if free < needed:
        raise UsageError(
            f"The run needs about {needed / 1e6:.0f} MB in {existing}, {free / 1e6:.0f} MB are free.",
            "Free space or choose another --output.",
        )


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn a failure to write below `path` into `CannotWrite`."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        raise CannotWrite(path, error) from error


class CannotWrite(UsageError):
    """Something could not be written: the disk is full, the folder is protected."""

    def __init__(self, path: Path, error: Exception) -> None:
        if getattr(error, "errno", None) == errno.ENOSPC or "No space left" in str(error):
            super().__init__(
                f"The disk is full: {path} could not be written.", "Free space or choose another --output."
            )
        else:
            reason = getattr(error, "strerror", None) or str(error)
            super().__init__(f"{path} cannot be written: {reason}.", "Choose another --output.")
