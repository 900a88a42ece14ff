"""What is written."""

from __future__ import annotations

import copy
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from guide_plugin import AdapterError, LocalCheckpoint, Match, RepoListing, Saved
from tests.broken_adapters.planting import breaks
from tests.toy_adapter import CONFIG, WEIGHTS, Toy

if TYPE_CHECKING:
    import torch


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
