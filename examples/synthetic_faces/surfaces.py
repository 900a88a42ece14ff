"""Build the surfaces of a bust: head with its features, hair, ears, neck and shoulders."""

from dataclasses import dataclass

import torch
from torch import Tensor

from .people import Looks

HEAD, HAIR, EAR, BUST = 0, 1, 2, 3


@dataclass(frozen=True)
class Surface:
    """Hold one parametric sheet of n people as grids.

    position [n,rows,columns,3]: x to the picture's right, y up, z towards the viewer, before the head turns.
    coordinates [n,rows,columns,2]: what the paint is looked up by (head: x and y; hair: angle and y; others: x and y).
    present [n,rows,columns]: the sheet exists where this is above zero.
    """

    material: int
    position: Tensor
    coordinates: Tensor
    present: Tensor
    turns: bool


def bump(x: Tensor, centre: Tensor | float, width: Tensor | float) -> Tensor:
    """Evaluate a Gaussian bump of height 1."""
    return torch.exp(-(((x - centre) / width) ** 2))


def ramp(x: Tensor, low: Tensor | float, high: Tensor | float) -> Tensor:
    """Rise smoothly from 0 at low to 1 at high."""
    t = ((x - low) / (high - low)).clamp(0, 1)
    return t * t * (3 - 2 * t)


def relief(look: Looks, x: Tensor, y: Tensor) -> Tensor:
    """Say how far the features stand out of the smooth head, along z; x and y [n,k] in head coordinates."""
    side = x.abs()
    eye_x, eye_y = look.eye_x, look.eye_y
    out = -0.075 * bump(side, eye_x, 0.115) * bump(y, eye_y + 0.01, 0.085)
    out = out + 0.05 * bump(side, eye_x, 0.075) * bump(y, eye_y - 0.005, 0.05)
    out = out + look.brow_ridge * bump(y, 0.225, 0.06) * bump(x, 0, 0.33)
    along = ((0.2 - y) / (0.2 - look.nose_y)).clamp(0, 1.3)
    ends = torch.sigmoid((y - look.nose_y + 0.012 - 2.2 * x * x) / 0.022)
    height = look.nose_height * along.clamp(max=1) ** 1.35 + 0.035 * bump(y, 0.1, 0.12)
    width = 0.038 + (look.nose_tip - 0.022) * along**2
    out = out + height * ends * torch.exp(-((side / (width * 1.3)) ** 2))
    out = out + 0.035 * torch.exp(-((x / look.nose_tip) ** 2) - ((y - look.nose_y - 0.035) / 0.045) ** 2)
    out = out + 0.07 * bump(side, look.nose_width, 0.034) * bump(y, look.nose_y + 0.022, 0.036)
    mouth = look.mouth_y - 0.035 * look.mouth_open
    out = out + 0.05 * bump(x, 0, 0.2) * bump(y, mouth, 0.12)
    corner = (x / look.mouth_width) ** 2
    line = y - look.mouth_y - 0.075 * (look.smile - 0.3) * corner
    inside = torch.exp(-(corner**2))
    below = -0.08 * look.mouth_open
    lips = bump(line, look.upper_lip * 0.6, 0.024) + 1.15 * bump(line, -look.lower_lip * 0.6 + below, 0.03)
    out = out + 0.028 * inside * lips
    out = out - 0.028 * inside * bump(line, 0.0, 0.014)
    out = out - 0.018 * bump(x, 0, 0.13) * bump(line, -look.lower_lip - 0.055 + below, 0.028)
    out = out + (look.chin_forward + 0.02) * bump(x, 0, 0.135) * bump(y, look.chin_y + 0.12, 0.085)
    full = 0.035 + 0.022 * look.cheek + 0.03 * look.smile
    out = out + full * bump(side, 0.30, 0.14) * bump(y, -0.09 + 0.03 * look.smile, 0.12)
    fold = bump(side, fold_at(look, y), 0.03) * bump(y, (look.nose_y + look.mouth_y) / 2, 0.09)
    out = out - (0.006 + 0.016 * look.smile + 0.012 * look.age) * fold
    out = out - 0.02 * bump(side, 0.5, 0.1) * bump(y, 0.2, 0.15)
    return out - (0.012 - 0.012 * look.cheek) * bump(side, 0.36, 0.1) * bump(y, -0.33, 0.12)


