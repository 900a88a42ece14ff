"""How a fault is planted: a toy with one thing wrong, under the clause that it breaks."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from guide_plugin import Synthesis, View
from tests.toy_adapter import Toy

if TYPE_CHECKING:
    from torch import Tensor

FAULTS: list[tuple[str, type[Toy]]] = []
"""Clause and adapter."""

T = TypeVar("T", bound=type[Toy])


def breaks(clause: str) -> Callable[[T], T]:
    """Plant an adapter as the fault that this clause should find."""

    def planted(cls: T) -> T:
        FAULTS.append((clause, cls))
        return cls

    return planted


class Repainted(Toy):
    """A toy whose pictures are changed at last."""

    def synthesize(self, w: Tensor, view: View | None = None) -> Synthesis:
        image, features = super().synthesize(w, view)
        return Synthesis(self.repaint(image, w), features)

    def repaint(self, image: Tensor, w: Tensor) -> Tensor:
        return image
