"""Toys with one planted fault each, by the clause that it breaks; like real adapters, without torch at the top."""

from __future__ import annotations

import copy
import shutil
import zipfile
from abc import abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar

from guide_plugin import AdapterError, LocalCheckpoint, Match, RepoListing, Saved, Synthesis, View
from tests.toy_adapter import CONFIG, WEIGHTS, Toy

if TYPE_CHECKING:
    import torch
    from torch import Tensor
    from torch.nn import Parameter

FAULTS: list[tuple[str, type[Toy]]] = []
"""Clause and adapter, in the order of the contract."""

T = TypeVar("T", bound=type[Toy])


def breaks(clause: str) -> Callable[[T], T]:
    def planted(cls: T) -> T:
        FAULTS.append((clause, cls))
        return cls

    return planted


@breaks("complete")
class WithoutSave(Toy):
    @abstractmethod
    def save(self, folder: Path) -> Saved: ...


@breaks("name")
class NameOfTwoWords(Toy):
    name = "my toy"


@breaks("api-version")
class OfTheFuture(Toy):
    api_version = 99


@breaks("alignment")
class WithoutAlignment(Toy):
    alignment = ""


@breaks("match-without-torch")
class MatchWithTorch(Toy):
    @classmethod
    def match(cls, listing: RepoListing) -> Match | None:
        import torch  # noqa: F401

        return super().match(listing)


@breaks("match-claims")
class ClaimsNothing(Toy):
    @classmethod
    def match(cls, listing: RepoListing) -> Match | None:
        return None


@breaks("match-files")
class ClaimsWhatIsNotThere(Toy):
    @classmethod
    def match(cls, listing: RepoListing) -> Match | None:
        return Match((CONFIG, "model.pt"), "toy") if super().match(listing) else None


@breaks("match-on-the-hub")
class MatchNeedsTheFolder(Toy):
    @classmethod
    def match(cls, listing: RepoListing) -> Match | None:
        return super().match(listing) if (listing.folder / WEIGHTS).is_file() else None  # type: ignore[operator]


@breaks("match-foreign")
class ClaimsByFileNames(Toy):
    @classmethod
    def match(cls, listing: RepoListing) -> Match | None:
        return Match((CONFIG, WEIGHTS), "toy") if {CONFIG, WEIGHTS} <= listing.files.keys() else None


@breaks("match-foreign")
class ClaimsEveryConfiguration(Toy):
    @classmethod
    def match(cls, listing: RepoListing) -> Match | None:
        return super().match(listing) or (Match((CONFIG,), "toy") if CONFIG in listing.files else None)


@breaks("match-foreign")
class ExpectsADictionary(Toy):
    @classmethod
    def match(cls, listing: RepoListing) -> Match | None:
        is_toy = CONFIG in listing.documents and listing.documents[CONFIG]["model_type"] == "toy"
        return super().match(listing) if is_toy else None


@breaks("load")
class LoadsTheNetworkAlone(Toy):
    @classmethod
    def load(cls, checkpoint: LocalCheckpoint, device: torch.device) -> Any:
        return super().load(checkpoint, device).network


@breaks("latent-shape")
class ShapeIsANumber(Toy):
    latent_shape = 8  # type: ignore[assignment]


@breaks("device")
class DeviceIsAString(Toy):
    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.device = "cpu"  # type: ignore[assignment]


@breaks("frozen")
class MappingIsThawed(Toy):
    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.network.mapping.requires_grad_(True)


@breaks("evaluation-mode")
class DropsOut(Toy):
    def __init__(self, *arguments: Any) -> None:
        import torch

        super().__init__(*arguments)
        self.drop = torch.nn.Dropout(0.5)

    def synthesize(self, w: Tensor, view: View | None = None) -> Synthesis:
        return super().synthesize(self.drop(w), view)


@breaks("mean-latent")
class MeanWithoutRow(Toy):
    def mean_latent(self) -> Tensor:
        return self.network.w_avg


