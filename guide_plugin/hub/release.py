"""A release in its staging folder: the redacted model, what else belongs to the repository, card and provenance.

Of a model on the Hub, the other files are kept as they are: licence, pictures, tokenizers, whatever is not weights. Of
a local folder only the licence is: nobody said that the rest may be published. Other weight files may still hold the
person and are left out: a redacted model beside its original is no redaction.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from guide_plugin.hub.source import Source
from guide_plugin.hub.weight_files import holds_weights

LICENCES = ("LICENSE", "LICENCE", "COPYING", "NOTICE")
CARD, PROVENANCE = "README.md", "provenance.json"


@dataclass(frozen=True)
class Sorted:
    """The files of an upstream model that the redacted model does not bring itself.

    Attributes:
        kept: published as they are.
        left_out: weight files, which may hold the person.
        unpublished: other files of a local folder.
    """

    kept: tuple[str, ...]
    left_out: tuple[str, ...]
    unpublished: tuple[str, ...]


def sort_files(source: Source, replaced: Collection[str]) -> Sorted:
    """Say what becomes of upstream's files, but for those that are `replaced` by the redacted model's own."""
    others = [
        name for name in sorted(source.sizes) if name not in {*replaced, CARD, PROVENANCE} and not name.startswith(".")
    ]
    weights = tuple(name for name in others if holds_weights(name))
    rest = [name for name in others if name not in weights]
    kept = tuple(name for name in rest if source.remote or name.upper().startswith(LICENCES))
    return Sorted(kept, weights, tuple(name for name in rest if name not in kept))


def copy_into(folder: Path, origin: Path, names: Iterable[str]) -> None:
    """Copy files, by their POSIX paths in `origin`, to the same places in `folder`."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(origin / name, folder / name)
