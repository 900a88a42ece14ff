"""The pictures that recognisers are measured on: people whom nothing was trained on, made in every way there is.

A picture is rendered, drawn by a demo's generator, or rendered and then cut out again as `unlearn --face` cuts a face
out of a photo: found by the detector, framed by its landmarks, with the crop that the demo's `unlearn.toml` suggests.
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from examples.synthetic_faces import measure as faces
from examples.synthetic_faces.portraits import as_bytes
from examples.synthetic_faces.portraits import rendered as rendered_faces
from examples.synthetic_heads import measure as heads
from guide_plugin import UsageError
from guide_plugin.vision.crops import Crop, Frame, align, face_frame
from guide_plugin.vision.face_detection import FaceDetector
from guide_plugin.vision.faces import find_face
from hub_adapters.eg3d.adapter import EG3D
from hub_adapters.stylegan2.adapter import StyleGAN2

SCENES = 6
PART = 300  # pictures made between two lines of progress


@dataclass(frozen=True)
class Pictures:
    """Byte pictures [n, 3, H, W] and the number of the person whom each shows [n]."""

    images: Tensor
    person: Tensor

    def of(self, chosen: Tensor) -> Pictures:
        """Return some of the pictures, chosen by a mask [n]."""
        return Pictures(self.images[chosen], self.person[chosen])


@dataclass(frozen=True)
class Cut:
    """Faces cut out of photos.

    Attributes:
        pictures: the crops.
        used: which of the photos they come from [photos]; `unlearn --face` refuses the others.
        frames: how each crop lies in its photo [n, 4]: its side and how far its middle lies to the right of the
            photo's and below it, in sides of the photo, and its angle in radians.
    """

    pictures: Pictures
    used: Tensor
    frames: Tensor


@dataclass(frozen=True)
class Demo:
    """A demo's pictures of the same people in the same scenes: rendered, drawn by its generator, cut out of photos."""

    rendered: Pictures
    drawn: Pictures
    cut: Cut


def face_pictures(folder: Path, people: int, cache: Path | None = None) -> Demo:
    """Make the pictures of the first demo, each in its own scene."""
    z, person = faces.held_out(people, SCENES)
    rendered = Pictures(rendered_faces(z, cache), person)
    generator = faces.load_generator(folder)
    drawn = torch.cat([faces.drawn(generator, part) for part in _told(z, "faces drawn")])
    return Demo(rendered, Pictures(drawn, person), cut_out(rendered, folder, StyleGAN2.alignment))


def head_pictures(folder: Path, people: int) -> Demo:
    """Make the pictures of the 3D demo, each person from six sides."""
    z, yaw, person = heads.held_out(people, SCENES)
    numbers = torch.cat([z, yaw[:, None]], dim=1)
    generator = heads.load_generator(folder)
    rendered = [heads.rendered(part[:, :-1], part[:, -1]).images for part in _told(numbers, "heads rendered")]
    drawn = [heads.drawn(generator, part[:, :-1], part[:, -1]).images for part in _told(numbers, "heads drawn")]
    photos = Pictures(torch.cat(rendered), person)
    return Demo(photos, Pictures(torch.cat(drawn), person), cut_out(photos, folder, EG3D.alignment))


def cut_out(photos: Pictures, folder: Path, alignment: str) -> Cut:
    """Cut the face out of each picture as `unlearn --face` does for the model in a folder."""
    suggested = tomllib.loads((folder / "unlearn.toml").read_text())["photos"]
    crop = Crop(suggested["crop_scale"], tuple(suggested["crop_shift"]))
    detector, side = FaceDetector(), photos.images.shape[-1]
    crops, frames, used = [], [], torch.zeros(len(photos.images), dtype=torch.bool)
    index = torch.arange(len(photos.images))
    for i in (i for part in _told(index, "photos searched") for i in part.tolist()):
        photo = Image.fromarray(photos.images[i].permute(1, 2, 0).numpy())
        try:
            face = find_face(photo, detector, side=side)
        except UsageError:
            continue
        crops.append(as_bytes(align(photo, face.landmarks, alignment, side, crop)))
        frames.append(_lying(face_frame(face.landmarks, alignment, crop), side))
        used[i] = True
    return Cut(Pictures(torch.stack(crops), photos.person[used]), used, torch.stack(frames))


def _lying(frame: Frame, side: int) -> Tensor:
    """Say how a frame lies in a square photo of `side` pixels: side, right, down, angle [4]."""
    right, down = (frame.centre - (side - 1) / 2) / side
    return torch.stack([2 * frame.edge.norm() / side, right, down, torch.atan2(frame.edge[1], frame.edge[0])])


def _told(rows: Tensor, what: str) -> Iterator[Tensor]:
    """Give rows [n, ...] in parts, and say how many are done."""
    done = 0
    for part in rows.split(PART):
        yield part
        done += len(part)
        print(f"{done} of {len(rows)} {what}", file=sys.stderr, flush=True)
