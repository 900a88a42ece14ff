"""Erased, retained and their balance: counted by hand."""

from __future__ import annotations

import math

import pytest
import torch

from guide_plugin.audit.bystanders import bystander_figures
from guide_plugin.audit.comparison import Comparison
from guide_plugin.audit.erasure import erasure_figures, pictures_of_subject
from guide_plugin.report.findings import PhotoFigures
from guide_plugin.report.recovery_figures import Attack

LIMIT = math.cos(math.radians(45))


def turned(*degrees: float) -> torch.Tensor:
    """Return unit embeddings at these angles."""
    angles = torch.tensor(degrees).deg2rad()
    return torch.stack([angles.cos(), angles.sin()], dim=1)


def people(*by: float) -> Comparison:
    """Return bystanders whom unlearning turned by these angles."""
    nothing = torch.zeros(len(by))
    return Comparison(turned(*[0.0] * len(by)), turned(*by), nothing, nothing)


def attack(before: float, after: float, codes: str = "W", who: str = "subject") -> Attack:
    return Attack.model_validate(
        {
            "who": who, "codes": codes, "start": "mean", "steps": [0, 9], "before": [0, before], "after": [0, after],
            "distance_before": 1, "distance_after": 1,
        }
    )  # fmt: skip


def test_erased_and_retained_are_counted_at_the_threshold() -> None:
    """Of five pictures one was nobody's before; of the other four three are gone. Of five people four stay."""
    subject = turned(0)
    before, after = turned(0, 10, 30, 44, 60), turned(90, 50, 20, 46, 0)
    pictures = torch.cat([before @ subject.T, after @ subject.T], dim=1)
    others = bystander_figures(people(0, 5, 44, 46, 30), None, LIMIT)
    found = erasure_figures(pictures, others, LIMIT)
    assert found is not None
    assert (found.pictures, found.people) == (4, 5)
    assert (found.ea, found.ra) == (0.75, pytest.approx(0.8))
    assert found.erb == pytest.approx(2 * 0.75 * 0.8 / 1.55)


def test_the_balance_of_one_without_the_other_is_nothing() -> None:
    gone = torch.tensor([[1.0, 0.0]])
    nobody_left = bystander_figures(people(90, 90), None, LIMIT)
    found = erasure_figures(gone, nobody_left, LIMIT)
    assert found is not None
    assert (found.ea, found.ra, found.erb) == (1.0, 0.0, 0.0)
    still_there = erasure_figures(torch.tensor([[1.0, 1.0]]), nobody_left, LIMIT)
    assert still_there is not None
    assert still_there.erb == 0.0
    assert erasure_figures(torch.tensor([[0.1, 0.0]]), nobody_left, LIMIT) is None


def test_all_pictures_of_the_subject_take_part_and_no_others() -> None:
    photo = PhotoFigures(kind="hold-out", reconstruction=0.9, after_mean=0.1, after_max=0.2, code_after_max=0.3)
    attacks = [attack(0.8, 0.7), attack(0.6, 0.5, "Z", "hold-out"), attack(1, 1, "W+"), attack(1, 1, "Z", "control")]
    found = pictures_of_subject(torch.tensor([[1.0, 0.4]]), [photo], attacks)
    assert found.tolist() == [pytest.approx(row) for row in ([1, 0.4], [0.9, 0.2], [0.8, 0.7], [0.6, 0.5])]
    assert pictures_of_subject(torch.tensor([[1.0, 0.4]]), [], []).shape == (1, 2)
