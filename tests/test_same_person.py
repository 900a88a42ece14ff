"""How well a judge knows people: which pairs are made, and what share of them is known."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from guide_plugin.audit.same_person import BRIGHTNESS, CONTRAST, same_person_similarities, taken_again
from guide_plugin.audit.statistics import make_reference
from tests.planted import Painter, read_code


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_another_photo_is_framed_and_lit_a_little_otherwise() -> None:
    down, across = torch.meshgrid(torch.linspace(-1, 1, 64), torch.linspace(-1, 1, 64), indexing="ij")
    face = torch.exp(-((down - 0.1) ** 2 + (across + 0.2) ** 2) / 0.1).expand(40, 3, -1, -1) - 0.5
    again = taken_again(face, seeded())
    assert again.shape == face.shape
    assert torch.equal(again, taken_again(face, seeded()))
    changed = (again - face).abs().flatten(1).mean(dim=1)
    assert changed.min() > 0.005
    # The brightest spot stays where it was, but for the moves: 3 % of the side, and what turn and scale add there.
    places = again[:, 0].flatten(1).argmax(dim=1)
    moved = torch.stack([places // 64 - 35, places % 64 - 25], dim=1).abs()
    assert moved.max() <= 5
    assert moved.max() >= 1
    flat = taken_again(torch.full((200, 3, 8, 8), 0.4), seeded())[:, 0, 0, 0]
    assert flat.max() <= 0.4 * (1 + CONTRAST) + BRIGHTNESS
    assert flat.std() > 0.04


def test_pairs_are_of_one_person_and_double_where_there_are_views() -> None:
    for views, n in ((None, 30), (torch.tensor([[-1.0], [0.0], [1.0]]), 60)):
        painter = Painter(views=views)
        codes = painter.sample_latents(30, seeded())
        people = read_code(painter.synthesize(codes).image)
        alike = same_person_similarities(painter, codes, people, read_code, seeded())
        assert len(alike) == n
        assert alike.median() > 0.8
        mixed = same_person_similarities(painter, codes, people.roll(7, 0), read_code, seeded())
        assert mixed.median() < 0.5


def test_the_share_that_the_judge_knows_counts_photos_too() -> None:
    def unit(degrees: float) -> list[float]:
        angle = math.radians(degrees)
        return [math.cos(angle), math.sin(angle)]

    people = torch.tensor([unit(0), unit(120), unit(240)])  # every pair scores -0.5, and so does the threshold
    photos = torch.tensor([unit(0), unit(30), unit(170)])  # pairs: 30, 140 and 170 degrees
    same: Tensor = torch.tensor([0.9, 0.2, -0.6, -0.9])
    found = make_reference(people, same, photos, 0.001)
    assert found.threshold == pytest.approx(-0.5)
    assert (found.photo_pairs, found.photo_pairs_known) == (3, 1)
    assert found.known == pytest.approx(3 / 7)
    assert found.same_person.n == 7
    assert make_reference(people, same, photos[:1], 0.001).known == pytest.approx(2 / 4)
