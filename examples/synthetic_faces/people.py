"""Turn plain normal numbers into the looks of a person: who they are, and the scene they are seen in."""

from dataclasses import dataclass

import torch
from torch import Tensor

# Who: these numbers belong to a person and stay when the scene changes.
IDENTITY = (
    "build",  # slight and soft (-) to sturdy and square (+); leans jaw, brows, lips, neck, hair length and beard
    "age",
    "skin_tone",
    "skin_warmth",
    "head_width",
    "jaw_square",
    "chin_length",
    "chin_forward",
    "cheek_fullness",
    "forehead",
    "hair_length",
    "hair_volume",
    "hair_darkness",
    "hair_redness",
    "fringe",
    "parting",
    "curl",
    "brow_thickness",
    "brow_height",
    "brow_arch",
    "eye_size",
    "eye_spacing",
    "eye_tilt",
    "iris",
    "lid_weight",
    "nose_length",
    "nose_width",
    "nose_height",
    "mouth_width",
    "lip_fullness",
    "lip_colour",
    "beard",
    "freckles",
    "ear_size",
)

# The scene: what changes from one picture of the same person to the next.
SCENE = (
    "yaw",
    "pitch",
    "roll",
    "light_side",
    "light_height",
    "light_hardness",
    "light_warmth",
    "exposure",
    "smile",
    "mouth_open",
    "brow_raise",
    "squint",
    "gaze",
    "background_hue",
    "background_lightness",
    "clothes_hue",
    "clothes_lightness",
)

SKIN = ((246, 217, 200), (236, 196, 172), (217, 168, 134), (190, 139, 106), (144, 98, 72), (98, 67, 54))
HAIR = ((222, 190, 134), (176, 134, 86), (112, 76, 48), (62, 42, 31), (26, 22, 22))
IRIS = ((58, 34, 20), (96, 62, 32), (128, 100, 56), (96, 118, 80), (84, 124, 158), (128, 148, 164))


@dataclass(frozen=True)
class Looks:
    """Hold physical quantities of n people in n scenes: lengths in half picture widths, angles in radians.

    Scalars are [n,1]; colours are linear light RGB [n,1,3].
    """

    s: dict[str, Tensor]
    skin: Tensor
    hair: Tensor
    iris: Tensor
    lips: Tensor
    clothes: Tensor
    light: Tensor
    background: Tensor

    def __getattr__(self, name: str) -> Tensor:
        try:
            return self.__dict__["s"][name]
        except KeyError:
            raise AttributeError(name) from None


