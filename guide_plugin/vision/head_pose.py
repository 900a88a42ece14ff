"""How a head is placed and turned in a picture, from its five landmarks and those of a mean head.

A scaled orthographic camera is fitted to the landmarks by least squares, as EG3D's preparation of its training
pictures does ("pose from orthography and scaling": DeMenthon and Davis, "Model-Based Object Pose in 25 Lines of
Code", IJCV 1995, whose first step it is).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

HEAD = (
    (-0.311, 0.290, 0.133),
    (0.311, 0.290, 0.133),
    (0.000, -0.046, 0.552),
    (-0.250, -0.381, 0.223),
    (0.250, -0.381, 0.223),
)
"""Eyes, tip of the nose, corners of the mouth of a mean head, left in a picture first: x right, y up, z to the viewer.

Those by which EG3D's training pictures were cropped (the mean of the Basel Face Model, as in Deep3DFaceRecon's
`similarity_Lm3D_all`), made symmetric.
"""


@dataclass(frozen=True)
class HeadPlacement:
    """Where a head lies in a picture.

    Attributes:
        origin: the picture of the head's origin (x, y) [2], in pixels.
        scale: how many pixels a unit of `HEAD` takes.
        to_viewer: the unit vector from the head to the viewer [3], in the head's own axes.
    """

    origin: Tensor
    scale: float
    to_viewer: Tensor


def place_head(landmarks: Tensor) -> HeadPlacement:
    """Fit the mean head to the landmarks [5, 2] (x right, y down) of a face."""
    head = torch.tensor(HEAD, dtype=torch.float64)
    flipped = landmarks.to(torch.float64) * torch.tensor([1.0, -1.0], dtype=torch.float64)
    fit = torch.linalg.lstsq(torch.cat([head, torch.ones(len(head), 1, dtype=torch.float64)], dim=1), flipped).solution
    axes, (x, y) = fit[:3].T, fit[3]
    # The nearest rows of a rotation, times one scale, to the two that the fit gives.
    u, _, v = torch.linalg.svd(axes, full_matrices=False)
    to_viewer = torch.linalg.cross(*(u @ v))
    return HeadPlacement(torch.stack([x, -y]), axes.norm(dim=1).mean().item(), to_viewer)


def head_pose(landmarks: Tensor) -> tuple[float, float]:
    """Return from where a head is seen, as (yaw, pitch) in radians, from its landmarks [5, 2] (x right, y down).

    Yaw is positive where the viewer stands on the side that lies to the right in the picture of a head seen from the
    front: its nose then points to the left of the picture. Pitch is negative where the viewer looks down on it. These
    are the signs of EG3D's cameras. How the head is tilted in the plane of the picture does not matter to yaw and
    pitch.
    """
    x, y, z = place_head(landmarks).to_viewer.tolist()
    return math.atan2(x, z), -math.asin(max(-1.0, min(1.0, y)))
