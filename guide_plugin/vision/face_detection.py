"""Find the faces in a photo, whatever its size.

By MTCNN (Zhang et al., "Joint Face Detection and Alignment Using Multitask Cascaded Convolutional Networks", 2016),
with the weights in facenet-pytorch's wheel and its usual thresholds.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from PIL import Image
from torch import Tensor

from guide_plugin.vision.torchvision_on_cpu import make_torchvision_importable

SEARCHED_SIDES = (1024, 2048)
"""The longest side of the copy that is searched; the larger one only if nothing is found in the smaller one."""

ENLARGED_SIDE, MOST_ENLARGED = 256, 4.0
"""Pictures with a shorter side than this are searched in an enlarged copy: MTCNN sees no face under 20 pixels."""

SEEN_SIDE = 20
"""The shortest side of a picture that MTCNN takes."""

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Face:
    """A face in a picture. Coordinates are pixels (x right, y down), whole numbers in the middles of pixels.

    Attributes:
        box: left, top, right, bottom.
        landmarks: eyes, tip of the nose, corners of the mouth, left in the picture first [5, 2] float64.
        certainty: the detector's, in [0, 1].
    """

    box: Box
    landmarks: Tensor
    certainty: float

    @property
    def size(self) -> float:
        """The longer side of the box."""
        return max(self.box[2] - self.box[0], self.box[3] - self.box[1])

    @property
    def middle(self) -> tuple[float, float]:
        return (self.box[0] + self.box[2]) / 2, (self.box[1] + self.box[3]) / 2

    @property
    def eye_distance(self) -> float:
        return (self.landmarks[1] - self.landmarks[0]).norm().item()


class FaceDetector:
    """MTCNN on the CPU, where it gives the same faces on every machine."""

    def __init__(self) -> None:
        make_torchvision_importable()
        from facenet_pytorch import MTCNN

        self.network = MTCNN(keep_all=True, device=torch.device("cpu")).eval()

    def __call__(self, image: Image.Image) -> list[Face]:
        """Return the faces in an RGB picture from left to right; large and very small pictures are searched resized."""
        longest = max(image.size)
        for limit in SEARCHED_SIDES:
            enlargement = min(MOST_ENLARGED, max(1.0, ENLARGED_SIDE / min(image.size)), limit / longest)
            if faces := self._search(image, enlargement):
                return faces
            if longest <= limit:
                break
        return []

    @torch.no_grad()
    def _search(self, image: Image.Image, enlargement: float) -> list[Face]:
        width, height = (max(1, round(side * enlargement)) for side in image.size)
        if min(width, height) < SEEN_SIDE:
            return []
        copy = image if (width, height) == image.size else image.resize((width, height), Image.Resampling.BICUBIC)
        try:
            boxes, certainties, landmarks = self.network.detect(copy, landmarks=True)
        except (RuntimeError, ValueError):  # no box survives the first network: it concatenates nothing
            return []
        if boxes is None:
            return []
        scale = torch.tensor([image.width / width, image.height / height], dtype=torch.float64)
        faces = []
        for box, certainty, points in zip(boxes, certainties, landmarks, strict=True):
            corners = _rescaled(torch.tensor([float(v) for v in box], dtype=torch.float64).view(2, 2), scale)
            left, top, right, bottom = corners.flatten().tolist()
            marks = _rescaled(torch.as_tensor(points.astype(float), dtype=torch.float64), scale)
            faces.append(Face((left, top, right, bottom), marks, float(certainty)))
        return sorted(faces, key=lambda face: face.middle)


def _rescaled(points: Tensor, scale: Tensor) -> Tensor:
    """Scale points [n, 2] about the picture's corner, half a pixel off the middle of its first pixel.

    MTCNN counts pixels from 1, as it did in MATLAB: in a picture and its mirror image, 0.7 to 1.2 too many.
    """
    return (points - 1 + 0.5) * scale - 0.5