def fold_at(look: Looks, y: Tensor) -> Tensor:
    """Say how far from the middle the fold between nose and mouth runs at height y [n,k]."""
    down = ((look.nose_y + 0.02 - y) / 0.2).clamp(0, 1)
    return look.nose_width + 0.035 + (look.mouth_width + 0.02 - look.nose_width) * down


def head(look: Looks, rows: int = 128, columns: int = 112) -> Surface:
    """Build the skull and face: upright super-ellipses whose width and depth follow the head's outline."""
    phi = torch.linspace(0.006, torch.pi - 0.006, rows).view(1, -1, 1)
    turn = torch.linspace(-1, 1, columns).view(1, 1, -1)
    s = (turn * 1.35 + 0.55 * turn**3) * 1.2
    t = torch.cos(phi)
    middle, half = (look.top_y + look.chin_y) / 2, (look.top_y - look.chin_y) / 2
    y = middle[..., None] + half[..., None] * t
    # The jaw line climbs from the chin towards the ears.
    y = y + 0.15 * ramp(s.abs(), 0.8, 1.9) * ramp(-t, 0.0, 1.0)
    a = _outline(t, look.jaw_power[..., None], 2.25) * look.half_width[..., None]
    a = a + (0.012 + 0.016 * look.cheek[..., None]) * bump(y, -0.16, 0.2) - 0.012 * bump(y, 0.27, 0.14)
    front = 0.56 * _outline(t, torch.full_like(half[..., None], 3.3), 2.6)
    back = 0.74 * _outline(t, torch.full_like(half[..., None], 2.6), 2.2) * (1 - 0.55 * ramp(-t, 0.1, 0.8))
    sin, cos = torch.sin(s), torch.cos(s)
    x = a * sin
    z = torch.where(cos > 0, front, back) * torch.sign(cos) * cos.abs() ** 0.93
    x, y, z = torch.broadcast_tensors(x, y, z)
    n = x.shape[0]
    facing = ramp(cos, -0.05, 0.45)
    z = z + facing * relief(look, x.reshape(n, -1), y.reshape(n, -1)).view_as(z)
    position = torch.stack([x, y, z], dim=-1)
    return Surface(HEAD, position, torch.stack([x, y], dim=-1), torch.ones_like(x), True)


def hairline(look: Looks, s: Tensor) -> Tensor:
    """Say above which height hair grows at angle s from the front [n,1,k]; [n,1,k] out."""
    side = s.abs()
    f = {k: v[..., None] for k, v in look.s.items()}
    strands = 0.014 * torch.sin(31 * s + 1.3) + 0.011 * torch.sin(53 * s + 4 * f["curl"])
    strands = strands + 0.03 * f["curl"] * torch.sin(13 * s + 2)
    swept = f["hairline"] - 0.05 * torch.cos((s - f["parting"]) * 2.2)
    fringe = 0.25 * f["fringe"] * (1 - 0.5 * torch.exp(-(((s - f["parting"]) / 0.35) ** 2)) * (1 - f["fringe"] * 0.6))
    front = swept - fringe
    temple = front - 0.10 - 0.12 * (1 - f["fringe"])
    line = torch.lerp(front, temple, ramp(side, 0.35, 1.1))
    end = torch.where(side > 1.9, torch.minimum(f["hair_end"], torch.full_like(f["hair_end"], -0.45)), f["hair_end"])
    return torch.lerp(line, end, ramp(side, 0.98, 1.42)) + strands


