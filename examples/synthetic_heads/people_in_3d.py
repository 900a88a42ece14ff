"""Render one person from several cameras: what moves with the camera is the camera alone.

The first demo's renderer turns a head in front of a fixed viewer, lamp and backdrop. Here head, shoulders, lamp and
backdrop stand still together and EG3D's camera goes around them, so that all pictures of a code show one solid scene.
"""

import math

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from examples.synthetic_faces.people import IDENTITY, SCENE, Looks, looks
from examples.synthetic_faces.raster import Placement, visible
from examples.synthetic_faces.renderer import SUPERSAMPLE, backdrop, developed, light_direction, picture_grid, surfaces
from hub_adapters.eg3d.cameras import intrinsics_from_fov, orbit_labels

CAMERA = ("yaw", "pitch", "roll")
SETTING = tuple(name for name in SCENE if name not in CAMERA)
SPREAD = 0.7
"""Light, expression, backdrop and clothes vary this much less than in the first demo: it is people that differ."""

Z_DIM = len(IDENTITY) + len(SETTING)
RADIUS = 2.7
ORIGIN = (0.0, 0.0, 0.12)
"""What the cameras look at, in the renderer's units: a point between the ears."""

AWAY = 2 * intrinsics_from_fov()[0, 0].item()
"""How far away the cameras are in the renderer's units, of which a picture is two wide at the origin."""

UNIT = RADIUS / AWAY
"""The renderer's unit in EG3D's world."""

WALL = -0.72
"""Where the backdrop stands behind the origin; what of a head lies further back is never seen from in front."""

PITCH = -0.2
MAX_YAW = math.radians(15)
CHUNK = 8


def cameras(yaw: Tensor, pitch: Tensor | float = PITCH) -> Tensor:
    """Give the labels [n,25] of cameras around the head; yaw [n] in radians, pitch in EG3D's measure."""
    return orbit_labels(yaw, pitch, (0.0, 0.0, 0.0), RADIUS)


@torch.no_grad()
def views(z: Tensor, labels: Tensor, resolution: int = 64) -> tuple[Tensor, Tensor]:
    """Render numbers z [n,Z_DIM], identity then setting, from cameras [n,25].

    Gives pictures [n,3,resolution,resolution] in [-1,1], and depths [n,resolution,resolution] along the rays, in EG3D's
    units.
    """
    parts = [_views(*part, resolution) for part in zip(z.split(CHUNK), labels.split(CHUNK), strict=True)]
    pictures, depths = zip(*parts, strict=True)
    return torch.cat(pictures), torch.cat(depths)


def _views(z: Tensor, labels: Tensor, resolution: int) -> tuple[Tensor, Tensor]:
    size = resolution * SUPERSAMPLE
    look = _looks(z)
    turn = rotations(labels)
    placement = Placement(turn, turn, ORIGIN, ORIGIN, lambda height: AWAY / (AWAY + ORIGIN[2] - height))
    seen = visible(surfaces(look), placement, size)
    x, y = picture_grid(size)
    behind, wall = _wall(turn, x, y)
    light = light_direction(look) @ turn.transpose(1, 2)
    pictures = developed(look, seen, light, backdrop(look, *behind))
    near = (seen.position - torch.tensor([0.0, 0.0, ORIGIN[2] + AWAY])).norm(dim=-1)
    depths = torch.where(seen.material >= 0, near, wall.view(-1, size, size)) * UNIT
    return pictures, avg_pool2d(depths, SUPERSAMPLE)


def _looks(z: Tensor) -> Looks:
    setting = dict(zip(SETTING, (SPREAD * z[:, len(IDENTITY) :]).unbind(1), strict=True))
    scene = [setting.get(name, torch.zeros(len(z))) for name in SCENE]
    return looks(z[:, : len(IDENTITY)], torch.stack(scene, dim=1))


def rotations(labels: Tensor) -> Tensor:
    """Give the rotations [n,3,3] from the world to what a camera sees: x right, y up, z towards it."""
    pose = labels[:, :16].view(-1, 4, 4)
    return torch.diag(torch.tensor([1.0, -1.0, -1.0])) @ pose[:, :3, :3].transpose(1, 2)


def _wall(turn: Tensor, x: Tensor, y: Tensor) -> tuple[tuple[Tensor, Tensor], Tensor]:
    """Meet the backdrop with the rays through x, y [1,k]: x and y on it [n,k], and how far away that is [n,k]."""
    ray = torch.stack([x, y, torch.full_like(x, -AWAY)], dim=-1)
    camera = torch.tensor([0.0, 0.0, AWAY])
    to_world = turn  # rows of points times the rotation are turned back
    start, forward = camera @ to_world, ray @ to_world
    reach = (WALL - start[:, None, 2]) / forward[..., 2]
    met = start[:, None] + reach[..., None] * forward
    return (met[..., 0], met[..., 1]), reach * ray.norm(dim=-1)
