"""Paint the colour of skin, eyes, brows, lips, beard, hair and clothes, before any light falls on them."""

import torch
from torch import Tensor

from .people import Looks
from .surfaces import bump, fold_at, ramp

SOFT = 0.012  # width of a painted edge, about half a pixel of the 64-pixel picture


def edge(signed: Tensor, soft: float = SOFT) -> Tensor:
    """Turn a signed distance (inside > 0) into coverage 0..1."""
    return ramp(signed, -soft, soft)


def over(below: Tensor, colour: Tensor, cover: Tensor) -> Tensor:
    """Lay a colour over another one; colours [n,k,3], cover [n,k]."""
    return below + (colour - below) * cover.unsqueeze(-1)


def face(look: Looks, x: Tensor, y: Tensor, front: Tensor) -> tuple[Tensor, Tensor]:
    """Paint the head at head coordinates x and y [n,k]; front [n,k] is 1 on the face and 0 behind the ears.

    Gives colour [n,k,3] in linear light and gloss [n,k].
    """
    colour, gloss = _skin(look, x, y)
    colour = _beard(look, colour, x, y)
    colour, gloss = _mouth(look, colour, gloss, x, y, front)
    colour, gloss = _eyes(look, colour, gloss, x, y, front)
    return _brows(look, colour, x, y, front), gloss


