"""The run folder: everything that one run leaves on the local disk, each file whole or absent.

`private/`                what names or holds the subject, for the owner's eyes: `recipe.json` (what was asked, the
                          model owner's suggestions filled in) and `subject.safetensors` (the code)
`checkpoint.safetensors`  where training stands; removed when the run is done
`model/`                  the redacted model, or `refused-model/` where verdict or gates refuse it
`report.json`             all that was measured
`bystanders.png`          other people before and after
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from guide_plugin.errors import UsageError

CHECKPOINT_FORMAT = "1"


@dataclass(frozen=True)
class RunRecord:
    """What plugins are told of a run.

    Attributes:
        folder: the run folder.
        adapter, operator: the names of those in use.
        report: the report as `report.json` holds it; None until the audit is done.
    """

    folder: Path
    adapter: str
    operator: str
    report: dict[str, Any] | None = None


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


class RunDir:
    """One run's folder; made by `create`, found again by `open`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.recipe = folder / "private" / "recipe.json"
        self.subject = folder / "private" / "subject.safetensors"
        self.checkpoint = folder / "checkpoint.safetensors"
        self.report = folder / "report.json"
        self.staging = folder / "model.partial"

    @classmethod
    def create(cls, folder: Path) -> RunDir:
        """Make a new run folder.

        Raises:
            UsageError: the folder holds something already, or cannot be written.
        """
        try:
            if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
                raise UsageError(
                    f"{folder} exists already and is not empty.",
                    f"Choose another --output, or go on with `unlearn resume {folder}`.",
                )
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "private").mkdir(mode=0o700)
        except OSError as error:
            raise CannotWrite(folder, error) from None
        return cls(folder)

    @classmethod
    def open(cls, folder: Path) -> RunDir:
        """Find an earlier run.

        Raises:
            UsageError: this is no run folder, or its run is done.
        """
        run = cls(folder)
        if not run.recipe.is_file() or not run.subject.is_file():
            raise UsageError(f"{folder} is not the folder of a run.", "Give the folder that an `unlearn` run made.")
        if run.report.is_file():
            raise UsageError(f"The run in {folder} is done already.", f"Its result is {run.report}.")
        return run

    def write_json(self, path: Path, value: Any) -> None:
        """Write a JSON file, whole or not at all."""
        with replacing(path) as partial:
            partial.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", "utf-8")

    def write_subject(self, code: Tensor) -> None:
        """Write the subject's code, readable by the owner alone."""
        with replacing(self.subject) as partial:
            save_file({"w": code.cpu().contiguous()}, partial)
            partial.chmod(0o600)

    def write_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Replace the checkpoint; a kill at any moment leaves the old or the new one."""
        tensors = {f"weights/{name}": tensor for name, tensor in checkpoint.weights.items()}
        tensors |= {f"operator/{name}": tensor for name, tensor in checkpoint.operator.items()}
        tensors |= {"rng": checkpoint.rng, "losses": checkpoint.losses}
        metadata = {
            "format": CHECKPOINT_FORMAT,
            "step": str(checkpoint.step),
            "terms": json.dumps(checkpoint.terms),
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
            tensors = load_file(self.checkpoint)
        except SafetensorError as error:
            raise UsageError(f"{self.checkpoint} is damaged ({error}).", "Start the run anew.") from None
        if metadata.get("format") != CHECKPOINT_FORMAT:
            raise UsageError(
                f"{self.checkpoint} has format {metadata.get('format')}, this version reads {CHECKPOINT_FORMAT}.",
                "Resume with the version that began the run.",
            )
        return Checkpoint(
            step=int(metadata["step"]),
            weights=_below("weights/", tensors),
            operator=_below("operator/", tensors),
            rng=tensors["rng"],
            terms=tuple(json.loads(metadata["terms"])),
            losses=tensors["losses"],
        )

    def stage(self, write: Callable[[Path], Any]) -> Path:
        """Have `write` fill an empty staging folder for the redacted model; return the folder."""
        shutil.rmtree(self.staging, ignore_errors=True)
        with writing(self.folder):
            self.staging.mkdir()
            write(self.staging)
        return self.staging

    def finish(self, report: dict[str, Any], accepted: bool) -> Path:
        """Give the staged model its name, write the report, drop the checkpoint; return the model's folder.

        The report is what makes a run done: killed before it is written, the run can still be resumed.
        """
        names = {True: self.folder / "model", False: self.folder / "refused-model"}
        with writing(self.folder):
            for earlier in names.values():
                shutil.rmtree(earlier, ignore_errors=True)
            self.staging.rename(names[accepted])
            self.write_json(self.report, report)
            self.checkpoint.unlink(missing_ok=True)
        return names[accepted]

    def discard(self) -> None:
        """Remove the folder of a run that failed before it had anything worth keeping."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _below(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def sha256(path: Path) -> str:
    """Return the hexadecimal SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; when the block ends well, it takes `path`'s place, on the disk for sure."""
    partial = path.with_name(path.name + ".partial")
    with writing(path):
        try:
            yield partial
            with partial.open("rb") as file:
                os.fsync(file.fileno())
            partial.replace(path)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn a failure to write below `path` into `CannotWrite`."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        raise CannotWrite(path, error) from error


class CannotWrite(UsageError):
    """Something could not be written: the disk is full, the folder is protected."""

    def __init__(self, path: Path, error: Exception) -> None:
        if getattr(error, "errno", None) == errno.ENOSPC or "No space left" in str(error):
            super().__init__(
                f"The disk is full: {path} could not be written.", "Free space or choose another --output."
            )
        else:
            reason = getattr(error, "strerror", None) or str(error)
            super().__init__(f"{path} cannot be written: {reason}.", "Choose another --output.")
