"""The recognisers `arcface` and `curricularface`: improved residual networks on 112×112 faces.

They are the two that GUIDE's paper used: ArcFace's IR-SE50 trains the forgetting, CurricularFace's IR-101 measures it.
Parameter names are those of their published files, `model_ir_se50.pth` and `CurricularFace_Backbone.pth`.

Source: Deng et al., "ArcFace", CVPR 2019; Huang et al., "CurricularFace", CVPR 2020; Hu et al., "Squeeze-and-Excitation
Networks", CVPR 2018.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn

from guide_plugin.errors import HubError, UsageError

SIDE = 112
WIDTHS = (64, 128, 256, 512)

# The face in an FFHQ-aligned picture of 256×256 pixels.
PICTURE = 256
ROWS, COLUMNS = slice(35, 223), slice(32, 220)


@dataclass(frozen=True)
class Architecture:
    """One of the published networks.

    Attributes:
        units: residual units of each of the four stages; a stage's first unit halves the resolution.
        squeeze: whether each unit ends in a squeeze-and-excitation.
        affine: whether the last normalisation has learned scales.
        file: the name that its weights were published under.
    """

    name: str
    units: tuple[int, int, int, int]
    squeeze: bool
    affine: bool
    file: str


ARCFACE = Architecture("arcface", (3, 4, 14, 3), True, True, "model_ir_se50.pth")
CURRICULARFACE = Architecture("curricularface", (3, 13, 30, 3), False, False, "CurricularFace_Backbone.pth")


class Excitation(nn.Module):
    """Squeeze-and-excitation: every channel times a factor in (0, 1) drawn from all channels' means."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(channels, channels // 16, 1, bias=False)
        self.fc2 = nn.Conv2d(channels // 16, channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.fc2(F.relu(self.fc1(x.mean(dim=(2, 3), keepdim=True)))).sigmoid()


class Unit(nn.Module):
    """A residual unit that normalises before its first convolution."""

    def __init__(self, before: int, after: int, stride: int, squeeze: bool) -> None:
        super().__init__()
        self.shortcut_layer: nn.Module = nn.MaxPool2d(1, stride)
        if before != after:
            self.shortcut_layer = nn.Sequential(nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after))
        self.res_layer = nn.Sequential(
            nn.BatchNorm2d(before),
            nn.Conv2d(before, after, 3, padding=1, bias=False),
            nn.PReLU(after),
            nn.Conv2d(after, after, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(after),
            *([Excitation(after)] if squeeze else []),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.res_layer(x) + self.shortcut_layer(x)


class IResNet(nn.Module):
    """FFHQ-aligned images [n, 3, H, W] in [-1, 1] to unit embeddings [n, 512]."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        before, units = WIDTHS[0], []
        for width, count in zip(WIDTHS, architecture.units, strict=True):
            for i in range(count):
                units.append(Unit(before, width, 1 if i else 2, architecture.squeeze))
                before = width
        self.input_layer = nn.Sequential(
            nn.Conv2d(3, WIDTHS[0], 3, padding=1, bias=False), nn.BatchNorm2d(WIDTHS[0]), nn.PReLU(WIDTHS[0])
        )
        self.body = nn.Sequential(*units)
        self.output_layer = nn.Sequential(
            nn.BatchNorm2d(WIDTHS[-1]),
            nn.Identity(),  # the published network's dropout
            nn.Flatten(),
            nn.Linear(WIDTHS[-1] * (SIDE // 16) ** 2, 512),
            nn.BatchNorm1d(512, affine=architecture.affine),
        )

    def forward(self, images: Tensor) -> Tensor:
        return self.embed(fixed_crop(images))

    def embed(self, faces: Tensor) -> Tensor:
        """Return the unit embeddings [n, 512] of cropped faces [n, 3, 112, 112] in [-1, 1]."""
        return F.normalize(self.output_layer(self.body(self.input_layer(faces))))


def fixed_crop(images: Tensor) -> Tensor:
    """Return the faces [n, 3, 112, 112] of FFHQ-aligned images [n, 3, H, W], as GUIDE's training loss crops them."""
    if images.shape[-2:] != (PICTURE, PICTURE):
        images = F.interpolate(images, (PICTURE, PICTURE), mode="bilinear", align_corners=False)
    return F.adaptive_avg_pool2d(images[..., ROWS, COLUMNS], SIDE)


def load_iresnet(architecture: Architecture, weights: Path | None, device: torch.device) -> IResNet:
    """Load a recogniser from its published file, or from the same tensors in a safetensors file.

    Raises:
        UsageError: no file was named.
        HubError: the file cannot be read or holds another network; says which tensor.
    """
    if weights is None:
        raise UsageError(
            f"The recogniser {architecture.name} needs the file of its weights.",
            f"Name it: {architecture.name}:{architecture.file}.",
        )
    remedy = f"Fetch {architecture.file} again."
    try:
        state = _read(weights)
    except Exception as error:
        raise HubError(f"{weights.name} cannot be read ({type(error).__name__}).", remedy) from error
    with torch.device("meta"):
        network = IResNet(architecture)
    wrong = _first_difference(network.state_dict(), state)
    if wrong:
        raise HubError(f"{weights.name} does not hold the weights of {architecture.name}: {wrong}.", remedy)
    network.load_state_dict(state, assign=True)
    return network.eval().to(device, torch.float32).requires_grad_(False)


def _read(path: Path) -> Any:
    if path.suffix == ".safetensors":
        return load_file(path)
    return torch.load(path, map_location="cpu", weights_only=True)


def _first_difference(expected: dict[str, Tensor], state: Any) -> str:
    if not isinstance(state, dict):
        return "it is no table of tensors"
    for name, tensor in expected.items():
        if not isinstance(state.get(name), Tensor):
            return f"{name} is missing"
        if state[name].shape != tensor.shape:
            return f"{name} is {_times(state[name])}, not {_times(tensor)}"
        if not state[name].isfinite().all():
            return f"{name} holds NaN or Inf"
    unknown = [name for name in state if name not in expected]
    return f"{str(unknown[0])[:80]} is unknown" if unknown else ""


def _times(tensor: Tensor) -> str:
    return " × ".join(map(str, tensor.shape)) or "a scalar"
