"""Disturb pictures the way a generator or a camera would, so that a network does not rely on clean pixels."""

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, pad


def disturbed(pictures: Tensor, rng: torch.Generator, flip: bool = True) -> Tensor:
    """Shift by up to 2 pixels, soften, brighten or darken, add noise, and flip half of them; pictures [n,3,H,W]."""
    n, _, height, width = pictures.shape

    def each(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(n, 1, 1, 1, generator=rng)

    down, right = torch.randint(0, 5, (2,), generator=rng).tolist()
    pictures = pad(pictures, (2,) * 4, mode="replicate")[:, :, down : down + height, right : right + width]
    if flip:
        pictures = torch.where(each(0, 1) < 0.5, pictures.flip(-1), pictures)
    soft = avg_pool2d(pad(pictures, (1,) * 4, mode="replicate"), 3, 1)
    pictures = torch.lerp(pictures, soft, (each(-0.6, 1.0)).clamp(min=0))
    pictures = pictures * each(0.9, 1.1) + each(-0.08, 0.08)
    return pictures + each(0, 0.06) * torch.randn(pictures.shape, generator=rng)
