"""Streams of random numbers share nothing, with each other or with the seed of a subject."""

from __future__ import annotations

import itertools
from typing import get_args

import torch

from guide_plugin.random_streams import Stream, stream_seed


def drawn(seed: int) -> torch.Tensor:
    return torch.randn(64, generator=torch.Generator().manual_seed(seed))


def test_streams_and_subjects_of_equal_seeds_draw_other_numbers() -> None:
    """High bits would not tell them apart: torch's CPU generator does not look at them."""
    assert torch.equal(drawn(5), drawn(5 + (1 << 32)))
    seeds = [seed for seed in range(20)] + [stream_seed(s, seed) for s in get_args(Stream) for seed in range(20)]
    assert len(set(seeds)) == len(seeds)
    assert all(0 <= seed < 1 << 32 for seed in seeds)
    assert all(not torch.equal(drawn(a), drawn(b)) for a, b in itertools.combinations(seeds[::7], 2))
