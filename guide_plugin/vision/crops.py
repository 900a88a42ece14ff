"""Cut a face out of a photo as the training pictures of a family of generators were cut.

"ffhq" is the oriented square of FFHQ, from eyes and mouth (Karras et al., "A Style-Based Generator Architecture for
Generative Adversarial Networks", CVPR 2019, the data set's alignment). "eg3d" is the upright square of EG3D, from a
fitted head (Chan et al., "Efficient Geometry-aware 3D Generative Adversarial Networks", CVPR 2022, pictures in the
wild: 300 pixels to the unit of the mean head, of which the middle 700 are kept).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image, ImageFilter
from torch import Tensor

from guide_plugin.errors import AdapterError
from guide_plugin.vision.head_pose import place_head

EG3D_SIDE = 700 / 300
"""Of EG3D's square, in units of the mean head."""


@dataclass(frozen=True)
class Crop:
    """How a model's pictures are framed, relative to the frame of its family.

    Attributes:
        scale: the side of its frame, in sides of the family's.
        shift: where the middle of its frame lies as seen from the middle of the family's: (right, down) along the
            frame's own axes, in sides of the family's.
    """

    scale: float = 1.0
    shift: tuple[float, float] = (0.0, 0.0)


FAMILY_CROP = Crop()


@dataclass(frozen=True)
class Frame:
    """A square in a picture: its `centre` (x, y) [2], and the vector from there to the middle of its right `edge` [2].

    Coordinates are pixels, whole numbers in the middles of pixels.
    """

    centre: Tensor
    edge: Tensor

    @property
    def side(self) -> float:
        return 2 * self.edge.norm().item()

    @property
    def down(self) -> Tensor:
        """The vector from the centre to the middle of the lower edge [2]."""
        return quarter_turn(self.edge)


def quarter_turn(vector: Tensor) -> Tensor:
    """Turn a vector [2] clockwise, as seen in a picture: from right to down."""
    return torch.stack([-vector[1], vector[0]])


def ffhq_frame(landmarks: Tensor) -> Frame:
    """Return FFHQ's square around the landmarks [5, 2] of a face."""
    left_eye, right_eye, _, left_mouth, right_mouth = landmarks
    eyes, mouth = (left_eye + right_eye) / 2, (left_mouth + right_mouth) / 2
    eye_to_eye, eye_to_mouth = right_eye - left_eye, mouth - eyes
    direction = eye_to_eye - quarter_turn(eye_to_mouth)
    half = max(2.0 * eye_to_eye.norm().item(), 1.8 * eye_to_mouth.norm().item())
    return Frame(eyes + 0.1 * eye_to_mouth, half * direction / direction.norm())


def eg3d_frame(landmarks: Tensor) -> Frame:
    """Return EG3D's square around the landmarks [5, 2] of a face."""
    head = place_head(landmarks)
    return Frame(head.origin, landmarks.new_tensor([EG3D_SIDE / 2 * head.scale, 0.0]))


FRAMES: dict[str, Callable[[Tensor], Frame]] = {"ffhq": ffhq_frame, "eg3d": eg3d_frame}


def face_frame(landmarks: Tensor, alignment: str, crop: Crop = FAMILY_CROP) -> Frame:
    """Return the square that a model's pictures show of a face.

    Args:
        landmarks: eyes, nose, corners of the mouth, left in the picture first [5, 2] (x right, y down).
        alignment: the family's frame, "ffhq" or "eg3d".
        crop: how the model's frame differs from it.

    Raises:
        AdapterError: no such alignment.
    """
    if alignment not in FRAMES:
        raise AdapterError(
            f"No face crop is known for the alignment {alignment!r}.", f"Known are {', '.join(sorted(FRAMES))}."
        )
    family = FRAMES[alignment](landmarks.to(torch.float64))
    right, down = crop.shift
    return Frame(family.centre + 2 * (right * family.edge + down * family.down), crop.scale * family.edge)


