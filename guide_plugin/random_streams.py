"""Separate streams of random numbers, so that nobody is trained on who judges, whatever the seeds.

torch's CPU generator looks at the low 32 bits of a seed alone, so streams are told apart by a hash, not by high bits.
"""

from __future__ import annotations

import hashlib
from typing import Literal

Stream = Literal["training", "audit", "inversion", "centring"]


def stream_seed(stream: Stream, seed: int) -> int:
    """Return where a stream starts for the user's seed: 32 bits that have nothing in common with another stream's."""
    return int.from_bytes(hashlib.sha256(f"{stream} {seed}".encode()).digest()[:4])
