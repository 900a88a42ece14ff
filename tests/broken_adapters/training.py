"""Gradients, students and their teachers, precision."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar, Self

from guide_plugin import Synthesis, View
from tests.broken_adapters.planting import Repainted, breaks
from tests.toy_adapter import Toy

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Parameter


@breaks("trainable")
class NamesTwice(Toy):
    def trainable_parameters(self) -> Iterator[tuple[str, Parameter]]:
        for name, parameter in super().trainable_parameters():
            yield name.rpartition(".")[2], parameter


@breaks("trainable")
class NamesCopies(Toy):
    def trainable_parameters(self) -> Iterator[tuple[str, Parameter]]:
        return ((name, copy.deepcopy(parameter)) for name, parameter in super().trainable_parameters())


@breaks("drawn-with-gradients")
class DetachedPicture(Repainted):
    def repaint(self, image: Tensor, w: Tensor) -> Tensor:
        return image.detach()


@breaks("drawn-with-gradients")
class DetachedFeatures(Toy):
    def synthesize(self, w: Tensor, view: View | None = None) -> Synthesis:
        image, features = super().synthesize(w, view)
        return Synthesis(image, features.detach())


@breaks("one-pass")
class TwoPasses(Toy):
    def synthesize(self, w: Tensor, view: View | None = None) -> Synthesis:
        return Synthesis(super().synthesize(w, view).image, self.network.features(w))


@breaks("gradients-reach-all")
class TrainsWhatIsNotUsed(Toy):
    def trainable_parameters(self) -> Iterator[tuple[str, Parameter]]:
        yield from super().trainable_parameters()
        yield "mapping.weight", self.network.mapping.weight


@breaks("gradients-reach-nothing-else")
class ThawsWhileDrawing(Toy):
    def synthesize(self, w: Tensor, view: View | None = None) -> Synthesis:
        drawn = super().synthesize(w, view)
        self.network.mapping.requires_grad_(True)
        return drawn


@breaks("gradient-of-code")
class DetachedCode(Toy):
    def synthesize(self, w: Tensor, view: View | None = None) -> Synthesis:
        return super().synthesize(w.detach(), view)


@breaks("save-memory")
class NeverDoneSaving(Toy):
    def save_memory(self) -> bool:
        return True


@breaks("save-memory")
class SavesGradientsToo(Repainted):
    saving = False

    def save_memory(self) -> bool:
        was, self.saving = self.saving, True
        return not was

    def repaint(self, image: Tensor, w: Tensor) -> Tensor:
        return 0.5 * image + 0.5 * image.detach() if self.saving else image


@breaks("loads-the-same")
class RandomWhereNothingWasRead(Toy):
    def __init__(self, *arguments: Any) -> None:
        import torch

        super().__init__(*arguments)
        self.network.noise.add_(0.01 * torch.randn(4, 4, generator=torch.Generator().manual_seed(self.count())))

    loaded: ClassVar[int] = 0

    @classmethod
    def count(cls) -> int:
        cls.loaded += 1
        return cls.loaded


@breaks("training-is-seen")
class Remembers(Toy):
    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.album: dict[Any, Synthesis] = {}

    def synthesize(self, w: Tensor, view: View | None = None) -> Synthesis:
        import torch

        if torch.is_grad_enabled():
            return super().synthesize(w, view)
        key = str((w.tolist(), None if view is None else view.tolist(), torch.is_autocast_enabled("cpu")))
        if key not in self.album:
            self.album[key] = super().synthesize(w, view)
        return self.album[key]


@breaks("copy-draws-the-same")
class CopiesRoundly(Toy):
    def __deepcopy__(self, memo: object) -> Self:
        return type(self)(copy.deepcopy(self.network).half().float(), self.device)


@breaks("copy-is-independent")
class CopiesShareTheNetwork(Toy):
    def __deepcopy__(self, memo: object) -> Self:
        return copy.copy(self)


@breaks("bfloat16")
class OverflowsInBfloat16(Toy):
    def synthesize(self, w: Tensor, view: View | None = None) -> Synthesis:
        image, features = super().synthesize(w, view)
        low = self.network.mapping(w[:, :4]).itemsize == 2
        return Synthesis(image * float("nan") if low else image, features)
