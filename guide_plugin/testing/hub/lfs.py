"""Large files: what stands for them in git, and where they lie, by SHA-256."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from guide_plugin.testing.hub.names import SHA256
from guide_plugin.testing.hub.refusal import HubRefusal

PIECE = 1 << 20
"""How many bytes of a large file are in memory at a time."""

_POINTER = re.compile(
    rb"version https://git-lfs\.github\.com/spec/v1\noid sha256:([0-9a-f]{64})\nsize ([0-9]{1,18})\n?"
)


@dataclass(frozen=True)
class Pointer:
    """What git holds in place of a large file.

    Attributes:
        sha256: of the large file, hexadecimal.
        size: of the large file, in bytes.
    """

    sha256: str
    size: int

    def __bytes__(self) -> bytes:
        return b"version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize %d\n" % (
            self.sha256.encode(),
            self.size,
        )


def parse_pointer(content: bytes) -> Pointer | None:
    """Return the pointer that a git blob is, or `None`. Source: the Git LFS specification, version 1."""
    found = _POINTER.fullmatch(content) if len(content) < 200 else None
    return Pointer(found[1].decode(), int(found[2])) if found else None


def checked_pointer(value: dict[str, Any]) -> Pointer:
    """Return the large file that a request names by `oid` and `size`.

    Raises:
        HubRefusal: 400, it does not.
    """
    sha256, size = value.get("oid"), value.get("size")
    if not isinstance(sha256, str) or not SHA256.fullmatch(sha256) or not isinstance(size, int) or size < 0:
        raise HubRefusal(400, "A large file needs an oid, its SHA-256, and a size.")
    return Pointer(sha256, size)


class Reception:
    """A large file that is coming in, piece by piece; it counts only once it is known to be what was promised."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._hash = hashlib.sha256()
        self.size = 0

    def write(self, piece: bytes) -> None:
        """Take the next piece."""
        self._file.write(piece)
        self._hash.update(piece)
        self.size += len(piece)

    @property
    def sha256(self) -> str:
        """The hash of what came so far, hexadecimal."""
        return self._hash.hexdigest()


class LfsStore:
    """The large files of one repository, each in a file that is named by its SHA-256."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, sha256: str) -> Path:
        """Return where an object lies, or would lie.

        Raises:
            HubRefusal: 400, that is no SHA-256.
        """
        if not SHA256.fullmatch(sha256):
            raise HubRefusal(400, f"Invalid LFS oid: {sha256!r}")
        return self._folder / sha256[:2] / sha256[2:4] / sha256

    def size(self, sha256: str) -> int | None:
        """Return the size of an object in bytes; `None` if it was never uploaded."""
        path = self.path(sha256)
        return path.stat().st_size if path.is_file() else None

    @contextmanager
    def receive(self, promised: Pointer | None = None) -> Iterator[Reception]:
        """Give something to write a file to; when the block ends well, the object is there, whole.

        Raises:
            HubRefusal: 400, what came has another size or SHA-256 than was promised. Nothing is kept.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        number, name = tempfile.mkstemp(prefix="incoming-", dir=self._folder)
        partial = Path(name)
        try:
            with os.fdopen(number, "wb") as file:
                reception = Reception(file)
                yield reception
            if promised and (reception.sha256, reception.size) != (promised.sha256, promised.size):
                raise HubRefusal(400, "The uploaded file has another size or SHA-256 than was announced.")
            path = self.path(reception.sha256)
            path.parent.mkdir(parents=True, exist_ok=True)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)

    def add(self, source: Path | bytes) -> Pointer:
        """Store a file or bytes, and return what git holds in its place."""
        with self.receive() as reception:
            for piece in pieces(source):
                reception.write(piece)
        return Pointer(reception.sha256, reception.size)


def pieces(source: Path | bytes) -> Iterable[Any]:
    """Yield the content of a file or of bytes, one piece at a time."""
    if isinstance(source, bytes):
        yield source
        return
    with source.open("rb") as file:
        while piece := file.read(PIECE):
            yield piece
