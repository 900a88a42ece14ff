"""Pictures and features of a few codes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from guide_plugin import Synthesis, View
from tests.broken_adapters.planting import Repainted, breaks
from tests.toy_adapter import Toy

if TYPE_CHECKING:
    from torch import Tensor


@breaks("draws")
class ImageAlone(Toy):
    def synthesize(self, w: Tensor, view: View | None = None) -> Any:
        return super().synthesize(w, view).image


@breaks("draws")
class NeedsAView(Toy):
    def synthesize(self, w: Tensor, view: View | None = None) -> Synthesis:
        if view is None:
            raise ValueError("a view is needed")
        return super().synthesize(w, view)


@breaks("image-shape")
class ColoursLast(Repainted):
    def repaint(self, image: Tensor, w: Tensor) -> Tensor:
        return image.permute(0, 2, 3, 1)


@breaks("image-dtype")
class PicturesInDoublePrecision(Repainted):
    def repaint(self, image: Tensor, w: Tensor) -> Tensor:
        return image.double()


@breaks("finite")
class OneValueIsNoNumber(Repainted):
    def repaint(self, image: Tensor, w: Tensor) -> Tensor:
        return image + image.new_tensor([0, 0, float("nan")]).view(3, 1, 1)


@breaks("image-range")
class FromNoughtToOne(Repainted):
    def repaint(self, image: Tensor, w: Tensor) -> Tensor:
        return (image + 1) / 2


@breaks("image-range")
class FromNoughtTo255(Repainted):
    def repaint(self, image: Tensor, w: Tensor) -> Tensor:
        return (image + 1) * 127.5


@breaks("features-rows")
class FeaturesOfTheBatch(Toy):
    def synthesize(self, w: Tensor, view: View | None = None) -> Synthesis:
        image, features = super().synthesize(w, view)
        return Synthesis(image, features.flatten(0, 1))


@breaks("codes-untouched")
class CentresInPlace(Toy):
    def synthesize(self, w: Tensor, view: View | None = None) -> Synthesis:
        drawn = super().synthesize(w, view)
        if not w.requires_grad:
            w.sub_(self.network.w_avg)
        return drawn


@breaks("same-picture")
class RandomNoise(Repainted):
    def repaint(self, image: Tensor, w: Tensor) -> Tensor:
        import torch

        return image + 0.01 * torch.randn_like(image)


@breaks("drawing-global-rng")
class NoiseByTheGlobalSeed(Repainted):
    def repaint(self, image: Tensor, w: Tensor) -> Tensor:
        import torch

        torch.manual_seed(0)
        return image + 0.01 * torch.randn(image.shape[1:])


@breaks("drawing-changes-nothing")
class CountsPictures(Toy):
    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.network.register_buffer("drawn", self.network.w_avg.new_zeros(()), persistent=False)

    def synthesize(self, w: Tensor, view: View | None = None) -> Synthesis:
        self.network.drawn += len(w)
        return super().synthesize(w, view)


@breaks("expanded-code")
class ViewsTheMemory(Toy):
    def synthesize(self, w: Tensor, view: View | None = None) -> Synthesis:
        return super().synthesize(w.view(-1).view(w.shape), view)
