"""Embeddings are unit vectors, the same for the same picture in any size, and can be learned through."""

from __future__ import annotations

import torch
from guide_plugin import PluginHost
from torch.nn import functional as F

from dcgan.recogniser import load

CPU = torch.device("cpu")


def test_it_tells_pictures_apart() -> None:
    images = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1
    embed = load(None, CPU)
    small, large = embed(images), embed(F.interpolate(images, scale_factor=4))
    torch.testing.assert_close(small.norm(dim=1), torch.ones(2))
    similarity = small @ large.T
    assert similarity.diag().min() > 0.99
    assert similarity[0, 1] < 0.9


def test_it_can_train() -> None:
    image = torch.zeros(1, 3, 16, 16).uniform_(-1, 1, generator=torch.Generator().manual_seed(0)).requires_grad_()
    load(None, CPU)(image)[0, 0].backward()
    assert image.grad is not None
    assert image.grad.abs().sum() > 0
    assert PluginHost().recogniser("dcgan").differentiable
