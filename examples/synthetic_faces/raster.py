"""Draw surfaces into a picture: turn, project, and keep the nearest point of every pixel."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import interpolate, pad

from .people import Looks
from .surfaces import BUST, EAR, HAIR, HEAD, Surface

# The head turns about a point behind the nose, so that a turned face stays in the middle as an aligned crop would.
PIVOT = (0.0, -0.05, 0.12)
BUST_PIVOT = (0.0, -0.6, -0.1)
DEPTH_STEPS = 1 << 18
# Points per sheet, rows by columns, for a picture of 64 pixels: enough that neighbours fall at most a pixel apart.
DENSITY = {HEAD: (112, 96), HAIR: (96, 176), EAR: (18, 18), BUST: (48, 84)}


@dataclass(frozen=True)
class Placement:
    """Say how sheets are turned and projected.

    head and bust [n,3,3] turn about head_pivot and bust_pivot; `nearness` gives how much larger than life something is
    drawn from how near it is (its z after turning).
    """

    head: Tensor
    bust: Tensor
    head_pivot: tuple[float, float, float]
    bust_pivot: tuple[float, float, float]
    nearness: Callable[[Tensor], Tensor]


def turned_head(look: Looks) -> Placement:
    """Place a head turned by its own yaw, pitch and roll on shoulders that follow it a little."""
    return Placement(rotation(look, 1.0), rotation(look, 0.3), PIVOT, BUST_PIVOT, lambda z: 1 + 0.07 * z)


@dataclass(frozen=True)
class Visible:
    """Hold what every pixel sees.

    material [n,h,w] (-1: nothing), normal and position [n,h,w,3], coordinates [n,h,w,2].
    """

    material: Tensor
    normal: Tensor
    position: Tensor
    coordinates: Tensor


def visible(surfaces: list[Surface], placement: Placement, size: int) -> Visible:
    """Rasterise surfaces at size x size pixels; positions and normals come out in picture space."""
    points, materials, shown = [], [], []
    for surface in surfaces:
        rotate = placement.head if surface.turns else placement.bust
        position = _turned(surface.position, rotate, placement.head_pivot if surface.turns else placement.bust_pivot)
        grid = torch.cat([position, normals(position), surface.coordinates, surface.present.unsqueeze(-1)], dim=-1)
        tall, wide = (int(k * size / 64) for k in DENSITY[surface.material])
        fine = interpolate(grid.permute(0, 3, 1, 2), size=(tall, wide), mode="bilinear", align_corners=True)
        fine = fine.flatten(2)
        points.append(fine[:, :8])
        shown.append(fine[:, 8])
        materials.append(torch.full((fine.shape[2],), surface.material))
    cloud, present, material = torch.cat(points, 2), torch.cat(shown, 1), torch.cat(materials)
    near = placement.nearness(cloud[:, 2])
    column = ((cloud[:, 0] * near + 1) * (size / 2)).floor().long()
    row = ((1 - cloud[:, 1] * near) * (size / 2)).floor().long()
    drawn = (column >= 0) & (column < size) & (row >= 0) & (row < size) & (present > 0)
    pixel = torch.where(drawn, row * size + column, size * size)
    # Hair lies close over the skull: a little head start keeps the skull from showing through.
    ahead = cloud[:, 2] + 0.08 * (material == HAIR)
    depth = ((ahead + 2) / 4 * DEPTH_STEPS).long().clamp(0, DEPTH_STEPS - 1)
    count = cloud.shape[2]
    key = depth * count + torch.arange(count)
    nearest = torch.full((len(key), size * size + 1), -1, dtype=torch.long)
    nearest = nearest.scatter_reduce(1, pixel, key, "amax")[:, :-1].view(-1, size, size)
    nearest = _closed(_closed(nearest, material), material).flatten(1)
    index = nearest.clamp(min=0) % count
    seen = torch.where(nearest >= 0, material[index], -1)
    data = cloud.gather(2, index.unsqueeze(1).expand(-1, 8, -1)).transpose(1, 2)
    data = data.reshape(len(key), size, size, 8)
    return Visible(seen.view(-1, size, size), data[..., 3:6], data[..., :3], data[..., 6:8])


def rotation(look: Looks, share: float) -> Tensor:
    """Give the rotation [n,3,3] for a share of the head's yaw, pitch and roll."""
    yaw, pitch, roll = (share * angle[:, 0] for angle in (look.yaw, look.pitch, look.roll))
    one, zero = torch.ones_like(yaw), torch.zeros_like(yaw)
    rows_y = [yaw.cos(), zero, yaw.sin(), zero, one, zero, -yaw.sin(), zero, yaw.cos()]
    rows_x = [one, zero, zero, zero, pitch.cos(), -pitch.sin(), zero, pitch.sin(), pitch.cos()]
    rows_z = [roll.cos(), -roll.sin(), zero, roll.sin(), roll.cos(), zero, zero, zero, one]
    about_y, about_x, about_z = (torch.stack(rows, -1).view(-1, 3, 3) for rows in (rows_y, rows_x, rows_z))
    return about_z @ about_x @ about_y


def normals(position: Tensor) -> Tensor:
    """Estimate unit normals [n,h,w,3] of a grid by central differences; they face away from the grid's axis."""
    down = torch.empty_like(position)
    down[:, 1:-1] = position[:, 2:] - position[:, :-2]
    down[:, 0], down[:, -1] = position[:, 1] - position[:, 0], position[:, -1] - position[:, -2]
    across = torch.empty_like(position)
    across[:, :, 1:-1] = position[:, :, 2:] - position[:, :, :-2]
    across[:, :, 0], across[:, :, -1] = position[:, :, 1] - position[:, :, 0], position[:, :, -1] - position[:, :, -2]
    normal = torch.linalg.cross(down, across)
    return normal / (normal.norm(dim=-1, keepdim=True) + 1e-9)


def _turned(position: Tensor, rotate: Tensor, about: tuple[float, float, float]) -> Tensor:
    pivot = torch.tensor(about)
    return torch.einsum("nhwc,ndc->nhwd", position - pivot, rotate) + pivot


def _closed(nearest: Tensor, material: Tensor) -> Tensor:
    """Fill single pixels that are empty between drawn ones, or show something else amid hair."""
    padded = pad(nearest, (1, 1, 1, 1), value=-1)
    sides = torch.stack([padded[:, :-2, 1:-1], padded[:, 2:, 1:-1], padded[:, 1:-1, :-2], padded[:, 1:-1, 2:]])
    hole = (nearest < 0) & ((sides >= 0).sum(0) >= 3)
    is_hair = (material == HAIR)[sides.clamp(min=0) % len(material)] & (sides >= 0)
    gap = is_hair.sum(0) >= 3
    return torch.where(gap, torch.where(is_hair, sides, -1).amax(0), torch.where(hole, sides.amax(0), nearest))
