"""MS-SSIM: 1 for equal pictures, lower the more they differ, at as many scales as there is room for."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from guide_plugin.vision.ms_ssim import BETAS, ms_ssim, scales, weights


def pictures(n: int, side: int) -> Tensor:
    """Return smooth pictures."""
    coarse = torch.rand(n, 3, 8, 8, generator=torch.Generator().manual_seed(2)) * 2 - 1
    return F.interpolate(coarse, (side, side), mode="bicubic").clamp(-1, 1)


@pytest.mark.parametrize(
    ("side", "n"),
    [(10, 0), (11, 1), (21, 1), (22, 2), (43, 2), (44, 3), (64, 3), (98, 3), (99, 4), (128, 4), (175, 4), (176, 5)],
)
def test_there_are_as_many_scales_as_fit(side: int, n: int) -> None:
    assert scales(side) == n
    images = pictures(2, side)
    found = ms_ssim(images, images)
    if n == 0:
        assert found is None
    else:
        torch.testing.assert_close(found, torch.ones(2), atol=1e-5, rtol=0)


def test_the_weights_sum_to_one_at_any_number_of_scales() -> None:
    assert sum(BETAS) == pytest.approx(1, abs=2e-4)
    assert weights(5) == pytest.approx(BETAS, rel=2e-4)
    for n in range(1, 6):
        assert sum(weights(n)) == pytest.approx(1)
    assert weights(3)[1] / weights(3)[0] == pytest.approx(BETAS[1] / BETAS[0])


def test_the_more_a_picture_changes_the_lower_it_scores() -> None:
    image = pictures(1, 64)
    noise = torch.randn(image.shape, generator=torch.Generator().manual_seed(3))
    changed = torch.cat([image, image + 0.02 * noise, image + 0.1 * noise, image + 0.4 * noise, -image]).clamp(-1, 1)
    found = ms_ssim(changed, image.expand_as(changed))
    assert found is not None
    assert found.tolist() == sorted(found.tolist(), reverse=True)
    assert found.isfinite().all()
    assert 0 <= found[-1] < 0.2
    brighter = ms_ssim((image * 0.5 + 0.1), image * 0.5)
    assert brighter is not None
    assert brighter.item() > found[3].item()
