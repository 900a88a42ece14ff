"""A whole adapter, as small as one can be: `config.json` and a `weights.pt` of `torch.save`."""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from guide_plugin import Adapter, AdapterError, LocalCheckpoint, Match, RepoListing, Saved, Synthesis, View

if TYPE_CHECKING:
    import torch
    from torch import Tensor
    from torch.nn import Parameter

    from tests.toy_network import ToyNetwork

CONFIG, WEIGHTS = "config.json", "weights.pt"


def write_toy(folder: Path) -> Path:
    """Write a toy's model."""
    import torch

    from tests.toy_network import random_network

    folder.mkdir()
    (folder / CONFIG).write_text(json.dumps({"model_type": "toy"}))
    torch.save(random_network().state_dict(), folder / WEIGHTS)
    return folder


class Toy(Adapter):
    """A generator of a few hundred numbers."""

    name = "toy"
    alignment = "ffhq"
    latent_shape = (8,)

    def __init__(self, network: ToyNetwork, device: torch.device) -> None:
        self.network, self.device = network, device

    @classmethod
    def match(cls, listing: RepoListing) -> Match | None:
        config = listing.documents.get(CONFIG)
        is_toy = isinstance(config, dict) and config.get("model_type") == "toy"
        return Match((CONFIG, WEIGHTS), "toy, 8×8") if is_toy and WEIGHTS in listing.files else None

    @classmethod
    def load(cls, checkpoint: LocalCheckpoint, device: torch.device) -> Self:
        from tests.toy_network import ToyNetwork

        network = ToyNetwork().eval().requires_grad_(False)
        try:
            if json.loads((checkpoint.folder / CONFIG).read_text()) != {"model_type": "toy"}:
                raise ValueError("it is not of a toy")
            network.load_state_dict(cls.read(checkpoint.folder / checkpoint.files[-1]))
        except (
            ValueError,
            RuntimeError,
            OSError,
            EOFError,
            TypeError,
            AttributeError,
            pickle.UnpicklingError,
        ) as error:
            raise AdapterError("The toy cannot be read.", "Get another.") from error
        return cls(network.to(device), device)

    @classmethod
    def read(cls, path: Path) -> Any:
        import torch

        return torch.load(path, map_location="cpu", weights_only=True)

    def mean_latent(self) -> Tensor:
        return self.network.w_avg[None]

    def sample_latents(self, n: int, rng: torch.Generator) -> Tensor:
        import torch

        return self.network.mapping(torch.randn(n, 4, generator=rng).to(self.device))

    def sample_views(self, n: int, rng: torch.Generator) -> View | None:
        import torch

        return torch.randn(n, 2, generator=rng).to(self.device)

    def audit_views(self) -> View | None:
        import torch

        return torch.tensor([[-1.0, 0.0], [0.0, 0.0], [1.0, 0.5]], device=self.device)

    def view_from_pose(self, yaw: float, pitch: float) -> View | None:
        import torch

        return torch.tensor([[yaw, pitch]], device=self.device)

    def synthesize(self, w: Tensor, view: View | None = None) -> Synthesis:
        features = self.network.features(w)
        return Synthesis(self.network.picture(features, w.new_zeros(len(w), 2) if view is None else view), features)

    def trainable_parameters(self) -> Iterator[tuple[str, Parameter]]:
        yield from self.network.synthesis.named_parameters()

    def save(self, folder: Path) -> Saved:
        import torch

        (folder / CONFIG).write_text(json.dumps({"model_type": "toy"}))
        torch.save({name: tensor.cpu() for name, tensor in self.network.state_dict().items()}, folder / WEIGHTS)
        return Saved((folder / CONFIG, folder / WEIGHTS))


class TrainsFromSidesAlone(Toy):
    """Has views to train with, none to be judged under, and what later versions of the contract may add."""

    experimental = True

    def audit_views(self) -> None:
        return None

    def view_from_pose(self, yaw: float, pitch: float) -> None:
        return None

    def invert(self, images: Tensor) -> None:
        return None


class Flat(TrainsFromSidesAlone):
    """Has no views at all, and photos that are cut in a way of its own."""

    alignment = "portraits"

    def sample_views(self, n: int, rng: torch.Generator) -> None:
        return None
