"""How well the judge knows people on this model: pairs of pictures that are sure to show one person.

What the judge cannot see, no audit can find. A generator says of no two codes that they are one person, so the pairs
are made: a code against one a tenth of the way to somebody else, which is still themselves, under another view where
the generator has views, and taken as another photo would be: framed a little otherwise, in another light. Two pictures
of nearly one code without that are nearly one picture, which any network knows. The subject's photos, each against
each, are pairs too.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from guide_plugin.adapter import Adapter, View
from guide_plugin.audit.drawing import BATCH, NEARBY, frontal
from guide_plugin.operator import Embedder

TURN, SCALE, SHIFT = 0.05, 0.04, 0.03
CONTRAST, BRIGHTNESS = 0.15, 0.1


def taken_again(images: Tensor, rng: torch.Generator) -> Tensor:
    """Return pictures [n, 3, H, W] in [-1, 1] as other photos of the same faces would show them.

    Each is turned by up to `TURN` radians, made larger or smaller by up to `SCALE`, moved by up to `SHIFT` of its side,
    its values spread by up to `CONTRAST` and moved by up to `BRIGHTNESS`; uniformly, and what was outside is mirrored.
    """
    random = (2 * torch.rand(len(images), 6, generator=rng) - 1).to(images)
    angle, size = TURN * random[:, 0], 1 + SCALE * random[:, 1]
    cos, sin = size * angle.cos(), size * angle.sin()
    across, down = 2 * SHIFT * random[:, 2], 2 * SHIFT * random[:, 3]  # affine_grid's sides are 2 long
    matrix = torch.stack([torch.stack([cos, -sin, across], dim=1), torch.stack([sin, cos, down], dim=1)], dim=1)
    grid = F.affine_grid(matrix, list(images.shape), align_corners=False)
    moved = F.grid_sample(images, grid, padding_mode="reflection", align_corners=False)
    spread, lift = 1 + CONTRAST * random[:, 4], BRIGHTNESS * random[:, 5]
    return (moved * spread.view(-1, 1, 1, 1) + lift.view(-1, 1, 1, 1)).clamp(-1, 1)


@torch.no_grad()
def same_person_similarities(
    adapter: Adapter, codes: Tensor, people: Tensor, judge: Embedder, rng: torch.Generator
) -> Tensor:
    """Return similarities of people to other pictures of themselves: from the front, and from another side.

    Args:
        codes: [n, *latent_shape] of people whose frontal embeddings are `people` [n, D].

    Returns:
        [n], or [2n] where the backbone has views.
    """
    near = codes.lerp(codes.roll(1, 0), NEARBY)
    views = adapter.audit_views()
    sides: list[View | None] = [frontal(adapter, len(codes))]
    if views is not None:
        sides.append(views[torch.randint(len(views), (len(codes),), generator=rng).to(views.device)])
    found = []
    for side in sides:
        for first in range(0, len(codes), BATCH):
            chosen = slice(first, first + BATCH)
            drawn = adapter.synthesize(near[chosen], None if side is None else side[chosen]).image
            seen = judge(taken_again(drawn, rng)).float().cpu()
            found.append((people[chosen] * seen).sum(dim=1))
    return torch.cat(found)
