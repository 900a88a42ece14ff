"""Pictures of a person, read without a word about which files they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from guide_plugin.errors import UsageError
from guide_plugin.vision.photos import read_photo

SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff"}


def read_picture(path: Path, side: int, which: str = "The --in-domain picture") -> Tensor:
    """Read one square picture as [1, 3, side, side] RGB in [-1, 1].

    Args:
        which: how an error calls it; errors name neither the file nor its content.

    Raises:
        UsageError: it does not exist, is no picture, is too large, or is not square.
    """
    image = read_photo(path, which)
    if image.width != image.height:
        raise UsageError(
            f"{which} is {image.width}×{image.height}, not square.", "Crop it as the model's training pictures are."
        )
    pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float() / 127.5 - 1
    if pixels.shape[-1] == side:
        return pixels
    return F.interpolate(pixels, (side, side), mode="bilinear", antialias=True).clamp(-1, 1)


def read_folder(folder: Path, side: int) -> Tensor:
    """Read all pictures of a folder in the order of their names, as [n, 3, side, side] RGB in [-1, 1].

    Raises:
        UsageError: there is no such folder, no picture in it, or one of them cannot be used; names none.
    """
    if not folder.is_dir():
        raise UsageError("The --out-of-domain folder does not exist.", "Give a folder with pictures of one person.")
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and path.name[0] != ".")
    except OSError:
        raise UsageError("The --out-of-domain folder cannot be read.", "Check its permissions.") from None
    if not paths:
        raise UsageError("The --out-of-domain folder holds no pictures.", f"Known: {', '.join(sorted(SUFFIXES))}.")
    return torch.cat(
        [
            read_picture(path, side, f"Picture {number} of {len(paths)} in the --out-of-domain folder")
            for number, path in enumerate(paths, start=1)
        ]
    )
