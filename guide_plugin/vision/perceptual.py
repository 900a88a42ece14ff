"""Perceptual distance: how different two pictures look to a frozen convolutional network.

Source: Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric", CVPR 2018 (LPIPS).
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from guide_plugin.errors import HubError, UsageError
from guide_plugin.network_file import NetworkFile
from guide_plugin.vision.torchvision_on_cpu import make_torchvision_importable

VGG16_FILE = "vgg16-397923af.pth"
"""Torchvision's file of VGG16, in torch's hub cache; torchvision holds what it fetches against the digits in it."""


class ConvPerceptual(nn.Module):
    """LPIPS over a plain stack of 3×3 convolutions with ReLU, 2×2 max-pooling before all but the first.

    Weights: `convs.i.weight`, `convs.i.bias`, per-channel weights `lins.i` ≥ 0, and the input normalisation
    `(x - shift) / scale`, both [1, 3, 1, 1].
    """

    shift: Tensor
    scale: Tensor

    def __init__(self, widths: list[int]) -> None:
        super().__init__()
        sizes = [3, *widths]
        self.convs = nn.ModuleList(
            nn.Conv2d(before, after, 3, padding=1) for before, after in zip(sizes, widths, strict=False)
        )
        self.lins = nn.ParameterList(nn.Parameter(torch.ones(width)) for width in widths)
        self.register_buffer("shift", torch.zeros(1, 3, 1, 1))
        self.register_buffer("scale", torch.ones(1, 3, 1, 1))

    @classmethod
    def from_state_dict(cls, state: dict[str, Tensor]) -> ConvPerceptual:
        """Build the network whose weights these are, its widths read from their shapes."""
        count = sum(key.startswith("lins.") for key in state)
        network = cls([state[f"lins.{i}"].shape[0] for i in range(count)])
        network.load_state_dict(state)
        return network

    def features(self, images: Tensor) -> list[Tensor]:
        """Return the channel-normalised, weighted feature maps; their squared differences sum to the distance.

        Args:
            images: [n, 3, H, W] in [-1, 1].
        """
        maps = []
        x = (images - self.shift) / self.scale
        for i, (conv, lin) in enumerate(zip(self.convs, self.lins, strict=True)):
            if i:
                x = F.max_pool2d(x, 2)
            x = F.relu(conv(x))
            maps.append(_unit(x, lin))
        return maps


class LpipsVgg(nn.Module):
    """LPIPS v0.1 over VGG16 with its published linear weights (package lpips).

    Args:
        random: leave VGG16 untrained, so that nothing is fetched; for tests.
    """

    def __init__(self, random: bool = False) -> None:
        super().__init__()
        make_torchvision_importable()
        import lpips

        self.lpips = lpips.LPIPS(net="vgg", pnet_rand=random, verbose=False)
        self.lpips.to(memory_format=torch.channels_last)  # a fifth faster at 512×512 on a CPU
        fetched = Path(torch.hub.get_dir()) / "checkpoints" / VGG16_FILE
        self.weights_file = fetched if not random and fetched.is_file() else None

    def features(self, images: Tensor) -> list[Tensor]:
        """Return the same as `ConvPerceptual.features`."""
        maps = self.lpips.net(self.lpips.scaling_layer(images))
        return [_unit(x, lin.model[-1].weight.flatten()) for x, lin in zip(maps, self.lpips.lins, strict=True)]


def _unit(x: Tensor, lin: Tensor) -> Tensor:
    """Scale `x` [n, c, h, w] to unit norm over channels, then by the root of the channel weights `lin` [c]."""
    norm = (x.square().sum(dim=1, keepdim=True) + 1e-20).sqrt()  # the root's slope at 0 would make NaN gradients
    return x * (lin.sqrt().view(1, -1, 1, 1) / norm)


def feature_distance(a: list[Tensor], b: list[Tensor]) -> Tensor:
    """Return the LPIPS distance [n] between two pictures' `features`: squared difference, mean over space, sum."""
    return torch.stack(
        [(x.float() - y.float()).square().sum(dim=1).mean(dim=(1, 2)) for x, y in zip(a, b, strict=True)]
    ).sum(dim=0)


def load_perceptual(choice: str, device: torch.device) -> ConvPerceptual | LpipsVgg:
    """Load the perceptual network "lpips-vgg" (fetched at first use) or "conv:FILE", with or without a hash.

    Raises:
        UsageError: there is no such network.
        HubError: its weights cannot be had, or the file is another one or holds another network.
    """
    chosen = NetworkFile.parse(choice)
    chosen.check()
    network: ConvPerceptual | LpipsVgg
    if choice == "lpips-vgg":
        try:
            network = LpipsVgg()
        except OSError as error:
            raise HubError(
                f"The VGG16 weights of the perceptual distance cannot be fetched ({error}).",
                "Connect once, or put torchvision's vgg16 weights into torch's hub cache.",
            ) from error
    elif chosen.name == "conv" and chosen.file:
        try:
            network = ConvPerceptual.from_state_dict(load_file(chosen.file))
        except (OSError, SafetensorError, KeyError, RuntimeError) as error:
            raise HubError(
                f"{chosen.file.name} does not hold the weights of a perceptual network.", "Fetch or train it again."
            ) from error
    else:
        raise UsageError(f"There is no perceptual network {choice}.", "Known: lpips-vgg, conv:FILE.")
    return network.to(device).eval().requires_grad_(False)
