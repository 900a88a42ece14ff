"""Whether the subject is brought back to the eye, not by recognisers alone: what the best search ends at, as a picture.

Training can please every recogniser while hair and outline of the person stay: an eye then sees a relative. So the
picture where the best search ends is held against the subject's by perceptual distance and MS-SSIM, and beside it the
original's pictures of people who are certainly somebody else.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from guide_plugin.adapter import Adapter
from guide_plugin.audit.drawing import BATCH
from guide_plugin.audit.searches import Searches
from guide_plugin.audit.targets import Target
from guide_plugin.operator import PerceptualFeatures
from guide_plugin.report.recovery_figures import Codes, LikenessFigures
from guide_plugin.vision.ms_ssim import ms_ssim, scales
from guide_plugin.vision.perceptual import feature_distance

NEAREST = 0.05


@dataclass(frozen=True)
class Ending:
    """Where a search ended: over which kind of codes, at which code [1, *latent_shape], and for what it looked."""

    codes: Codes
    code: Tensor
    target: Target
    similarity: float


@dataclass(frozen=True)
class Distances:
    """How far pictures lie from one: perceptual distance [n], and MS-SSIM [n] or None where they are too small."""

    perceptual: Tensor
    structure: Tensor | None


def best_endings(searches: list[Searches], targets: list[Target]) -> list[Ending]:
    """Return, of the searches that the verdict counts, the one whose end is the most alike, the best kind first."""
    found: dict[Codes, Ending] = {}
    for some in searches:
        for i, aim in enumerate(some.aims):
            target, similarity = targets[aim.target], some.found.similarity[i].item()
            counts = some.codes != "W+" and target.who in ("subject", "hold-out")
            if counts and (some.codes not in found or similarity > found[some.codes].similarity):
                found[some.codes] = Ending(some.codes, some.found.code[i : i + 1], target, similarity)
    return sorted(found.values(), key=lambda ending: ending.similarity, reverse=True)


@torch.no_grad()
def distances(adapter: Adapter, codes: Tensor, target: Target, perceptual: PerceptualFeatures) -> Distances:
    """Measure how far the pictures of codes [n, …], under the target's view, lie from the target's."""
    far, structure = [], []
    features = perceptual.features(target.image)
    for some in codes.split(BATCH):
        view = None if target.view is None else target.view.expand(len(some), *target.view.shape[1:])
        drawn = adapter.synthesize(some, view).image
        far.append(feature_distance(perceptual.features(drawn), features).cpu())
        alike = ms_ssim(drawn, target.image.expand_as(drawn))
        structure += [] if alike is None else [alike.cpu()]
    return Distances(torch.cat(far), torch.cat(structure) if structure else None)


def likeness_figures(ending: Ending, end: Distances, bystanders: Distances) -> LikenessFigures:
    """Put the picture that a search ended at beside those of bystanders.

    Args:
        end: of the redacted generator's picture there, one row.
        bystanders: of the original's pictures of random people.
    """
    far, others = end.perceptual[0], bystanders.perceptual
    alike, structure = end.structure, bystanders.structure
    return LikenessFigures(
        codes=ending.codes,
        people=len(others),
        perceptual=far.item(),
        perceptual_nearest=others.quantile(NEAREST).item(),
        nearer=int((others < far).sum()),
        scales=0 if alike is None else scales(min(ending.target.image.shape[-2:])),
        ms_ssim=None if alike is None else alike[0].item(),
        ms_ssim_nearest=None if structure is None else structure.quantile(1 - NEAREST).item(),
        more_alike=None if alike is None or structure is None else int((structure > alike[0]).sum()),
    )