def align(image: Image.Image, landmarks: Tensor, alignment: str, side: int, crop: Crop = FAMILY_CROP) -> Tensor:
    """Cut a face out of an RGB picture as [3, side, side] float32 in [-1, 1], 8 bits deep.

    What lies outside the picture is its mirror image, fading into a blur of it and then into its median colour.

    Args:
        landmarks, alignment, crop: as for `face_frame`.

    Raises:
        AdapterError: no such alignment.
    """
    drawn = cut_out(image, face_frame(landmarks, alignment, crop), side)
    return torch.from_numpy(np.array(drawn)).permute(2, 0, 1).float() / 127.5 - 1


def cut_out(image: Image.Image, frame: Frame, side: int) -> Image.Image:
    """Draw the square of an RGB picture as a picture of `side` pixels, without aliasing."""
    # Pillow counts from the corner of the first pixel.
    corner, right, down = frame.centre + 0.5 - frame.edge - frame.down, 2 * frame.edge, 2 * frame.down
    corners = torch.stack([corner, corner + right, corner + down, corner + right + down])
    shrink = max(1, int(frame.side / (2 * side)))
    border = 4 * shrink
    low = [math.floor(v) - border for v in corners.amin(dim=0).tolist()]
    high = [math.ceil(v) + border for v in corners.amax(dim=0).tolist()]
    region, offset = _with_surroundings(image, (low[0], low[1], high[0], high[1]), shrink, frame.side / shrink)
    x, y = (corner / shrink + torch.tensor(offset)).tolist()
    drawn = side * max(1, math.ceil(frame.side / shrink / side))
    across, along = (right / shrink / drawn).tolist(), (down / shrink / drawn).tolist()
    rows = (across[0], along[0], x, across[1], along[1], y)
    square = region.transform((drawn, drawn), Image.Transform.AFFINE, rows, Image.Resampling.BICUBIC)
    return square.resize((side, side), Image.Resampling.LANCZOS)


def _with_surroundings(
    image: Image.Image, box: tuple[int, int, int, int], shrink: int, side: float
) -> tuple[Image.Image, tuple[float, float]]:
    """Cut a box (left, upper, right, lower) out of a picture that need not hold all of it, and shrink it.

    As in FFHQ's alignment, the mirror image of the rest, a blur and the median colour stand for what is missing;
    unlike there, no pixel of the photo itself is changed.

    Args:
        side: of the face's square in what is returned.

    Returns:
        The shrunk cut-out, and where it shows the picture's upper left corner.
    """
    inside = (
        min(max(box[0], 0), image.width - 1),
        min(max(box[1], 0), image.height - 1),
        max(min(box[2], image.width), 1),
        max(min(box[3], image.height), 1),
    )
    part = image.crop(inside).reduce(shrink) if shrink > 1 else image.crop(inside)
    left, top, right, bottom = (math.ceil(abs(a - b) / shrink) for a, b in zip(inside, box, strict=True))
    offset = (left - inside[0] / shrink, top - inside[1] / shrink)
    if inside == box:
        return part, offset
    padded = np.pad(np.asarray(part), ((top, bottom), (left, right), (0, 0)), "reflect")
    height, width = padded.shape[:2]
    y, x = np.ogrid[:height, :width]
    outside = np.maximum(
        np.maximum(left - x, x - (width - 1 - right)), np.maximum(top - y, y - (height - 1 - bottom))
    ).clip(0)[..., None]
    blurred = np.asarray(Image.fromarray(padded).filter(ImageFilter.GaussianBlur(0.02 * side)), dtype=np.float32)
    median = np.median(padded[:: max(1, height // 100), :: max(1, width // 100)], axis=(0, 1)).astype(np.float32)
    levels = padded + (blurred - padded) * np.clip(outside / (0.06 * side), 0, 1).astype(np.float32)
    levels += (median - levels) * np.clip(outside / (0.3 * side), 0, 1).astype(np.float32)
    return Image.fromarray(levels.clip(0, 255).round().astype(np.uint8)), offset
