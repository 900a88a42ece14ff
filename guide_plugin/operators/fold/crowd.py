"""Random people of the original: how like the subject they are, and who of them may stand in the subject's place."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from guide_plugin.adapter import Adapter, View
from guide_plugin.operators.fold.likeness import Likeness
from guide_plugin.operators.views import for_each
from guide_plugin.report.contact_sheet import to_image
from guide_plugin.vision.face_detection import FaceDetector
from guide_plugin.vision.sharpness import sharpness

LINE = 0.001
"""The share of pairs of strangers above the line, as in an audit's threshold."""

UNLIKE = 0.4
"""The share of people, least like the subject, among whom those in the subject's place are."""

BLURRED = 0.1
"""The share of random people, by sharpness, who are too blurred to stand in anybody's place."""

ANCHORS = 128
"""How many of them at most: each is looked at by a face detector."""


@dataclass(frozen=True)
class Crowd:
    """What random people tell about the subjects.

    Attributes:
        codes: theirs [m, *latent_shape].
        similarity: how like each subject each is, under jitter [m, P].
        s0: where the fold begins, for each subject [P].
        line: the recogniser's similarity that one pair of strangers in a thousand reaches.
        anchors: which of them may stand in a subject's place [a].
    """

    codes: Tensor
    similarity: Tensor
    s0: Tensor
    line: float
    anchors: Tensor


@torch.no_grad()
def gather(
    generator: Adapter,
    likeness: Likeness,
    n: int,
    above: float,
    view: View | None,
    batch: int,
    rng: torch.Generator,
) -> Crowd:
    """Draw `n` random people, and look at them.

    Args:
        above: the share of people above s0.
        view: [1, …], in which all are drawn.
        batch: pictures at once.
    """
    codes = generator.sample_latents(n, rng)
    similarities, embeddings, sharp = [], [], []
    for part in codes.split(batch):
        images = drawn(generator, part, view)
        similarities.append(likeness.jittered(images, rng, times=2))
        embeddings.append(likeness.recogniser(images).float())
        sharp.append(torch.tensor([sharpness(image) for image in images]))
    similarity, seen, clear = torch.cat(similarities), torch.cat(embeddings), torch.cat(sharp)
    i, j = torch.triu_indices(n, n, offset=1).to(seen.device)
    strangers = (seen @ seen.T)[i, j].sort().values
    alike = similarity.amax(dim=1).cpu()
    fit = (alike <= alike.quantile(UNLIKE)) & (clear >= clear.quantile(BLURRED))
    return Crowd(
        codes=codes,
        similarity=similarity,
        s0=similarity.quantile(1 - above, dim=0),
        line=strangers[int((1 - LINE) * (len(strangers) - 1))].item(),
        anchors=_with_faces(generator, codes, fit.nonzero()[:ANCHORS, 0], view, batch),
    )


def _with_faces(generator: Adapter, codes: Tensor, chosen: Tensor, view: View | None, batch: int) -> Tensor:
    """Return those of the chosen [k] in whose pictures MTCNN finds a face.

    Where it finds one in fewer than half of them, what this generator draws is no face to it, and all are returned.
    """
    detector = FaceDetector()
    pictures = (drawn(generator, codes[part], view) for part in chosen.split(batch))
    has_face = torch.tensor([bool(detector(to_image(image))) for images in pictures for image in images])
    return chosen[has_face] if has_face.float().mean() >= 0.5 else chosen


def drawn(generator: Adapter, codes: Tensor, view: View | None) -> Tensor:
    """Draw codes [n, …], all in one view [1, …]."""
    return generator.synthesize(codes, for_each(view, codes)).image