@breaks("sample-latents")
class CodesInDoublePrecision(Toy):
    def sample_latents(self, n: int, rng: torch.Generator) -> Tensor:
        return super().sample_latents(n, rng).double()

    def synthesize(self, w: Tensor, view: View | None = None) -> Synthesis:
        return super().synthesize(w.float(), view)


@breaks("codes-repeat")
class CodesFromTheGlobalGenerator(Toy):
    def sample_latents(self, n: int, rng: torch.Generator) -> Tensor:
        import torch

        return self.network.mapping(torch.randn(n, 4))


@breaks("codes-vary")
class AlwaysTheSamePeople(Toy):
    def sample_latents(self, n: int, rng: torch.Generator) -> Tensor:
        import torch

        return super().sample_latents(n, torch.Generator().manual_seed(rng.initial_seed()))


@breaks("codes-global-rng")
class SetsTheSeed(Toy):
    def sample_latents(self, n: int, rng: torch.Generator) -> Tensor:
        import torch

        torch.manual_seed(0)
        return super().sample_latents(n, rng)


@breaks("mean-in-the-middle")
class MeanIsFarOff(Toy):
    def mean_latent(self) -> Tensor:
        return super().mean_latent() + 9


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


class Repainted(Toy):
    """A toy whose pictures are changed at last."""

    def synthesize(self, w: Tensor, view: View | None = None) -> Synthesis:
        image, features = super().synthesize(w, view)
        return Synthesis(self.repaint(image, w), features)

    def repaint(self, image: Tensor, w: Tensor) -> Tensor:
        return image


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


@breaks("saves")
class CannotSave(Toy):
    def save(self, folder: Path) -> Saved:
        raise NotImplementedError("not yet")


@breaks("saves")
class SavesInSilence(Toy):
    def save(self, folder: Path) -> Any:
        super().save(folder)


@breaks("saved-files")
class NamesHalf(Toy):
    def save(self, folder: Path) -> Saved:
        return Saved(super().save(folder).files[:1])


class KeepsWhereItCameFrom(Toy):
    """A toy that knows the folder it was loaded from."""

    source: Path

    @classmethod
    def load(cls, checkpoint: LocalCheckpoint, device: torch.device) -> Self:
        loaded = super().load(checkpoint, device)
        loaded.source = checkpoint.folder
        return loaded


@breaks("original-untouched")
class WritesBack(KeepsWhereItCameFrom):
    def save(self, folder: Path) -> Saved:
        config = self.source / CONFIG
        config.write_text(config.read_text() + "\n")
        return super().save(folder)


@breaks("saved-is-claimed")
class ForgetsItsType(Toy):
    def save(self, folder: Path) -> Saved:
        saved = super().save(folder)
        (folder / CONFIG).write_text("{}")
        return saved


@breaks("saved-and-loaded")
class SavesTheOriginal(KeepsWhereItCameFrom):
    def save(self, folder: Path) -> Saved:
        saved = super().save(folder)
        shutil.copy(self.source / WEIGHTS, folder)
        return saved


@breaks("saved-and-loaded")
class LosesTheMeanCode(Toy):
    def save(self, folder: Path) -> Saved:
        other = type(self)(copy.deepcopy(self.network), self.device)
        other.network.w_avg.zero_()
        return Toy.save(other, folder)


class OwnLayout(Toy):
    """A toy that is saved as `own.pt`, and reads that where it is."""

    @classmethod
    def match(cls, listing: RepoListing) -> Match | None:
        if "own.pt" not in listing.files:
            return super().match(listing)
        claim = super().match(replace(listing, files={**listing.files, WEIGHTS: 1}))
        return claim and replace(claim, files=(CONFIG, "own.pt"))

    def save(self, folder: Path) -> Saved:
        config, weights = super().save(folder).files
        return Saved((config, weights.rename(folder / "own.pt")))


