"""How a frozen network is named: its kind, the file of its weights, and the SHA-256 that the file must have.

Written as one string, "NAME", "NAME:FILE" or "NAME:FILE#sha256=HEX"; this is the only place that takes it apart.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from guide_plugin.errors import HubError, UsageError
from guide_plugin.whole_files import sha256

MARK = "#sha256="
DIGITS_SHOWN = 12
REMEDY = "Fetch it again from a source that you trust, or correct the hash that you gave."


@dataclass(frozen=True)
class NetworkFile:
    """A choice of a network.

    Attributes:
        name: the network's kind, such as "facenet" or "small".
        file: its weights; None where the network knows where to find them.
        sha256: what the file must hash to, 64 lower-case hexadecimal digits; None where any file will do.
    """

    name: str
    file: Path | None = None
    sha256: str | None = None

    @classmethod
    def parse(cls, choice: str) -> Self:
        """Take a choice apart.

        Raises:
            UsageError: the hash is none, or there is no file that it could belong to.
        """
        whole, mark, digest = choice.rpartition(MARK) if MARK in choice else (choice, "", "")
        name, _, file = whole.partition(":")
        if mark and not (file and re.fullmatch(r"[0-9a-fA-F]{64}", digest)):
            raise UsageError(
                f"{name}: after {MARK} must stand the 64 hexadecimal digits of a file's hash, and before it the file.",
                f"Write NAME:FILE{MARK}HEX; `sha256sum FILE` prints HEX.",
            )
        return cls(name, Path(file) if file else None, digest.lower() if mark else None)

    def __str__(self) -> str:
        file = "" if self.file is None else f":{self.file}"
        return f"{self.name}{file}{MARK + self.sha256 if self.sha256 else ''}"

    @property
    def shown(self) -> str:
        """The choice without the folders of its file and without the hash, as reports show it."""
        return self.name if self.file is None else f"{self.name}:{self.file.name}"

    def at(self, file: Path) -> Self:
        """Return the same choice with its file elsewhere."""
        return replace(self, file=file)

    def check(self) -> str | None:
        """Return the SHA-256 of the file; None where none is named or it cannot be read, which its loader will tell.

        Raises:
            HubError: the file is not the one whose hash was given. Nothing has looked into it by then.
        """
        return None if self.file is None else checked_sha256(self.file, self.sha256)


def checked_sha256(path: Path, expected: str | None, remedy: str = REMEDY) -> str | None:
    """Return a file's SHA-256, None where it cannot be read.

    Raises:
        HubError: it is not the one expected.
    """
    try:
        actual = sha256(path)
    except OSError:
        return None
    if expected is not None and actual != expected:
        raise HubError(
            f"{path.name} is another file than expected: "
            f"its SHA-256 begins {actual[:DIGITS_SHOWN]}, not {expected[:DIGITS_SHOWN]}.",
            remedy,
        )
    return actual


def same_network(one: NetworkFile, digest_of_one: str | None, other: NetworkFile, digest_of_other: str | None) -> bool:
    """Say whether two choices are one network: the same weights under whatever name and path, or one without a file."""
    if digest_of_one is None or digest_of_other is None:
        return one.name == other.name and digest_of_one == digest_of_other
    return digest_of_one == digest_of_other
