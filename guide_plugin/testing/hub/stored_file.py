"""A file in a repository of the loopback Hub, to be read past the client."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import IO

from guide_plugin.testing.hub.history import Entry
from guide_plugin.testing.hub.repository import Repository


@dataclass(frozen=True)
class StoredFile:
    """A file as it is stored; equal to another if their content is."""

    _repository: Repository
    _entry: Entry

    @property
    def path(self) -> str:
        """Where it is in the repository."""
        return self._entry.path

    @property
    def size(self) -> int:
        """Its size in bytes."""
        return self._entry.size

    @property
    def blob_id(self) -> str:
        """Git's id of it, or of the pointer to it."""
        return self._entry.blob_id

    @property
    def sha256(self) -> str | None:
        """Its SHA-256, if it is stored as a large file."""
        return self._entry.lfs.sha256 if self._entry.lfs else None

    def open(self) -> IO[bytes]:
        """Open it for reading."""
        if self._entry.lfs:
            return self._repository.lfs.path(self._entry.lfs.sha256).open("rb")
        return io.BytesIO(self._repository.history.read(self._entry.blob_id))

    def read_bytes(self) -> bytes:
        """Return its content."""
        with self.open() as file:
            return file.read()
