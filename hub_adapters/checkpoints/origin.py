"""The file that a model's weights came from, and a copy of it with other weights in their place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hub_adapters.checkpoints.pickle_values import Instance
from hub_adapters.checkpoints.rewriting import rewrite
from hub_adapters.checkpoints.stored import StoredTensor

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Origin:
    """The file that weights came from, and where in it each of them lies.

    Attributes:
        path: the file.
        tensors: the generator's tensors by official name.
        others: whatever else in the file was trained on the person, by key: an older copy of the generator gets the
            same weights, anything else gets zeros.
    """

    path: Path
    tensors: Mapping[str, StoredTensor]
    others: Mapping[str, Mapping[str, StoredTensor]]

    def __deepcopy__(self, memo: object) -> Origin:
        """A copy of a model came in the same file; places in it never change."""
        return self

    def write(self, path: Path, state: Mapping[str, Tensor]) -> list[str]:
        """Write a copy of the file with `state` in it, everything else byte for byte; say what became of the rest."""
        values: list[tuple[StoredTensor, Tensor | None]] = [
            (place, state[name]) for name, place in self.tensors.items()
        ]
        told = []
        for key, tensors in self.others.items():
            is_copy = tensors.keys() <= self.tensors.keys()
            values += [(place, state[name] if is_copy else None) for name, place in tensors.items()]
            told.append(f"{key} was " + ("replaced by the redacted generator" if is_copy else "emptied"))
        rewrite(self.path, path, values)
        return told


def enumerate_tensors(value: Any) -> Iterator[tuple[str, StoredTensor]]:
    """Yield every tensor in nested containers and objects once; numbers for names, which could be endless."""
    seen: set[int] = set()
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, StoredTensor):
            yield str(len(seen)), value
        elif isinstance(value, Instance):
            waiting += [value.arguments, value.state, value.items]
        elif isinstance(value, dict):
            waiting += value.values()
        elif isinstance(value, list | tuple):
            waiting += value
