"""The files that were published with GUIDE, found by their names in one folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from guide_plugin.errors import UsageError
from guide_plugin.vision.inception import WEIGHTS_FILE
from guide_plugin.vision.iresnet import ARCFACE, CURRICULARFACE


@dataclass(frozen=True)
class Auxiliary:
    """What was found; None where there is no such file.

    Attributes:
        w_avg: the mean code, `w_avg_*.pt`.
        real_statistics: features of real pictures, `*_real_feat.npy`.
        arcface, curricularface: the recognisers that train and that measure.
        inception: FID's network.
    """

    w_avg: Path | None = None
    real_statistics: Path | None = None
    arcface: Path | None = None
    curricularface: Path | None = None
    inception: Path | None = None


def find_auxiliary(folder: Path, model: str) -> Auxiliary:
    """Find the published files in a folder; the others in it are passed over.

    Args:
        model: the model file's name without its ending, which decides where there are several mean codes.

    Raises:
        UsageError: there is no such folder, nothing known is in it, or several files would do.
    """
    if not folder.is_dir():
        raise UsageError(f"There is no folder {folder}.", "Check --published for a typing mistake.")
    mean_codes = [path for path in folder.glob("w_avg_*.pt") if path.stem == f"w_avg_{model}"]
    found = Auxiliary(
        w_avg=_only(mean_codes or list(folder.glob("w_avg_*.pt")), "--set w_avg=FILE"),
        real_statistics=_only(list(folder.glob("*_real_feat.npy")), "--real-statistics FILE"),
        arcface=_present(folder / ARCFACE.file),
        curricularface=_present(folder / CURRICULARFACE.file),
        inception=_present(folder / WEIGHTS_FILE),
    )
    if found == Auxiliary():
        raise UsageError(
            f"The folder {folder} holds none of the published files.",
            f"Known names: w_avg_*.pt, *_real_feat.npy, {ARCFACE.file}, {CURRICULARFACE.file}, {WEIGHTS_FILE}.",
        )
    return found


def _present(path: Path) -> Path | None:
    return path if path.is_file() else None


def _only(paths: list[Path], option: str) -> Path | None:
    if len(paths) > 1:
        names = ", ".join(sorted(path.name for path in paths))
        raise UsageError(f"Several of the published files would do: {names}.", f"Name one: {option}.")
    return paths[0] if paths else None
