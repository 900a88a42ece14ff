"""The pictures that a recogniser learns from: people of its own, rendered and as both demo generators draw them.

What a network never saw it does not tell apart, so every way in which a picture of these people comes about is there:
the two renderers, the two generators, and in training the framing of a face that was cut out of a photo (`framing.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from examples.synthetic_faces import measure as faces
from examples.synthetic_faces.people import IDENTITY
from examples.synthetic_faces.portraits import codes
from examples.synthetic_faces.portraits import rendered as rendered_faces
from examples.synthetic_heads import measure as heads
from examples.synthetic_heads.people_in_3d import MAX_YAW
from examples.synthetic_heads.people_in_3d import Z_DIM as HEAD_Z_DIM

RENDERED, DRAWN, HEADS = 5000, 10000, 1000
"""People: in rendered scenes and drawn ones, in drawn scenes alone, and in the round."""
SCENES = 3


@dataclass(frozen=True)
class Album:
    """Pictures and whom they show: identity numbers [n, 34], person [n] from 0 on, images [n, 3, 64, 64] bytes."""

    identity: Tensor
    person: Tensor
    images: Tensor

    def __len__(self) -> int:
        return len(self.person)


def album(seed: int, models: Path, cache: Path | None = None, share: float = 1.0) -> Album:
    """Make the pictures of a recogniser's own people.

    Args:
        seed: whose people they are; another seed has none of them.
        models: the folder that holds both demo generators' folders.
        cache: a folder in which to keep what was rendered.
        share: of the usual number of people.
    """
    rng = torch.Generator().manual_seed(seed)
    generator = faces.load_generator(models / "synthetic-faces")
    heads_generator = heads.load_generator(models / "synthetic-heads")
    rendered, drawn, turned = (round(share * people) for people in (RENDERED, DRAWN, HEADS))

    z = codes(rendered, 2 * SCENES, rng)
    parts = [
        _pages(z[:, :SCENES], rendered_faces(z[:, :SCENES].flatten(0, 1), cache)),
        _pages(z[:, SCENES:], faces.drawn(generator, z[:, SCENES:].flatten(0, 1))),
    ]
    z = codes(drawn, SCENES, rng)
    parts.append(_pages(z, faces.drawn(generator, z.flatten(0, 1)), first=rendered))
    z = codes(turned, 2 * SCENES, rng, HEAD_Z_DIM)
    yaw = MAX_YAW * (2 * torch.rand(turned, 2 * SCENES, generator=rng) - 1)
    sources = (heads.rendered, lambda z, yaw: heads.drawn(heads_generator, z, yaw))
    for source, chosen in zip(sources, (slice(0, SCENES), slice(SCENES, None)), strict=True):
        seen = source(z[:, chosen].flatten(0, 1), yaw[:, chosen].flatten())
        parts.append(_pages(z[:, chosen], seen.images, first=rendered + drawn))
    return Album(*(torch.cat([getattr(part, name) for part in parts]) for name in ("identity", "person", "images")))


def _pages(z: Tensor, images: Tensor, first: int = 0) -> Album:
    """Label pictures of codes z [people, scenes, k], whose persons count from `first` on."""
    people, scenes, _ = z.shape
    person = first + torch.arange(people).repeat_interleave(scenes)
    return Album(z[..., : len(IDENTITY)].flatten(0, 1), person, images)
