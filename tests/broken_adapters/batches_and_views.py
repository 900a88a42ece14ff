"""Codes beside others, and views."""

from __future__ import annotations

from typing import TYPE_CHECKING

from guide_plugin import Synthesis, View
from tests.broken_adapters.planting import Repainted, breaks
from tests.toy_adapter import Toy

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@breaks("codes-matter")
class TheFirstForAll(Toy):
    def synthesize(self, w: Tensor, view: View | None = None) -> Synthesis:
        return super().synthesize(w[:1].expand_as(w), view)


@breaks("batch-neighbours")
class NormalisesTheBatch(Repainted):
    def repaint(self, image: Tensor, w: Tensor) -> Tensor:
        return image - 0.01 * image.mean()


@breaks("batch-order")
class NoiseByPlace(Repainted):
    def repaint(self, image: Tensor, w: Tensor) -> Tensor:
        import torch

        return image + 0.01 * torch.arange(len(w)).view(-1, 1, 1, 1)


@breaks("batch-size")
class DimsCrowds(Repainted):
    def repaint(self, image: Tensor, w: Tensor) -> Tensor:
        return image * 0.99 ** len(w)


@breaks("training-views")
class OneViewForAll(Toy):
    def sample_views(self, n: int, rng: torch.Generator) -> View | None:
        return self.view_from_pose(0, 0)


@breaks("training-views")
class ViewsFromTheGlobalGenerator(Toy):
    def sample_views(self, n: int, rng: torch.Generator) -> View | None:
        import torch

        return torch.randn(n, 2)


@breaks("audit-views")
class RandomAuditViews(Toy):
    def audit_views(self) -> View | None:
        import torch

        return torch.randn(3, 2)


@breaks("pose-view")
class PoseWithoutRow(Toy):
    def view_from_pose(self, yaw: float, pitch: float) -> View | None:
        import torch

        return torch.tensor([yaw, pitch])


@breaks("view-rows")
class TheFirstViewForAll(Toy):
    def synthesize(self, w: Tensor, view: View | None = None) -> Synthesis:
        return super().synthesize(w, None if view is None else view[:1].expand_as(view))


@breaks("views-matter")
class LooksAway(Toy):
    def synthesize(self, w: Tensor, view: View | None = None) -> Synthesis:
        return super().synthesize(w)
