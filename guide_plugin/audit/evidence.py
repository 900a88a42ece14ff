"""Pictures of the subject for the owner's eyes, to see what the figures say."""

from __future__ import annotations

from torch import Tensor

from guide_plugin.adapter import Adapter
from guide_plugin.audit.drawing import picture
from guide_plugin.audit.searches import Searches
from guide_plugin.audit.targets import Target
from guide_plugin.operator import Subject

SEARCHED = {"W": "a plausible code (W)", "W+": "a code per layer (W+)", "Z": "a plausible code, from noise (Z)"}


def evidence(
    before: Adapter, after: Adapter, subject: Subject, targets: list[Target], searches: list[Searches]
) -> dict[str, Tensor]:
    """Return pictures of the subject by their captions, each [3, H, W] in [-1, 1].

    Args:
        targets: the first is the subject's first picture.
        searches: of the redacted generator, which end where it might bring the subject back.
    """
    shown = {} if subject.photos is None else {"the photo, as it was cropped": targets[0].image}
    shown |= {
        "the original at the subject's code": picture(before, subject.code),
        "the redacted model at the same code": picture(after, subject.code),
    }
    for some in searches:
        shown[f"brought back with {SEARCHED[some.codes]}"] = picture(after, some.found.code[:1])
    return {caption: image[0] for caption, image in shown.items()}
