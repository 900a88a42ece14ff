"""Similarity on narrow models: where random people all look alike to a recogniser, from their mean on.

A recogniser that was trained on the faces of the whole world may use a corner of its embeddings alone for the people
of one generator: any two of them then score 0.6, and what tells them apart is squeezed into the rest. The mean
embedding of the generator's random codes is what they share. Taken away, the angle between two people is again an
angle between what is their own.

Source: Mu and Viswanath, "All-but-the-Top: Simple and Effective Postprocessing for Word Representations", ICLR 2018,
section 2 (the common mean vector), for embeddings of words.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from guide_plugin.operator import Embedder

NARROW = 0.2
"""A median cosine of random people above this is narrow: people of a wide model lie around 0 to a good recogniser."""


def median_cosine(embeddings: Tensor) -> float:
    """Return the median cosine over all pairs of unit embeddings [n, D]; at least two of them."""
    i, j = torch.triu_indices(len(embeddings), len(embeddings), offset=1)
    return (embeddings @ embeddings.T)[i, j].median().item()


def mean_embedding(embeddings: Tensor) -> Tensor:
    """Return the mean [D] of unit embeddings [n, D]; it is shorter than 1, the more the wider they lie."""
    return embeddings.mean(dim=0)


def centred(embedder: Embedder, mean: Tensor) -> Embedder:
    """Return a recogniser whose unit embeddings [n, D] are `embedder`'s with `mean` [D] taken away.

    Gradients pass through it wherever they pass through `embedder`.
    """

    def embed(images: Tensor) -> Tensor:
        seen = embedder(images)
        return F.normalize(seen - mean.to(seen), dim=1)

    return embed


@dataclass(frozen=True)
class Centring:
    """How alike random people of a generator look to a recogniser, and what is done about it.

    Attributes:
        alike: their median cosine in the recogniser's own embeddings.
        mean: what similarity is taken from [D], on the CPU; None where people are told apart well enough as it is.
    """

    alike: float
    mean: Tensor | None

    def of(self, embedder: Embedder) -> Embedder:
        """Return the recogniser that similarities are to be taken with: `embedder` itself, or centred."""
        return embedder if self.mean is None else centred(embedder, self.mean)


def measure_centring(embeddings: Tensor) -> Centring:
    """Say whether similarity has to be taken from the mean of these unit embeddings of random people [n, D]."""
    alike = median_cosine(embeddings)
    return Centring(alike, mean_embedding(embeddings).float().cpu() if alike > NARROW else None)
