"""Pictures of the subject for the owner's eyes, to see what the figures say."""

from __future__ import annotations

import torch
from torch import Tensor

from guide_plugin.adapter import Adapter
from guide_plugin.audit.drawing import picture
from guide_plugin.audit.likeness import best_endings, distances
from guide_plugin.audit.searches import Searches
from guide_plugin.audit.targets import Target
from guide_plugin.operator import PerceptualFeatures, Subject

SEARCHED = {"W": "a plausible code (W)", "W+": "a code per layer (W+)", "Z": "a plausible code, from noise (Z)"}

NEAREST_SHOWN = 3


def evidence(
    before: Adapter,
    after: Adapter,
    subject: Subject,
    targets: list[Target],
    searches: list[Searches],
    people: Tensor,
    perceptual: PerceptualFeatures,
) -> dict[str, Tensor]:
    """Return pictures of the subject by their captions, each [3, H, W] in [-1, 1].

    Args:
        targets: the first is the subject's first picture.
        searches: of the redacted generator, which end where it might bring the subject back.
        people: codes of bystanders [n, *latent_shape], of whom those with the nearest pictures are shown.
    """
    shown = {} if subject.photos is None else {"the photo, as it was cropped": targets[0].image}
    shown |= {
        "the original at the subject's code": picture(before, subject.code),
        "the redacted model at the same code": picture(after, subject.code),
    }
    endings = best_endings(searches, targets)
    for ending in endings:
        name = SEARCHED[ending.codes]
        shown[f"brought back with {name}"] = _seen(after, ending.code, ending.target)
        shown[f"the original at the same code, from {name}"] = _seen(before, ending.code, ending.target)
    for some in searches:
        if some.codes == "W+":
            shown[f"brought back with {SEARCHED[some.codes]}"] = picture(after, some.found.code[:1])
    if endings:
        far = distances(before, people, endings[0].target, perceptual).perceptual
        for place, i in enumerate(far.argsort()[:NEAREST_SHOWN].tolist(), 1):
            shown[f"bystander {place} by nearness to the picture"] = _seen(before, people[i : i + 1], endings[0].target)
    return {caption: image[0] for caption, image in shown.items()}


@torch.no_grad()
def _seen(adapter: Adapter, code: Tensor, target: Target) -> Tensor:
    return adapter.synthesize(code, target.view).image
