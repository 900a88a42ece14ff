"""The same codes drawn before and after, seen by the judge: what every audit starts from."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from guide_plugin.adapter import Adapter, View
from guide_plugin.audit.drawing import BATCH
from guide_plugin.operator import Embedder, PerceptualFeatures
from guide_plugin.vision.perceptual import feature_distance


@dataclass(frozen=True)
class Comparison:
    """What the frozen networks say of n pictures before and after, on the CPU.

    Attributes:
        before, after: the judge's unit embeddings [n, D].
        pixels: mean absolute change of each picture's values in [-1, 1] [n].
        perceptual: perceptual distance before to after [n].
    """

    before: Tensor
    after: Tensor
    pixels: Tensor
    perceptual: Tensor

    def similarity(self) -> Tensor:
        """Return the cosine similarity of each picture before and after [n]."""
        return (self.before * self.after).sum(dim=1)

    def rows(self, start: int, stop: int) -> Comparison:
        """Return the same of the pictures `start` to `stop`."""
        return Comparison(
            self.before[start:stop], self.after[start:stop], self.pixels[start:stop], self.perceptual[start:stop]
        )


@torch.no_grad()
def compare(
    before: Adapter, after: Adapter, codes: Tensor, views: View | None, judge: Embedder, perceptual: PerceptualFeatures
) -> Comparison:
    """Draw every code with both generators, the same view for both, and let the networks look.

    Args:
        codes: [n, *latent_shape].
        views: one view for each code [n, …], or None.
    """
    parts: list[tuple[Tensor, Tensor, Tensor, Tensor]] = []
    for start in range(0, len(codes), BATCH):
        w = codes[start : start + BATCH]
        view = None if views is None else views[start : start + BATCH]
        old, new = before.synthesize(w, view).image, after.synthesize(w, view).image
        parts.append(
            (
                judge(old).float().cpu(),
                judge(new).float().cpu(),
                (old - new).abs().flatten(1).mean(dim=1).cpu(),
                feature_distance(perceptual.features(old), perceptual.features(new)).cpu(),
            )
        )
    return Comparison(*(torch.cat(column) for column in zip(*parts, strict=True)))
