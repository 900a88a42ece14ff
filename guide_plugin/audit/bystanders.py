"""Everybody else: did they stay who they are?"""

from __future__ import annotations

from torch import Tensor

from guide_plugin.audit.comparison import Comparison
from guide_plugin.audit.statistics import distribution, stranger_similarities
from guide_plugin.report.findings import BystanderFigures

NEIGHBOURS = 20


def bystander_figures(seen: Comparison, subject: Tensor | None, threshold: float) -> BystanderFigures:
    """Measure what happened to random people.

    Args:
        seen: their pictures before and after.
        subject: unit embeddings of pictures of the subject [k, D]; None for an audit without a subject.
        threshold: above it two pictures count as one person.
    """
    kept = seen.similarity()
    neighbours, to_subject = None, None
    if subject is not None:
        alike = (seen.before @ subject.T).amax(dim=1)
        others = (alike < threshold).nonzero().flatten()
        nearest = others[alike[others].argsort(descending=True)][:NEIGHBOURS]
        if len(nearest):
            neighbours, to_subject = (distribution(values[nearest], similarity=True) for values in (kept, alike))
    return BystanderFigures(
        random=distribution(kept, similarity=True),
        neighbours=neighbours,
        neighbours_to_subject=to_subject,
        pixels=distribution(seen.pixels),
        perceptual=distribution(seen.perceptual),
        lost=int((kept < threshold).sum()),
        merged=merged(seen, threshold),
    )


def merged(seen: Comparison, threshold: float) -> float:
    """Return the share of pairs of people told apart before who count as one person after."""
    apart = stranger_similarities(seen.before) < threshold
    alike = stranger_similarities(seen.after) >= threshold
    return (apart & alike).float().sum().item() / max(1, int(apart.sum()))


def kept_share(similarity: float, strangers: float) -> float:
    """Return how much of themselves people keep: 1 where nothing changed, 0 where they score as strangers do.

    Recognisers differ in what two strangers score: about 0 for most, 0.8 for dlib's descriptors.
    """
    return (similarity - strangers) / (1 - strangers)
