"""Frozen networks that tell people apart: pictures in, unit embeddings out."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


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
            for before, after in zip(widths, widths[1:], strict=False)
        )
        side = self.INPUT_SIZE // 2 ** (len(widths) - 1)
        self.embedding = nn.Linear(widths[-1] * side * side, embedding_size)

    @classmethod
    def from_state_dict(cls, state: dict[str, Tensor]) -> FaceNetwork:
        """Build the network whose weights these are, its sizes read from their shapes."""
        stages = sum(key.startswith("stages.") and key.endswith(".0.0.weight") for key in state)
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
