"""Similarity on narrow models: what the shared mean hides comes back, and wide models stay as they are."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from guide_plugin.vision.centring import NARROW, centred, mean_embedding, measure_centring, median_cosine


def people(n: int = 400, width: int = 64) -> Tensor:
    """Return unit vectors in all directions."""
    return nn.functional.normalize(torch.randn(n, width, generator=torch.Generator().manual_seed(3)), dim=1)


SHARED = nn.functional.normalize(torch.randn(64, generator=torch.Generator().manual_seed(4)), dim=0)


def narrow(own: Tensor) -> Tensor:
    """See everybody through what they share: twice as much of it as of what is their own."""
    return nn.functional.normalize(own + 2 * SHARED, dim=1)


def test_the_median_is_over_pairs_of_different_people() -> None:
    vectors = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
    assert median_cosine(vectors) == 0.0
    assert torch.equal(mean_embedding(vectors), torch.tensor([0.0, 1 / 3]))


def test_the_angles_of_a_narrow_model_come_back() -> None:
    own = people()
    found = measure_centring(narrow(own))
    assert found.alike == pytest.approx(0.8, abs=0.02)
    assert found.mean is not None
    embed = found.of(narrow)
    assert median_cosine(embed(own)) == pytest.approx(0.0, abs=0.02)
    # Somebody 60 degrees from another person: 0.9 through what is shared, a half again from the mean on.
    other = nn.functional.normalize(people(2)[1] - (people(2)[1] @ own[0]) * own[0], dim=0)
    turned = torch.stack([own[0], 0.5 * own[0] + 0.75**0.5 * other])
    assert (narrow(turned)[0] @ narrow(turned)[1]).item() > 0.88
    assert (embed(turned)[0] @ embed(turned)[1]).item() == pytest.approx(0.5, abs=0.06)


def test_a_wide_model_is_left_alone() -> None:
    found = measure_centring(people())
    assert abs(found.alike) < NARROW
    assert found.mean is None
    assert found.of(narrow) is narrow


def test_gradients_pass_and_embeddings_stay_unit() -> None:
    images = people(3).requires_grad_(True)
    seen = centred(narrow, 0.5 * SHARED)(images)
    assert torch.allclose(seen.norm(dim=1), torch.ones(3))
    seen[:, 0].sum().backward()
    assert images.grad is not None
    assert images.grad.abs().sum() > 0
