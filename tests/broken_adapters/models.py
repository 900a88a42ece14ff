"""What a class says, what it claims, what it loads, and the codes that it gives."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from guide_plugin import LocalCheckpoint, Match, RepoListing, SampledNoise, Saved, Synthesis, View
from tests.broken_adapters.planting import breaks
from tests.toy_adapter import CONFIG, WEIGHTS, Toy

if TYPE_CHECKING:
    import torch
    from torch import Tensor


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


@breaks("noise-makes-codes")
class NoiseOfSomebodyElse(Toy):
    def sample_noise(self, n: int, rng: torch.Generator) -> SampledNoise:
        import torch

        z = torch.randn(n, 4, generator=rng)
        return SampledNoise(z, None, lambda z, _: self.network.mapping(-z))


@breaks("noise-makes-codes")
class NoiseWithoutGradient(Toy):
    def sample_noise(self, n: int, rng: torch.Generator) -> SampledNoise:
        import torch

        z = torch.randn(n, 4, generator=rng)
        return SampledNoise(z, None, lambda z, _: self.network.mapping(z.detach()))


@breaks("mean-in-the-middle")
class MeanIsFarOff(Toy):
    def mean_latent(self) -> Tensor:
        return super().mean_latent() + 9
