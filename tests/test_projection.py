"""Gradient projection, against what can be worked out by hand."""

from __future__ import annotations

import torch

from guide_plugin.operators.guide.projection import project_off


def test_what_goes_against_preserving_is_taken_out_over_all_weights_together() -> None:
    forgetting = [torch.tensor([3.0, -1.0]), torch.tensor([[-2.0]])]
    preserving = [torch.tensor([0.0, 1.0]), torch.tensor([[1.0]])]
    kept = project_off(forgetting, preserving)  # the product is -3, the length² 2: 3/2 of preserving comes on top
    assert kept[0].tolist() == [3.0, 0.5]
    assert kept[1].tolist() == [[-0.5]]
    assert sum((k * p).sum() for k, p in zip(kept, preserving, strict=True)).item() == 0.0


def test_where_they_agree_nothing_changes() -> None:
    forgetting = [torch.tensor([3.0, -1.0])]
    assert torch.equal(project_off(forgetting, [torch.tensor([1.0, 2.0])])[0], forgetting[0])


def test_nothing_to_preserve_is_nothing_to_give_way_to() -> None:
    forgetting = [torch.tensor([3.0, -1.0])]
    assert torch.equal(project_off(forgetting, [torch.zeros(2)])[0], forgetting[0])
