"""The recogniser `small`: a little residual network that a model can bring along, such as the demo model's."""

from __future__ import annotations

import itertools
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from guide_plugin.errors import HubError, UsageError


def _conv_bn_act(in_channels: int, out_channels: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 3, stride, padding=1, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.PReLU(out_channels),
    )


class Residual(nn.Module):
    """Two 3×3 convolutions around which the input passes unchanged."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.inner = nn.Sequential(
            _conv_bn_act(channels, channels, 1),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.inner(x)


class FaceNetwork(nn.Module):
    """A small residual face recogniser: images [n, 3, H, W] in [-1, 1] to unit embeddings [n, embedding_size].

    Each entry of `widths` after the first is a stage that halves the resolution. Pictures of any size are
    brought to `INPUT_SIZE` pixels first.
    """

    INPUT_SIZE = 64

    def __init__(self, widths: list[int], embedding_size: int) -> None:
        super().__init__()
        self.stem = _conv_bn_act(3, widths[0], 1)
        self.stages = nn.ModuleList(
            nn.Sequential(_conv_bn_act(before, after, 2), Residual(after))
            for before, after in itertools.pairwise(widths)
        )
        side = self.INPUT_SIZE // 2 ** (len(widths) - 1)
        self.embedding = nn.Linear(widths[-1] * side * side, embedding_size)

    @classmethod
    def from_state_dict(cls, state: dict[str, Tensor]) -> FaceNetwork:
        """Build the network whose weights these are, its sizes read from their shapes."""
        stages = len({key.split(".")[1] for key in state if key.startswith("stages.")})
        widths = [state["stem.0.weight"].shape[0]] + [state[f"stages.{i}.0.0.weight"].shape[0] for i in range(stages)]
        network = cls(widths, state["embedding.weight"].shape[0])
        network.load_state_dict(state)
        return network

    def forward(self, images: Tensor) -> Tensor:
        x = images
        if x.shape[-1] != self.INPUT_SIZE:
            x = F.interpolate(x, (self.INPUT_SIZE, self.INPUT_SIZE), mode="bilinear", antialias=True)
        x = self.stem(x)
        for stage in self.stages:
            x = stage(x)
        return F.normalize(self.embedding(x.flatten(1)))


def load_small(weights: Path | None, device: torch.device) -> FaceNetwork:
    """Load the recogniser from a safetensors file.

    Raises:
        UsageError: no file was named.
        HubError: the file cannot be read or holds another network.
    """
    if weights is None:
        raise UsageError("The recogniser small needs the file of its weights.", "Name it: small:FILE.")
    try:
        network = FaceNetwork.from_state_dict(load_file(weights))
    except (OSError, SafetensorError, KeyError, RuntimeError) as error:
        raise HubError(
            f"{weights.name} does not hold the weights of a small recogniser.", "Fetch or train it again."
        ) from error
    return network.to(device).eval().requires_grad_(False)
