"""What the training has found so far: codes that still draw the subject, and codes that must stay as they are."""

from __future__ import annotations

import torch
from torch import Tensor

CAPACITY = 2000
"""Rows of a pool; the newest stay."""

RECENT = 400
"""Half of what is drawn for a step comes from so many newest rows."""


class Pool:
    """Rows of one or several tensors side by side, such as codes and their targets, the newest last."""

    def __init__(self, *columns: Tensor) -> None:
        self.columns = [column[:0].clone() for column in columns]

    def __len__(self) -> int:
        return len(self.columns[0])

    def add(self, *rows: Tensor) -> None:
        """Append rows [k, …] to every column; the oldest beyond the capacity go."""
        self.columns = [torch.cat([column, new])[-CAPACITY:] for column, new in zip(self.columns, rows, strict=True)]

    def draw(self, n: int, rng: torch.Generator) -> list[Tensor]:
        """Draw `n` rows [n, …] of every column, half of them from the newest; none where the pool is empty."""
        if not len(self):
            return [column[:0] for column in self.columns]
        newest = len(self) - 1 - torch.randint(min(RECENT, len(self)), (n // 2,), generator=rng)
        chosen = torch.cat([newest, torch.randint(len(self), (n - n // 2,), generator=rng)])
        return [column[chosen.to(column.device)] for column in self.columns]
