"""Render portraits of people who do not exist: surfaces, paint and light, in batched PyTorch.

`render(identity, scene, resolution)` draws people (identity: who they are) in scenes (pose, light, expression,
background). Both are plain vectors of normal numbers, named in `people.IDENTITY` and `people.SCENE`.
"""

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, pad

from . import paint
from .people import IDENTITY, SCENE, Looks, looks
from .raster import Visible, turned_head, visible
from .surfaces import BUST, EAR, HAIR, HEAD, Surface, bump, bust, ears, hair, head, ramp

SUPERSAMPLE = 2
CHUNK = 8  # pictures at once: small enough to stay in the processor's cache


def sample(n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Draw n random people in random scenes: identity [n, len(IDENTITY)] and scene [n, len(SCENE)], standard normal."""
    both = torch.randn(n, len(IDENTITY) + len(SCENE), generator=generator)
    return both[:, : len(IDENTITY)], both[:, len(IDENTITY) :]


@torch.no_grad()
def render(identity: Tensor, scene: Tensor, resolution: int = 64) -> Tensor:
    """Draw portraits [n,3,resolution,resolution] in [-1,1], framed like an aligned crop: eyes at 45 % of the height."""
    parts = zip(identity.split(CHUNK), scene.split(CHUNK), strict=True)
    return torch.cat([_render(looks(i, s), resolution) for i, s in parts])


def _render(look: Looks, resolution: int) -> Tensor:
    size = resolution * SUPERSAMPLE
    seen = visible(surfaces(look), turned_head(look), size)
    return developed(look, seen, light_direction(look), backdrop(look, *picture_grid(size)))


def surfaces(look: Looks) -> list[Surface]:
    """Build all surfaces of a person."""
    return [head(look), hair(look), *ears(look), bust(look)]


def developed(look: Looks, seen: Visible, light: Tensor, behind: Tensor) -> Tensor:
    """Paint and light what is seen, at twice the picture's resolution, and give pictures [n,3,h/2,w/2] in [-1,1].

    light [n,1,3] is the direction towards the key light; behind [n,h*w,3] is what is seen where nothing is.
    """
    colour = avg_pool2d(_lit(look, seen, light, behind), SUPERSAMPLE)
    return 2 * (colour.clamp(0, 1) ** (1 / 2.2)) - 1


def _lit(look: Looks, seen: Visible, light: Tensor, behind: Tensor) -> Tensor:
    n, size = seen.material.shape[:2]
    material = seen.material.view(n, -1)
    position, normal = seen.position.view(n, -1, 3), seen.normal.view(n, -1, 3)
    normal = normal / (normal.norm(dim=-1, keepdim=True) + 1e-9)
    normal = normal * torch.where(normal[..., 2:] < 0, -1.0, 1.0)
    u, v = seen.coordinates.view(n, -1, 2).unbind(-1)
    open_sky = _openness(seen, size).view(n, -1)

    front = ramp(position[..., 2], -0.1, 0.15)
    skin, gloss = paint.face(look, u, v, front)
    is_head, is_hair, is_ear, is_bust = (material == m for m in (HEAD, HAIR, EAR, BUST))
    hollow = 0.92 - 0.35 * bump(u, 0.1, 0.45) * bump(v, 0.05, 0.6)
    ear = look.skin * hollow.unsqueeze(-1) * torch.tensor([1.0, 0.9, 0.88])
    strand = paint.strands(look, u, v)
    below, cloth = paint.body(look, u, v)
    colour = torch.where(is_head.unsqueeze(-1), skin, torch.where(is_ear.unsqueeze(-1), ear, below))
    colour = torch.where(is_hair.unsqueeze(-1), look.hair * strand.unsqueeze(-1), colour)
    flesh = torch.where(is_hair, 0.0, torch.where(is_bust, 1 - cloth, 1.0))

    toward = (normal * light).sum(-1)
    wrap = torch.tensor([0.42, 0.26, 0.2]) * flesh.unsqueeze(-1) + 0.1
    diffuse = ((toward.unsqueeze(-1) + wrap) / (1 + wrap)).clamp(min=0) ** 1.15
    sky = 0.62 + 0.38 * normal[..., 1]
    hard = look.light_hardness
    key, fill = 0.85 + 0.55 * hard, 0.46 - 0.24 * hard
    # Chin and jaw keep the light off the neck; `_openness` sees too small a neighbourhood for that.
    under = torch.where(is_bust, 1 - 0.8 * ramp(v, -1.02, -0.74) * bump(u, 0, 0.45), 1.0)
    shade = (open_sky * under).unsqueeze(-1)
    lamp = under.unsqueeze(-1) * look.light * key.unsqueeze(-1) * diffuse * (0.35 + 0.65 * shade)
    ambient = (2 - look.light) * (fill * sky).unsqueeze(-1) * shade
    colour = colour * (lamp + ambient)

    half = light + torch.tensor([0.0, 0.0, 1.0])
    half = half / half.norm(dim=-1, keepdim=True)
    facing = (normal * half).sum(-1).clamp(min=0)
    shine = torch.where(is_head, 0.085 * gloss * facing**22, torch.where(is_ear, 0.02 * facing**10, 0.0))
    along = torch.stack([torch.zeros_like(u), torch.ones_like(u), torch.zeros_like(u)], -1)
    along = along - normal * (along * normal).sum(-1, keepdim=True)
    along = along / (along.norm(dim=-1, keepdim=True) + 1e-6)
    across = (1 - (along * half).sum(-1) ** 2).clamp(min=0)
    silk = (0.02 + 0.3 * look.hair.mean(-1)) * (1 - 0.5 * look.curl) * (strand - 0.35).clamp(min=0)
    silk = silk * across**24 * (0.4 + 0.9 * facing)
    hair_shine = silk.unsqueeze(-1) * (0.35 + 0.65 * look.hair / look.hair.amax(-1, keepdim=True))
    rim = 0.10 * (1 - normal[..., 2].clamp(0, 1)) ** 3 * open_sky
    colour = colour + (shine * hard.add(0.4)).unsqueeze(-1) * look.light
    colour = colour + torch.where(is_hair.unsqueeze(-1), hair_shine * shade, 0.0)
    colour = colour + 0.6 * rim.unsqueeze(-1) * look.background

    colour = torch.where((material < 0).unsqueeze(-1), behind, colour * look.exposure.unsqueeze(-1))
    # A photographic shoulder: bright skin rolls off instead of clipping.
    colour = colour * (1 + colour * 0.12) / (1 + 0.30 * colour)
    grey = colour.mean(-1, keepdim=True)
    colour = grey + (colour - grey) * (1 + 0.05 * flesh.unsqueeze(-1))
    return colour.transpose(1, 2).reshape(n, 3, size, size)


def light_direction(look: Looks) -> Tensor:
    """Give the unit direction [n,1,3] towards the key light."""
    side, height = look.light_side, look.light_height
    return torch.stack([side.sin() * height.cos(), height.sin(), side.cos() * height.cos()], dim=-1)


def _openness(seen: Visible, size: int) -> Tensor:
    """Estimate how open each pixel lies [n,h,w]: neighbours nearer to the viewer, at two scales, take light away."""
    depth = torch.where(seen.material >= 0, seen.position[..., 2], -1.2).unsqueeze(1)
    closed = 0.0
    for reach, weight, limit in ((size // 32, 1.9, 0.16), (size // 12, 1.1, 0.35)):
        window = 2 * reach + 1
        near = pad(depth, (reach,) * 4, mode="replicate")
        nearer = (avg_pool2d(near, window, 1) - depth).clamp(0, limit)
        closed = closed + weight * nearer
    closed = avg_pool2d(pad(closed, (1,) * 4, mode="replicate"), 3, 1)
    return torch.exp(-2.2 * closed).squeeze(1)


def picture_grid(size: int) -> tuple[Tensor, Tensor]:
    """Give x and y of every pixel [1,size*size], in -1..1, y up."""
    line = torch.linspace(-1, 1, size)
    return line.view(1, -1).expand(size, size).reshape(1, -1), (-line).view(-1, 1).expand(size, size).reshape(1, -1)


def backdrop(look: Looks, x: Tensor, y: Tensor) -> Tensor:
    """Paint a soft studio backdrop at x, y [n,k]: brighter behind the head on the light's side; [n,k,3] out."""
    away = (x + 0.35 * look.light_side) ** 2 + (y - 0.1) ** 2
    glow = 1.15 * torch.exp(-away / 1.6) + 0.25 + 0.1 * y
    return look.background * glow.unsqueeze(-1)