def _skin(look: Looks, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    side = x.abs()
    blush = 0.9 * bump(side, 0.31, 0.15) * bump(y, -0.09, 0.13)
    blush = blush + 0.7 * bump(x, 0, 0.08) * bump(y, look.nose_y + 0.04, 0.06)
    tint = torch.stack([1 + 0.05 * blush, 1 - 0.13 * blush, 1 - 0.12 * blush], dim=-1)
    colour = look.skin * tint
    spots = torch.sin(83 * x + 19 * y + 2 * torch.sin(31 * y)) * torch.sin(71 * y - 23 * x + 2 * torch.sin(27 * x))
    spots = ramp(spots, 0.35, 0.9) * bump(side, 0.2, 0.2) * bump(y, -0.03, 0.13) * look.freckles
    colour = over(colour, look.skin * torch.tensor([0.62, 0.45, 0.36]), 0.75 * spots)
    fold = bump(side, fold_at(look, y), 0.018) * bump(y, (look.nose_y + look.mouth_y) / 2 + 0.01, 0.08)
    fold = fold * (0.18 + 0.25 * look.smile + 0.35 * look.age)
    lines = bump(side, look.eye_x, 0.09) * bump(y, look.eye_y - 0.075, 0.018) * (0.15 + 0.5 * look.age)
    frown = ramp(torch.sin(y * 95), 0.5, 1) * bump(y, 0.38, 0.09) * bump(x, 0, 0.25) * ramp(look.age, 0.55, 1) * 0.5
    nostril = torch.exp(-(((side - 0.62 * look.nose_width) / 0.026) ** 2) - ((y - look.nose_y + 0.006) / 0.013) ** 2)
    wing = bump(side, look.nose_width + 0.03, 0.014) * bump(y, look.nose_y + 0.025, 0.03) * 0.35
    dark = (0.5 * fold + 0.35 * lines + 0.4 * frown + 0.75 * nostril + wing).clamp(0, 0.85)
    colour = over(colour, look.skin * torch.tensor([0.42, 0.26, 0.22]), dark)
    gloss = 0.35 + 0.5 * bump(x, 0, 0.06) * bump(y, 0, 0.2) + 0.3 * bump(y, 0.4, 0.12) * bump(x, 0, 0.25)
    return colour, gloss * (1 - 0.5 * dark)


def _beard(look: Looks, colour: Tensor, x: Tensor, y: Tensor) -> Tensor:
    side = x.abs()
    jaw = ramp(-y - 0.20 + 0.5 * side.clamp(max=0.5) - 0.09, 0.0, 0.13)
    jaw = torch.maximum(jaw, ramp(side, 0.40, 0.52) * ramp(-y, -0.02, 0.1))
    moustache = bump(y, look.mouth_y + look.upper_lip + 0.035, 0.04) * edge(look.mouth_width + 0.05 - side, 0.05)
    bare = torch.exp(-(((side) / (look.mouth_width * 1.02)) ** 4) - ((y - look.mouth_y + 0.02) / 0.062) ** 4)
    grain = 0.95 + 0.05 * torch.sin(97 * x + 5 * torch.sin(40 * y))
    cover = (torch.maximum(jaw, moustache) * (1 - 0.9 * bare) * grain).clamp(0, 1)
    return over(colour, look.hair * 0.75 + look.skin * 0.05, cover * (look.beard * 1.05).clamp(max=0.93))


def _mouth(look: Looks, colour: Tensor, gloss: Tensor, x: Tensor, y: Tensor, front: Tensor) -> tuple[Tensor, Tensor]:
    u = x / look.mouth_width
    bow = (1 - u * u).clamp(min=0)
    line = y - look.mouth_y - 0.075 * (look.smile - 0.3) * u * u
    gap = (0.075 * look.mouth_open + 0.012 * (look.smile - 0.45).clamp(min=0)) * bow
    upper = look.upper_lip * bow**0.75 * (1 - 0.3 * bump(u, 0, 0.2) + 0.12 * bump(u.abs(), 0.32, 0.2))
    lower = look.lower_lip * bow**0.6
    top, bottom = 0.15 * gap, -gap
    within = front * edge(0.97 - u.abs(), 0.06)
    lips = torch.minimum(top + upper - line, line - bottom + lower)
    tint = look.lips * (0.86 + 0.14 * ramp(-line, -0.02, 0.05)).unsqueeze(-1)
    colour = over(colour, tint, edge(lips, 0.011) * within)
    gloss = gloss + edge(lips) * within * (0.15 + 0.9 * look.make_up) * bump(line, bottom - 0.5 * lower, 0.02)
    inside = torch.minimum(top - line, line - bottom)
    dark = torch.tensor([0.07, 0.018, 0.018])
    colour = over(colour, dark.expand_as(colour), edge(inside + 0.006, 0.01) * within * 0.85)
    teeth = torch.minimum(inside, line - (top - 0.045)) - 0.003
    white = torch.tensor([0.72, 0.68, 0.60]) * (1 - 0.5 * u.abs().clamp(max=1) ** 2).unsqueeze(-1)
    return over(colour, white, edge(teeth, 0.01) * edge(0.86 - u.abs(), 0.1) * front * ramp(gap, 0.01, 0.03)), gloss


def _eyes(look: Looks, colour: Tensor, gloss: Tensor, x: Tensor, y: Tensor, front: Tensor) -> tuple[Tensor, Tensor]:
    side = x.abs()
    u = (side - look.eye_x) / look.eye_width
    level = y - look.eye_y - look.eye_tilt * (side - look.eye_x)
    arch = 1 - u.abs().clamp(max=1.4) ** 2.3
    upper = look.eye_height * arch + 0.006 * (1 - u * u)
    lower = -0.62 * look.eye_height * (1 - u.clamp(-1.4, 1.4) ** 2)
    opening = torch.minimum(upper - level, level - lower)
    shade = torch.exp(-((u * 0.85) ** 2)) * bump(level, look.eye_height + 0.035, 0.038)
    colour = over(colour, look.skin * torch.tensor([0.55, 0.40, 0.36]), shade * (0.35 + 0.25 * look.make_up) * front)
    crease = bump(level, upper + 0.024 - 0.012 * look.lid_weight, 0.010) * edge(1.1 - u.abs(), 0.2)
    colour = over(colour, look.skin * torch.tensor([0.30, 0.20, 0.17]), crease * 0.65 * front)
    inside = edge(opening, 0.010) * front
    bright = 1 - 0.35 * u.abs().clamp(max=1) ** 2 - 0.45 * ramp(level, 0.0, 0.06)
    colour = over(colour, torch.tensor([0.60, 0.57, 0.55]) * bright.unsqueeze(-1), inside)
    pupil_x = torch.sign(x) * look.eye_x + look.gaze
    away = torch.sqrt((x - pupil_x) ** 2 + (y - look.eye_y - 0.004) ** 2 + 1e-6)
    ring = 0.75 + 0.55 * ramp(away, 0.058, 0.03)
    colour = over(colour, look.iris * ring.unsqueeze(-1), edge(0.057 - away, 0.009) * inside)
    colour = over(colour, torch.full((3,), 0.006).expand_as(colour), edge(0.026 - away, 0.009) * inside)
    glint = bump(x, pupil_x + 0.02 * torch.sign(look.light_side), 0.014) * bump(y, look.eye_y + 0.024, 0.014)
    colour = over(colour, torch.ones(3).expand_as(colour), 0.85 * glint * inside)
    lash = bump(level, upper + 0.002, 0.012 + 0.004 * look.make_up) * edge(1.12 - u.abs(), 0.1)
    lash = lash + 0.35 * bump(level, lower, 0.008) * edge(1.0 - u.abs(), 0.1)
    lash = (lash * (0.75 + 0.2 * look.make_up)).clamp(max=0.95)
    colour = over(colour, (look.hair * 0.15 + 0.004).expand_as(colour), lash * front)
    return colour, gloss * (1 - 0.6 * inside)


def _brows(look: Looks, colour: Tensor, x: Tensor, y: Tensor, front: Tensor) -> Tensor:
    side = x.abs()
    u = (side - look.eye_x - 0.005) / 0.15
    middle = look.brow_y + look.brow_arch * (1 - (u - 0.2) ** 2 * 0.85) - 0.004 * u - 0.02
    thick = look.brow_thickness * (1 - 0.45 * ramp(u, 0.0, 1.1)) * (1 - 0.25 * bump(u, -1, 0.25))
    cover = edge(thick - (y - middle).abs(), 0.013) * edge(1.05 - u.abs(), 0.14)
    grain = 0.85 + 0.15 * torch.sin(120 * (side + 0.7 * y))
    return over(colour, look.hair * 0.6 + look.skin * 0.03, cover * grain * 0.88 * front)


def strands(look: Looks, s: Tensor, y: Tensor) -> Tensor:
    """Give the brightness of single strands [n,k], about 0.6 to 1.3, at angle s and height y."""
    flow = s + 0.25 * look.curl * torch.sin(9 * y + 3 * s) + 0.12 * torch.sin(2.5 * y + s)
    fine = torch.sin(47 * flow) + 0.8 * torch.sin(29 * flow + 1.7) + 0.6 * torch.sin(71 * flow + 0.4) * torch.cos(5 * y)
    locks = torch.sin(11 * flow + 0.8) + 0.5 * torch.sin(17 * flow + 2.1 + 2 * y)
    ringlets = torch.sin(16 * s + 20 * y) * torch.sin(23 * y - 9 * s) * look.curl
    return 0.95 + 0.10 * fine + 0.09 * locks + 0.28 * ringlets


def body(look: Looks, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Paint neck and clothes: colour [n,k,3] and how much of it is cloth [n,k]."""
    neckline = -0.80 + 0.22 * (x / 0.45) ** 2 - 0.06 * torch.exp(-((x / 0.2) ** 2))
    cloth = edge(neckline - y, 0.015)
    seam = bump(y, neckline - 0.02, 0.012) * 0.3
    colour = over(look.skin.expand(-1, x.shape[1], -1), look.clothes.expand(-1, x.shape[1], -1), cloth)
    return colour * (1 - seam * cloth).unsqueeze(-1), cloth