def hair(look: Looks, rows: int = 112, columns: int = 128) -> Surface:
    """Build the hair: a dome over the skull that may fall on to the shoulders, cut out along the hairline."""
    t = torch.linspace(-1, 1, columns).view(1, 1, -1)
    s = torch.pi * (0.7 * t + 0.3 * t**3)
    v = torch.linspace(0, 1, rows).view(1, -1, 1)
    dome, hip = (v / 0.5).clamp(max=1), ((v - 0.5) / 0.5).clamp(min=0)
    f = {k: val[..., None] for k, val in look.s.items()}
    line = hairline(look, s)
    y0 = 0.12
    lift = torch.sin(dome * torch.pi / 2)
    y = y0 + (f["top_y"] - y0) * torch.cos(dome * torch.pi / 2) - 1.45 * hip
    cropped = 1 - 0.62 * (1 - f["long_hair"]) * (1 - 0.5 * f["curl"]) * ramp(s.abs(), 0.7, 1.2) * ramp(-y, -0.75, -0.35)
    thick = f["hair_volume"] * cropped * ramp(y, line - 0.02, line + 0.22) + 0.03
    thick = thick * (1.1 - 0.25 * bump(s, f["parting"] * 1.2, 0.9) * ramp(y, 0.4, 0.8))
    wave = 1 + f["curl"] * 0.06 * (torch.sin(9 * s + 14 * y) + torch.sin(15 * s - 9 * y + 1)) * ramp(dome, 0.1, 0.4)
    fall = 1 + (f["hair_volume"] - 0.02) * hip - 0.25 * hip**3
    width = (f["half_width"] * lift**0.9 + thick) * fall * wave
    front = (0.565 * lift**0.8 + thick * 0.7) * wave
    back = (0.74 * lift**0.9 + thick) * (1 - 0.35 * ramp(hip, 0, 0.5))
    sin, cos = torch.sin(s), torch.cos(s)
    x = width * sin
    z = torch.where(cos > 0, front, back) * torch.sign(cos) * cos.abs() ** 0.95
    y = y + thick * torch.cos(dome * torch.pi / 2)
    x, y, z, s = torch.broadcast_tensors(x, y, z, s)
    return Surface(HAIR, torch.stack([x, y, z], dim=-1), torch.stack([s, y], dim=-1), y - line, True)


def ears(look: Looks, rows: int = 24, columns: int = 24) -> list[Surface]:
    """Build both ears as flattened, slightly turned-out shells."""
    u = torch.linspace(-torch.pi / 2, torch.pi / 2, rows).view(1, -1, 1)
    v = torch.linspace(0, 2 * torch.pi, columns).view(1, 1, -1)
    size = look.ear[..., None]
    along, across, out = torch.sin(u), torch.cos(u) * torch.cos(v), torch.cos(u) * torch.sin(v)
    shells = []
    for side in (-1.0, 1.0):
        y = 0.01 + 0.15 * size * along + 0 * across
        z = -0.09 + (0.075 + 0.025 * along) * size * across - 0.03 * along
        x = side * (look.half_width[..., None] * 0.985 + 0.045 * size * out * (0.8 + 0.4 * along) - 0.35 * (z + 0.09))
        x, y, z = torch.broadcast_tensors(x, y, z)
        coordinates = torch.stack([across.expand_as(x), along.expand_as(x)], dim=-1)
        shells.append(Surface(EAR, torch.stack([x, y, z], dim=-1), coordinates, torch.ones_like(x), True))
    return shells


def bust(look: Looks, rows: int = 48, columns: int = 96) -> Surface:
    """Build neck and shoulders as one sheet: a column that flares into the slope of the shoulders."""
    s = torch.linspace(-1.75, 1.75, columns).view(1, 1, -1)
    v = torch.linspace(0, 1, rows).view(1, -1, 1)
    neck = look.neck[..., None]
    slope = ramp(v, 0.42, 0.95)
    y = -0.35 - 0.62 * v - 0.35 * v**4
    width = neck * (1 + 0.12 * (1 - v)) + (0.55 + 1.4 * neck) * slope**1.25 * ramp(v, 0.3, 1.0)
    depth = neck * 0.95 + 0.35 * slope
    x = width * torch.sin(s)
    z = -0.1 + 0.05 * slope + depth * torch.cos(s) - 0.18 * (1 - v)
    y = y - 0.05 * slope * torch.cos(s).clamp(min=0)
    x, y, z = torch.broadcast_tensors(x, y, z)
    return Surface(BUST, torch.stack([x, y, z], dim=-1), torch.stack([x, y], dim=-1), torch.ones_like(x), False)


def _outline(t: Tensor, low_power: Tensor, high_power: float) -> Tensor:
    """Give the relative radius at height t in -1..1: a super-ellipse with its own power below and above the middle."""
    power = torch.where(t < 0, low_power, torch.full_like(low_power, high_power))
    return (1 - t.abs().clamp(max=0.9999) ** power) ** (1 / power)