@breaks("format-kept")
class OwnFormatAlone(OwnLayout):
    """Leaves out what the model came in."""


@breaks("format-kept")
class OtherKindUnderTheOldName(Toy):
    @classmethod
    def read(cls, path: Path) -> Any:
        from safetensors.torch import load_file

        return super().read(path) if path.read_bytes()[:2] == b"PK" else load_file(path)

    @classmethod
    def load(cls, checkpoint: LocalCheckpoint, device: torch.device) -> Self:
        from safetensors import SafetensorError

        try:
            return super().load(checkpoint, device)
        except SafetensorError as error:
            raise AdapterError("The toy cannot be read.", "Get another.") from error

    def save(self, folder: Path) -> Saved:
        from safetensors.torch import save_file

        saved = super().save(folder)
        save_file(self.network.state_dict(), folder / WEIGHTS)
        return saved


@breaks("format-loads")
class OldWeightsInTheOldFormat(OwnLayout, KeepsWhereItCameFrom):
    def save(self, folder: Path) -> Saved:
        saved = super().save(folder)
        shutil.copy(self.source / WEIGHTS, folder)
        return Saved((*saved.files, folder / WEIGHTS))


@breaks("no-old-weights")
class KeepsABackup(KeepsWhereItCameFrom):
    def save(self, folder: Path) -> Saved:
        saved = super().save(folder)
        shutil.copy(self.source / WEIGHTS, folder / "before.pt")
        return Saved((*saved.files, folder / "before.pt"))


@breaks("no-old-weights")
class KeepsAnAverageInHalfPrecision(KeepsWhereItCameFrom):
    def save(self, folder: Path) -> Saved:
        import torch

        saved = super().save(folder)
        old = {f"ema.{name}": tensor.half() for name, tensor in self.read(self.source / WEIGHTS).items()}
        torch.save(self.network.state_dict() | old, folder / WEIGHTS)
        return saved

    @classmethod
    def read(cls, path: Path) -> Any:
        return {name: tensor for name, tensor in super().read(path).items() if not name.startswith("ema.")}


@breaks("bfloat16")
class OverflowsInBfloat16(Toy):
    def synthesize(self, w: Tensor, view: View | None = None) -> Synthesis:
        image, features = super().synthesize(w, view)
        low = self.network.mapping(w[:, :4]).itemsize == 2
        return Synthesis(image * float("nan") if low else image, features)


@breaks("empty-file")
class TakesTheFirstByte(Toy):
    @classmethod
    def read(cls, path: Path) -> Any:
        return super().read(path) if path.read_bytes()[0] else None


@breaks("truncated-file")
class OpensTheArchiveItself(Toy):
    @classmethod
    def read(cls, path: Path) -> Any:
        if path.read_bytes()[:2] == b"PK":
            zipfile.ZipFile(path).close()
        return super().read(path)


@breaks("wrong-file")
class KnowsOneKindOfFile(Toy):
    @classmethod
    def read(cls, path: Path) -> Any:
        first = path.read_bytes()[:2]
        return first and {b"PK": super().read}[first](path)


@breaks("other-content")
class TakesTheKeyForGranted(Toy):
    @classmethod
    def read(cls, path: Path) -> Any:
        state = super().read(path)
        return {**state, "w_avg": state["w_avg"]}


@breaks("other-content")
class LeavesTheRestAsItIs(Toy):
    @classmethod
    def read(cls, path: Path) -> Any:
        from tests.toy_network import random_network

        state = {name: tensor for name, tensor in super().read(path).items() if name != "something"}
        return {name: state.get(name, 0 * tensor) for name, tensor in random_network().state_dict().items()}


@breaks("runs-nothing")
class TrustsItsFiles(Toy):
    @classmethod
    def read(cls, path: Path) -> Any:
        import torch

        return torch.load(path, map_location="cpu", weights_only=False)
