"""The run folder: everything that one run leaves on the local disk, each file whole or absent.

`private/`                what names or holds the subject, for the owner's eyes: `recipe.json` (what was asked, the
                          model owner's suggestions filled in), `subject.safetensors` (codes and cropped photos) and,
                          with --keep-evidence, `evidence.html`
`checkpoint.safetensors`  where training stands; removed when the run is done
`model/`                  the redacted model, or `refused-model/` where verdict or gates refuse it
`report.json`             all that was measured, and `report.html`, the same to read
`release/`                what is published, where the run was asked to; `published.json` says where it is
`bystanders.png`          other people before and after
`views.png`               one of them under every audit view, where a generator has several
"""

from __future__ import annotations

import json
import shlex
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save, save_file
from torch import Tensor

from guide_plugin.errors import UsageError
from guide_plugin.whole_files import json_bytes, make_new, replacing, write_private, write_whole, writing

CHECKPOINT_FORMAT = "1"

T = TypeVar("T")


@dataclass(frozen=True)
class RunRecord:
    """What plugins are told of a run.

    Attributes:
        folder: the run folder.
        adapter, operator: the names of those in use.
        report: the report as `report.json` holds it; None until the audit is done.
        release: the staged release, every file as it will be published; None where nothing is to be.
    """

    folder: Path
    adapter: str
    operator: str
    report: dict[str, Any] | None = None
    release: Path | None = None


@dataclass(frozen=True)
class Checkpoint:
    """Where training stands after `step` steps.

    Attributes:
        weights: the student's trainable parameters by name.
        operator: the operator's state.
        rng: the state of the generator of all draws.
        losses: every loss term of every step so far [step, terms], in the order of `terms`.
    """

    step: int
    weights: dict[str, Tensor]
    operator: dict[str, Tensor]
    rng: Tensor
    terms: tuple[str, ...]
    losses: Tensor
    stopped_early: bool = False


class RunDir:
    """One run's folder; made by `create`, found again by `open`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.recipe = folder / "private" / "recipe.json"
        self.subject = folder / "private" / "subject.safetensors"
        self.checkpoint = folder / "checkpoint.safetensors"
        self.report = folder / "report.json"
        self.staging = folder / "model.partial"
        self.release = folder / "release"

    @classmethod
    def create(cls, folder: Path) -> RunDir:
        """Make a new run folder.

        Raises:
            UsageError: the folder holds something already, or cannot be written.
        """
        make_new(folder, f"Choose another --output, or go on with: unlearn resume {shlex.quote(str(folder))}")
        with writing(folder):
            (folder / "private").mkdir(mode=0o700)
        return cls(folder)

    @classmethod
    def open(cls, folder: Path, *, done: bool = False) -> RunDir:
        """Find an earlier run: one to go on with, or one that is done.

        Raises:
            UsageError: this is no run folder, or its run is not in that state.
        """
        run = cls(folder)
        if not run.recipe.is_file() or not run.subject.is_file():
            raise UsageError(f"{folder} is not the folder of a run.", "Give the folder that an `unlearn` run made.")
        if run.report.is_file() and not done:
            raise UsageError(f"The run in {folder} is done already.", f"Its result is {run.report}.")
        if done and not run.report.is_file():
            raise UsageError(
                f"The run in {folder} is not done.", f"Go on with: unlearn resume {shlex.quote(str(folder))}"
            )
        return run

    def model(self) -> Path:
        """Return the folder of a done run's redacted model, whether it was accepted or refused."""
        accepted = self.folder / "model"
        return accepted if accepted.is_dir() else self.folder / "refused-model"

    def write_json(self, path: Path, value: Any) -> None:
        """Write a JSON file, whole or not at all."""
        write_whole(path, json_bytes(value))

    def write_subject(self, tensors: dict[str, Tensor]) -> None:
        """Write the subject's codes and photos, readable by the owner alone."""
        held = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        write_private(self.subject, save(held))

    def write_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Replace the checkpoint; a kill at any moment leaves the old or the new one."""
        tensors = {f"weights/{name}": tensor for name, tensor in checkpoint.weights.items()}
        tensors |= {f"operator/{name}": tensor for name, tensor in checkpoint.operator.items()}
        tensors |= {"rng": checkpoint.rng, "losses": checkpoint.losses}
        metadata = {
            "format": CHECKPOINT_FORMAT,
            "step": str(checkpoint.step),
            "terms": json.dumps(checkpoint.terms),
            "stopped_early": json.dumps(checkpoint.stopped_early),
        }
        with replacing(self.checkpoint) as partial:
            save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, partial, metadata)

    def read_checkpoint(self) -> Checkpoint | None:
        """Read the checkpoint, or None where the run ended before its first.

        Raises:
            UsageError: it is damaged or of another format.
        """
        if not self.checkpoint.is_file():
            return None
        try:
            with safe_open(self.checkpoint, framework="pt") as file:
                metadata = file.metadata() or {}
            if metadata.get("format") != CHECKPOINT_FORMAT:
                raise UsageError(
                    f"{self.checkpoint} has format {metadata.get('format')}, this version reads {CHECKPOINT_FORMAT}.",
                    "Resume with the version that began the run.",
                )
            tensors = load_file(self.checkpoint)
            return Checkpoint(
                step=int(metadata["step"]),
                weights=_below("weights/", tensors),
                operator=_below("operator/", tensors),
                rng=tensors["rng"],
                terms=tuple(json.loads(metadata["terms"])),
                losses=tensors["losses"],
                stopped_early=json.loads(metadata["stopped_early"]),
            )
        except (SafetensorError, KeyError, ValueError) as error:
            raise _damaged(self.checkpoint, error) from None

    def read_recipe(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """Read what was asked, and the subject's codes and photos; `UsageError` where either is damaged."""
        try:
            tensors = load_file(self.subject)
            if "w" not in tensors:
                raise KeyError("w")
            return json.loads(self.recipe.read_text("utf-8")), tensors
        except (ValueError, KeyError, SafetensorError) as error:
            raise _damaged(self.recipe.parent, type(error).__name__) from None

    def stage(self, write: Callable[[Path], T]) -> T:
        """Have `write` fill an empty staging folder for the redacted model; return what it returns."""
        shutil.rmtree(self.staging, ignore_errors=True)
        with writing(self.folder):
            self.staging.mkdir()
            return write(self.staging)

    def finish(self, report: dict[str, Any], accepted: bool) -> Path:
        """Give the staged model its name, write the report, drop the checkpoint; return the model's folder.

        The report is what makes a run done: killed before it is written, the run can still be resumed.
        """
        model = self.file_away(self.staging, accepted)
        with writing(self.folder):
            self.write_json(self.report, report)
            self.checkpoint.unlink(missing_ok=True)
        return model

    def file_away(self, model: Path, accepted: bool) -> Path:
        """Put the redacted model where its verdict belongs; return its folder."""
        places = {True: self.folder / "model", False: self.folder / "refused-model"}
        with writing(self.folder):
            for place in places.values():
                if place != model:
                    shutil.rmtree(place, ignore_errors=True)
            return model.rename(places[accepted])

    def discard(self) -> None:
        """Remove the folder of a run that failed before it had anything worth keeping."""
        with suppress(OSError):  # a link or a mount point stays, empty
            for path in self.folder.iterdir():
                shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
            self.folder.rmdir()


def _damaged(path: Path, why: object) -> UsageError:
    return UsageError(f"{path} is damaged ({why}).", "Start the run anew.")


def _below(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
