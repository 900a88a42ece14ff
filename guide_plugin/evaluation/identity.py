"""ID and ID_others: how alike the same codes look before and after, as GUIDE's evaluation measures it.

Every code is drawn under every audit view by both generators, the pictures are rounded to 8 bits, and the mean cosine
of each pair of pictures counts. CurricularFace and ArcFace see faces aligned by MTCNN's landmarks, as published; other
recognisers see the pictures as they always do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from guide_plugin.adapter import Adapter
from guide_plugin.audit.fidelity import eight_bit
from guide_plugin.evaluation.record import Figure
from guide_plugin.network_file import NetworkFile
from guide_plugin.operator import Embedder
from guide_plugin.vision.face_alignment import FaceAligner
from guide_plugin.vision.iresnet import CURRICULARFACE, IResNet

BATCH = 8


@dataclass(frozen=True)
class Measure:
    """A recogniser that measures.

    Attributes:
        shown: its name as reports show it.
        published: whether it is the one that the published numbers were measured with.
        embed: pictures [n, 3, H, W] in [-1, 1], 8 bits deep, to unit embeddings [k, D] of the faces that were found,
            and where they were found [n] bool.
    """

    shown: str
    published: bool
    embed: Callable[[Tensor], tuple[Tensor, Tensor]]


def make_measure(recogniser: Embedder, shown: str, device: torch.device) -> Measure:
    """Return the measure of a loaded recogniser."""
    if not isinstance(recogniser, IResNet):
        return Measure(shown, False, lambda images: (recogniser(images), torch.ones(len(images), dtype=torch.bool)))
    aligner = FaceAligner(device)

    def aligned(images: Tensor) -> tuple[Tensor, Tensor]:
        faces, found = aligner(images)
        return recogniser.embed(faces), found

    return Measure(shown, NetworkFile.parse(shown).name == CURRICULARFACE.name, aligned)


@torch.no_grad()
def identity(
    before: Adapter, after: Adapter, codes: Tensor, measure: Measure, told: Callable[[int, int], None]
) -> Figure:
    """Measure codes [n, *latent_shape], n ≥ 1; `told` hears how many pairs are done, of how many."""
    views = before.audit_views()
    count = 1 if views is None else len(views)
    codes = codes.repeat_interleave(count, dim=0)
    all_views = None if views is None else views.repeat(len(codes) // count, *[1] * (views.dim() - 1))
    similarities: list[Tensor] = []
    for start in range(0, len(codes), BATCH):
        w = codes[start : start + BATCH]
        view = None if all_views is None else all_views[start : start + BATCH]
        rows: list[Tensor] = []
        for generator in (before, after):
            images = 2 * eight_bit(generator.synthesize(w, view).image) - 1
            embeddings, found = measure.embed(images)
            row = torch.full((len(w), embeddings.shape[-1]), torch.nan)
            row[found] = embeddings.float().cpu()
            rows.append(row)
        similarities.append((rows[0] * rows[1]).sum(dim=1))
        told(start + len(w), len(codes))
    similarity = torch.cat(similarities)
    seen = similarity[similarity.isfinite()]
    if not len(seen):
        return Figure(
            not_measured=f"in none of {len(similarity)} pairs of pictures was a face found before and after",
            measured_by=measure.shown,
            pairs=len(similarity),
            pairs_measured=0,
        )
    return Figure(
        value=seen.mean().item(),
        measured_by=measure.shown,
        as_published=measure.published,
        pairs=len(similarity),
        pairs_measured=len(seen),
    )
