"""Cameras in EG3D's conventions: labels of 25 numbers, 16 of a camera-to-world matrix and 9 of intrinsics.

The world has y up; a camera looks along its z axis, x to the right and y down (OpenCV). Intrinsics are in units of
the picture's side. Source: EG3D's `camera_utils`, whose constants are kept digit for digit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from hub_adapters.eg3d.config import FOV_DEGREES


class Rays(NamedTuple):
    """Rays from n cameras: `origins` [n, 3], and unit `directions` [n, M, 3], row by row of the picture."""

    origins: Tensor
    directions: Tensor


def look_at_pose(yaw: Tensor, pitch: float | Tensor, pivot: Sequence[float], radius: float) -> Tensor:
    """Return camera-to-world matrices [n, 4, 4] of cameras around the origin that look at `pivot`.

    Args:
        yaw: angles around the y axis [n] in radians; 0 is in front, on the positive z axis.
        pitch: 0 is level and negative is above, in EG3D's measure: the polar angle is arccos(1 - 2v/π) with
            v = π/2 + pitch, which is v itself at the equator and the poles alone.
        pivot: the point that every camera looks at.
        radius: distance of the cameras from the origin.
    """
    azimuth = yaw.float() + math.pi / 2
    v = (torch.as_tensor(pitch, dtype=torch.float32, device=yaw.device) + math.pi / 2).expand_as(azimuth)
    polar = torch.arccos(1 - 2 * v.clamp(1e-5, math.pi - 1e-5) / math.pi)
    origin = radius * torch.stack(
        [
            polar.sin() * (math.pi - azimuth).cos(),
            polar.cos(),
            polar.sin() * (math.pi - azimuth).sin(),
        ],
        dim=-1,
    )
    forward = F.normalize(origin.new_tensor(pivot) - origin, dim=-1)
    up = forward.new_tensor([0.0, 1.0, 0.0]).expand_as(forward)
    right = -F.normalize(torch.linalg.cross(up, forward), dim=-1)
    up = F.normalize(torch.linalg.cross(forward, right), dim=-1)
    pose = torch.zeros(*yaw.shape, 4, 4, device=yaw.device)
    pose[..., :3, :] = torch.stack([right, up, forward, origin], dim=-1)
    pose[..., 3, 3] = 1
    return pose


def intrinsics_from_fov(degrees: float = FOV_DEGREES) -> Tensor:
    """Return the intrinsics [3, 3] of a field of view in degrees, the principal point in the middle."""
    focal = 1 / (math.tan(degrees * 3.14159 / 360) * 1.414)
    return torch.tensor([[focal, 0, 0.5], [0, focal, 0.5], [0, 0, 1]])


def camera_label(poses: Tensor, intrinsics: Tensor) -> Tensor:
    """Join camera-to-world matrices [n, 4, 4] and one matrix of intrinsics [3, 3] to labels [n, 25]."""
    return torch.cat([poses.flatten(1), intrinsics.to(poses.device).flatten().expand(len(poses), 9)], dim=1)


def orbit_labels(yaw: Tensor, pitch: float, pivot: Sequence[float], radius: float) -> Tensor:
    """Return the labels [n, 25] of cameras at angles `yaw` [n] and one pitch, with the faces' field of view."""
    return camera_label(look_at_pose(yaw, pitch, pivot, radius), intrinsics_from_fov())


def label_facing(yaw: float, pitch: float, pivot: Sequence[float], radius: float) -> Tensor:
    """Return the label [1, 25] of the camera that looks at `pivot` from a given direction, `radius` from the origin.

    Unlike in `look_at_pose`, whose angles are those of the camera's place seen from the origin, both angles are
    those of its line of sight, and pitch is a plain angle.

    Args:
        yaw: around the y axis in radians; 0 is in front, on the positive z axis.
        pitch: in radians, between -π/2 and π/2; 0 is level and negative is above.
        pivot: lies nearer to the origin than the camera.
    """
    px, py, pz = pivot
    x, y, z = math.cos(pitch) * math.sin(yaw), -math.sin(pitch), math.cos(pitch) * math.cos(yaw)
    along = px * x + py * y + pz * z
    distance = math.sqrt(along**2 + radius**2 - px**2 - py**2 - pz**2) - along
    place = (px + distance * x, py + distance * y, pz + distance * z)
    # In look_at_pose's measure the height of a camera over the equator is a fraction of a quarter turn.
    measure = -math.pi / 2 * place[1] / radius
    return orbit_labels(torch.tensor([math.atan2(place[0], place[2])]), measure, pivot, radius)


def camera_rays(labels: Tensor, resolution: int) -> Rays:
    """Return the rays through the middles of the pixels of a `resolution`² picture for labels [n, 25]."""
    pose, k = labels[:, :16].view(-1, 4, 4), labels[:, 16:].view(-1, 3, 3)
    middles = torch.arange(resolution, dtype=torch.float32, device=labels.device) * (1 / resolution) + 0.5 / resolution
    y, x = (grid.flatten() for grid in torch.meshgrid(middles, middles, indexing="ij"))
    fx, fy, cx, cy, skew = (k[:, i, j, None] for i, j in ((0, 0), (1, 1), (0, 2), (1, 2), (0, 1)))
    x = (x - cx + cy * skew / fy - skew * y / fy) / fx
    y = (y - cy) / fy
    in_camera = torch.stack([x, y, torch.ones_like(x)], dim=-1)
    return Rays(pose[:, :3, 3], F.normalize(in_camera @ pose[:, :3, :3].transpose(1, 2), dim=-1))
