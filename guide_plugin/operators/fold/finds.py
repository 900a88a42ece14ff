"""What is known of the original's codes: those that draw a subject, with whose picture they are to draw instead, and
those near the fold that must stay as they are."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from guide_plugin.adapter import Adapter, View
from guide_plugin.operators.fold.crowd import drawn
from guide_plugin.operators.fold.folding import Anchors, fold, targets_of
from guide_plugin.operators.fold.likeness import Likeness
from guide_plugin.operators.fold.pools import Pool

EDGE = 0.2
"""How far below the fold a code's likeness lies at most to be among the people who are kept."""
LOOKS = 3
"""Jitters that a similarity is the mean of, where a code is sorted by it."""


@dataclass(frozen=True)
class Judgement:
    """How the training looks at codes.

    Attributes:
        likeness: to the subjects.
        s0: where the fold begins for each of them [P].
        kappa: how steeply similarity falls again beyond it.
        view: [1, …], in which codes are drawn.
        batch: pictures at once.
    """

    likeness: Likeness
    s0: Tensor
    kappa: float
    view: View | None
    batch: int
    rng: torch.Generator

    @torch.no_grad()
    def similarity(self, model: Adapter, codes: Tensor, looks: int = LOOKS) -> Tensor:
        """Return how like each subject the pictures of codes are, under jitter [n, P]."""
        pictures = (drawn(model, part, self.view) for part in codes.split(self.batch))
        return torch.cat([self.likeness.jittered(images, self.rng, looks) for images in pictures])


class Finds:
    """Codes found so far, in two pools: `pairs` of a code and its target, and `kept` codes."""

    def __init__(self, original: Adapter, judgement: Judgement, anchors: Anchors, like: Tensor) -> None:
        self.original, self.judgement, self.anchors = original, judgement, anchors
        self.pairs, self.kept = Pool(like, like), Pool(like)

    def targets(self, codes: Tensor, similarity: Tensor) -> tuple[Tensor, Tensor]:
        """Return whose pictures are to take these codes' places, and for which there is anybody [n] bool.

        Args:
            similarity: how like each subject the original's pictures of the codes are [n, P].
        """
        judgement = self.judgement
        wanted = fold(similarity, judgement.s0, judgement.kappa)
        return targets_of(codes, self.anchors, wanted, lambda w: judgement.similarity(self.original, w, looks=2))

    def sort_in(self, codes: Tensor, similarity: Tensor | None = None) -> None:
        """Put codes [n, *latent_shape] where they belong by the original's pictures of them.

        Args:
            similarity: how like each subject those are, where that is known [n, P].
        """
        if similarity is None:
            similarity = self.judgement.similarity(self.original, codes)
        above = (similarity > self.judgement.s0).any(dim=1)
        edge = (similarity > self.judgement.s0 - EDGE).any(dim=1) & ~above
        self.add_pairs(codes[above], similarity[above])
        self.kept.add(codes[edge])

    def sort_in_failures(self, codes: Tensor, student: Adapter) -> Tensor:
        """Put those codes where they belong whose pictures by the student are still too like a subject.

        Where the original draws somebody else there, the student has to draw them again.

        Returns:
            How like each subject the student's pictures of all the codes are [n, P].
        """
        after = self.judgement.similarity(student, codes)
        codes = codes[(after > self.judgement.s0).any(dim=1)]
        if len(codes):
            before = self.judgement.similarity(self.original, codes)
            above = (before > self.judgement.s0).any(dim=1)
            self.add_pairs(codes[above], before[above])
            self.kept.add(codes[~above])
        return after

    def add_pairs(self, codes: Tensor, similarity: Tensor) -> None:
        if len(codes):
            targets, found = self.targets(codes, similarity)
            self.pairs.add(codes[found], targets[found])
