"""Face alignment as GUIDE's identity measure does it: five landmarks, then a similarity transform to 112×112.

The landmarks are MTCNN's (Zhang et al., "Joint Face Detection and Alignment", 2016), with the weights in
facenet-pytorch's wheel and the thresholds of the released evaluation; as there, the most certain face counts. The warp
is the one of the released evaluation: least squares from the template to the picture, bilinear, black outside.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from guide_plugin.vision.torchvision_on_cpu import make_torchvision_importable

SIDE = 112
SMALLEST_SIDE = 20
"""Of a picture in which MTCNN can look for a face."""

# Where eyes, nose and corners of the mouth lie in a 112×112 crop (x, y): the template of ArcFace and its successors,
# given for 96×112 and moved 8 pixels to the right.
TEMPLATE = (
    (38.29459953, 51.69630051),
    (73.53179932, 51.50139999),
    (56.02519989, 71.73660278),
    (41.54930115, 92.36550140),
    (70.72990036, 92.20410156),
)
THRESHOLDS = [0.15, 0.25, 0.35]


class FaceAligner:
    """Find the face in pictures and cut it out upright."""

    def __init__(self, device: torch.device) -> None:
        make_torchvision_importable()
        from facenet_pytorch import MTCNN

        self.detector = MTCNN(
            keep_all=True, select_largest=False, thresholds=THRESHOLDS, min_face_size=20, device=torch.device("cpu")
        ).eval()
        self.device = device

    @torch.no_grad()
    def __call__(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return the faces [k, 3, 112, 112] in [-1, 1], 8 bits deep, of the pictures that have one.

        Args:
            images: [n, 3, H, W] in [-1, 1], already rounded to 8 bits.

        Returns:
            The k faces, and which pictures they come from [n] bool.
        """
        points = [self.landmarks(image) for image in images]
        found = torch.tensor([point is not None for point in points], dtype=torch.bool)
        faces = [warp(image, point) for image, point in zip(images, points, strict=True) if point is not None]
        return torch.cat(faces) if faces else images.new_zeros(0, 3, SIDE, SIDE), found

    def landmarks(self, image: Tensor) -> Tensor | None:
        """Return the five landmarks [5, 2] (x, y) of the most certain face in a picture [3, H, W], or None."""
        if min(image.shape[-2:]) < SMALLEST_SIDE:
            return None
        levels = ((image + 1) * 127.5).round().permute(1, 2, 0).cpu()
        try:
            boxes, certainty, points = self.detector.detect(levels, landmarks=True)
        except (RuntimeError, ValueError):  # no box survives the first network: it concatenates nothing
            return None
        if boxes is None or len(boxes) == 0:
            return None
        return torch.as_tensor(points[certainty.astype(float).argmax()].astype(float), dtype=torch.float64)


def warp(image: Tensor, landmarks: Tensor) -> Tensor:
    """Return the crop [1, 3, 112, 112] of a picture [3, H, W] that brings its landmarks [5, 2] onto the template."""
    a, b, x, y = similarity(torch.tensor(TEMPLATE, dtype=torch.float64), landmarks).tolist()
    height, width = image.shape[-2:]
    steps = torch.arange(SIDE, dtype=torch.float64)
    v, u = torch.meshgrid(steps, steps, indexing="ij")
    columns, rows = a * u - b * v + x, b * u + a * v + y
    grid = torch.stack([2 * columns / (width - 1) - 1, 2 * rows / (height - 1) - 1], dim=-1)[None].to(image)
    crop = F.grid_sample(image[None] + 1, grid, mode="bilinear", padding_mode="zeros", align_corners=True)
    return (crop * 127.5).round() / 127.5 - 1


def similarity(source: Tensor, target: Tensor) -> Tensor:
    """Fit `target ≈ (a·x - b·y + t_x, b·x + a·y + t_y)` by least squares.

    Args:
        source, target: points [n, 2] float64, n ≥ 2.

    Returns:
        (a, b, t_x, t_y) [4].
    """
    middle_source, middle_target = source.mean(dim=0), target.mean(dim=0)
    p, q = source - middle_source, target - middle_target
    turn = torch.stack([(p * q).sum(), (p[:, 0] * q[:, 1] - p[:, 1] * q[:, 0]).sum()]) / p.square().sum()
    a, b = turn
    x, y = middle_source
    return torch.stack([a, b, middle_target[0] - a * x + b * y, middle_target[1] - b * x - a * y])