def looks(identity: Tensor, scene: Tensor) -> Looks:
    """Map normal numbers to looks.

    identity [n, len(IDENTITY)] and scene [n, len(SCENE)], both about standard normal. Every mapping is smooth and
    bounded, so numbers far outside draw an extreme, but still a face.
    """
    p = dict(zip(IDENTITY, identity.unsqueeze(-1).unbind(1), strict=True))
    q = dict(zip(SCENE, scene.unsqueeze(-1).unbind(1), strict=True))
    build, age = _bounded(p["build"]), torch.sigmoid(p["age"] * 1.3 - 0.4)
    long_hair = torch.sigmoid(2.2 * (p["hair_length"] - 0.9 * build))
    smile, opened = torch.sigmoid(1.4 * q["smile"] + 0.55), torch.sigmoid(1.6 * q["mouth_open"] - 2.0)
    nose_bottom = -0.178 - 0.028 * _bounded(p["nose_length"])
    mouth_y = nose_bottom - 0.168 - 0.008 * _bounded(p["lip_fullness"])
    beard = torch.sigmoid(2.6 * (p["beard"] + 1.3 * build - 1.5)) * torch.sigmoid(4 * (build + 0.1))
    s = {
        "age": age,
        "half_width": 0.515 + 0.026 * _bounded(p["head_width"]) + 0.014 * build,
        "jaw_power": 2.0 + 0.2 * _bounded(p["jaw_square"]) + 0.11 * build,
        "chin_y": -0.705 - 0.035 * _bounded(p["chin_length"]) - 0.012 * build - 0.05 * opened,
        "top_y": 0.86 + 0.03 * _bounded(p["forehead"]),
        "chin_forward": 0.035 + 0.025 * _bounded(p["chin_forward"]) + 0.015 * build,
        "cheek": _bounded(p["cheek_fullness"]),
        "brow_ridge": 0.02 + 0.018 * build,
        "hairline": 0.635 + 0.05 * _bounded(p["forehead"]) + 0.05 * age,
        "fringe": torch.sigmoid(2.4 * (p["fringe"] - 0.85)) * (1 - 0.6 * age * torch.sigmoid(3 * build)),
        "parting": 0.75 * _bounded(p["parting"]),
        "hair_end": 0.17 - 1.47 * long_hair,
        "long_hair": long_hair,
        "hair_volume": 0.075 + 0.045 * _bounded(p["hair_volume"]) + 0.02 * _bounded(p["curl"]).clamp(min=0),
        "curl": torch.sigmoid(1.8 * p["curl"] - 0.6),
        "brow_thickness": 0.024 + 0.007 * _bounded(p["brow_thickness"]) + 0.005 * build,
        "brow_y": 0.255 + 0.018 * _bounded(p["brow_height"]) - 0.014 * build + 0.045 * _bounded(q["brow_raise"]),
        "brow_arch": 0.024 + 0.013 * _bounded(p["brow_arch"]) - 0.006 * build + 0.012 * _bounded(q["brow_raise"]),
        "eye_x": 0.232 + 0.017 * _bounded(p["eye_spacing"]),
        "eye_y": torch.full_like(build, 0.095),
        "eye_width": 0.112 + 0.010 * _bounded(p["eye_size"]),
        "eye_height": (0.056 + 0.011 * _bounded(p["eye_size"]) - 0.004 * build)
        * (1.0 - 0.28 * torch.sigmoid(1.6 * q["squint"] - 1.0) - 0.12 * smile),
        "eye_tilt": 0.05 + 0.11 * _bounded(p["eye_tilt"]),
        "lid_weight": torch.sigmoid(1.4 * p["lid_weight"]),
        "nose_y": nose_bottom,
        "nose_width": 0.088 + 0.018 * _bounded(p["nose_width"]) + 0.006 * build + 0.007 * smile,
        "nose_height": 0.165 + 0.035 * _bounded(p["nose_height"]) + 0.01 * build,
        "nose_tip": 0.05 + 0.012 * _bounded(p["nose_width"] - p["nose_height"]),
        "mouth_y": mouth_y,
        "mouth_width": 0.165 + 0.02 * _bounded(p["mouth_width"]) + 0.034 * smile,
        "upper_lip": (0.032 + 0.011 * _bounded(p["lip_fullness"]) - 0.005 * build) * (1 - 0.2 * smile),
        "lower_lip": (0.046 + 0.014 * _bounded(p["lip_fullness"]) - 0.006 * build) * (1 - 0.12 * smile),
        "smile": smile,
        "mouth_open": opened,
        "beard": beard,
        "freckles": torch.sigmoid(2.2 * p["freckles"] - 2.6),
        "make_up": torch.sigmoid(1.8 * (p["lip_colour"] - 1.0 * build - 0.3)),
        "ear": 1.0 + 0.15 * _bounded(p["ear_size"]),
        "neck": 0.315 + 0.055 * build,
        "yaw": 0.25 * _bounded(q["yaw"]),
        "pitch": 0.15 * _bounded(q["pitch"]),
        "roll": 0.07 * _bounded(q["roll"]),
        "light_side": 0.95 * _bounded(q["light_side"]),
        "light_height": 0.55 + 0.3 * _bounded(q["light_height"]),
        "light_hardness": torch.sigmoid(1.2 * q["light_hardness"]),
        "exposure": 1.0 + 0.16 * _bounded(q["exposure"]),
        "gaze": 0.018 * _bounded(q["gaze"]),
    }
    tone = torch.special.ndtr(p["skin_tone"])
    flush = _bounded(p["skin_warmth"])
    skin = _along(SKIN, 0.04 + 0.9 * tone) * _rgb(1 + 0.05 * flush, torch.ones_like(flush), 1 - 0.10 * flush)
    dark = torch.special.ndtr(0.75 * p["hair_darkness"] + 2.2 * (tone - 0.35))
    hair = _along(HAIR, dark)
    red = torch.sigmoid(2.5 * p["hair_redness"] - 2.4) * (1 - dark).clamp(min=0.12)
    hair = torch.lerp(hair, _srgb((158, 72, 32)).expand_as(hair), red.unsqueeze(-1))
    grey = torch.sigmoid(14 * (age - 0.83))
    hair = torch.lerp(hair, _srgb((186, 184, 182)).expand_as(hair), (0.85 * grey).unsqueeze(-1))
    iris = _along(IRIS, torch.special.ndtr(0.95 * p["iris"] - 3.2 * (tone - 0.25)))
    natural = skin * torch.tensor([0.86, 0.56, 0.58])
    painted = skin * 0.25 + _srgb((176, 38, 56)) * 0.75
    lips = torch.lerp(natural, painted, (0.75 * s["make_up"]).unsqueeze(-1))
    clothes = _hue(q["clothes_hue"], 0.45) * (0.02 + 0.42 * torch.special.ndtr(q["clothes_lightness"])).unsqueeze(-1)
    warm = _bounded(q["light_warmth"])
    light = _rgb(1 + 0.05 * warm, torch.ones_like(warm), 1 - 0.10 * warm)
    lightness = 0.03 + 0.55 * torch.special.ndtr(q["background_lightness"])
    background = _hue(q["background_hue"], 0.19) * lightness.unsqueeze(-1)
    return Looks(s, skin, hair, iris, lips, clothes, light, background)


def _bounded(x: Tensor) -> Tensor:
    """Squeeze a normal number softly into about -1.8 to 1.8; near zero it stays as it is."""
    return 1.8 * torch.tanh(x / 1.8)


def _srgb(colour: tuple[int, int, int]) -> Tensor:
    """Turn a screen colour 0..255 into linear light [3]."""
    return (torch.tensor(colour, dtype=torch.float32) / 255) ** 2.2


def _rgb(r: Tensor, g: Tensor, b: Tensor) -> Tensor:
    """Stack three channels [n,1] into [n,1,3]."""
    return torch.stack([r, g, b], dim=-1)


def _along(stops: tuple[tuple[int, int, int], ...], u: Tensor) -> Tensor:
    """Pick a colour [n,1,3] along evenly spaced stops at u in 0..1 [n,1]."""
    palette = torch.stack([_srgb(c) for c in stops])
    at = u.clamp(0, 0.9999) * (len(stops) - 1)
    low = at.long()
    return torch.lerp(palette[low], palette[low + 1], (at - low).unsqueeze(-1))


def _hue(x: Tensor, saturation: float) -> Tensor:
    """Turn a normal number into a colour [n,1,3] of luminance about 1; neighbouring numbers have neighbouring hues."""
    angle = 1.5 * _bounded(x)
    wheel = torch.stack([torch.cos(angle), torch.cos(angle - 2.094), torch.cos(angle + 2.094)], dim=-1)
    return 1 + saturation * wheel
