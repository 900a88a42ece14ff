"""The price of being found: dual ascent on the weight of what is still too like the subject.

As little change to everybody else as possible, subject to the training's own searches staying below a level: the
multiplier of that constraint rises while they get above it and falls while they do not.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

FIRST, LOWEST, HIGHEST = 20.0, 0.5, 60.0
STEP = 0.4
"""By which power of e a round moves the price at most."""
REACH = 0.1
"""How far above or below the level a search has to end for that."""
SETTLED_AFTER = 2


@dataclass(frozen=True)
class Price:
    """The multiplier, and how many rounds in a row every search has ended below the level."""

    value: float = FIRST
    rounds_below: int = 0

    @property
    def settled(self) -> bool:
        """Whether the searches have stayed below for long enough."""
        return self.rounds_below >= SETTLED_AFTER

    def after(self, excess: float) -> Price:
        """Return the price after a round whose best search ended this far above the level (below where negative)."""
        moved = self.value * math.exp(STEP * max(-1.0, min(1.0, excess / REACH)))
        rounds_below = 0 if excess > 0 else self.rounds_below + 1
        return replace(self, value=min(max(moved, LOWEST), HIGHEST), rounds_below=rounds_below)
