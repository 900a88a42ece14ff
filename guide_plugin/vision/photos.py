"""Read one photo of a person: upright, RGB, free of metadata, and without a word about which file it is."""

from __future__ import annotations

import io
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, ImageOps

from guide_plugin.errors import UsageError

MOST_PIXELS = 178_000_000
"""Of a photo: half a gigabyte when decoded. Just below where Pillow itself stops, which only a global switch moves."""

LONGEST_SIDE = 4096
"""Of what `read_photo` returns: no generator draws more of a face than a photo of this size shows."""

FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF", "AVIF", "JPEG2000", "PPM")
"""Those that people keep photos in. Pillow reads more, some of them with other programs (EPS with Ghostscript)."""

SIXTEEN_BITS = {"I;16", "I;16B", "I;16L", "I;16N"}
GIVE_ANOTHER = "Give a PNG or JPEG file."


def read_photo(path: Path, which: str = "The --face photo") -> Image.Image:
    """Read a photo as an upright RGB picture of at most 4096 pixels a side, without any of its metadata.

    Every colour mode of Pillow's is read: grey of 8 to 32 bits is scaled to 8 (floats from their own range), what is
    transparent lies on white, colours with an ICC profile become sRGB, and of an animation the first frame counts.
    Pictures of more than 178 megapixels are refused by what their header says.

    Args:
        path: the file.
        which: how an error calls it; errors name neither the file nor its content.

    Raises:
        UsageError: it is missing, a folder, empty, no picture, damaged, or too large.
    """
    try:
        # Looked at by hand, since a decoder's own messages say where the file lies.
        if path.is_dir():
            raise UsageError(f"{which} is a folder.", "Give one picture file.")
        if path.stat().st_size == 0:
            raise UsageError(f"{which} is an empty file.", GIVE_ANOTHER)
    except FileNotFoundError:
        raise UsageError(f"{which} does not exist.", "Check its path.") from None
    except (OSError, ValueError):
        raise UsageError(f"{which} cannot be opened.", "Check its path and its permissions.") from None
    try:
        return _decode(path, which)
    except UsageError:
        raise
    except PermissionError:
        raise UsageError(f"{which} cannot be opened.", "Check its permissions.") from None
    except Exception:
        # Decoders raise all sorts on damaged files, and their messages quote path and content.
        raise UsageError(f"{which} cannot be read as a picture.", GIVE_ANOTHER) from None


def _decode(path: Path, which: str) -> Image.Image:
    too_large = UsageError(
        f"{which} has more than {MOST_PIXELS // 1_000_000} million pixels.", "Give a smaller copy of it."
    )
    Image.init()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's on large pictures and odd metadata
        try:
            opened = Image.open(path, formats=[name for name in FORMATS if name in Image.OPEN])
        except Image.DecompressionBombError:
            raise too_large from None
        with opened:
            if opened.width * opened.height > MOST_PIXELS:
                raise too_large
            # A JPEG decoder that shrinks by 2, 4 or 8 while it reads saves most of a large photo's time and memory.
            shrink = min(1.0, LONGEST_SIDE / max(opened.size))
            opened.draft(None, (int(opened.width * shrink), int(opened.height * shrink)))
            opened.load()
            rgb = _as_rgb(_upright(opened))
    rgb.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.LANCZOS)
    bare = Image.new("RGB", rgb.size)
    bare.paste(rgb)
    return bare


def _upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # damaged metadata, which raises all sorts; the picture itself is whole
        return image


def _as_rgb(image: Image.Image) -> Image.Image:
    """Return a picture of any mode as RGB."""
    profile = image.info.get("icc_profile")
    if image.mode in SIXTEEN_BITS:
        return _from_levels(np.asarray(image, dtype=np.float32) / 65535)
    if image.mode == "I":
        return _from_levels(_scaled(np.asarray(image, dtype=np.float32), (255.0, 65535.0)))
    if image.mode == "F":
        return _from_levels(_scaled(np.asarray(image), (1.0, 255.0, 65535.0)))
    if image.mode in {"P", "PA", "LA", "RGBA", "RGBa"} or "transparency" in image.info:
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, "white")
        image = Image.alpha_composite(white, rgba).convert("RGB")
    if profile and image.mode in {"RGB", "L", "CMYK"}:
        image = _in_srgb(image, profile)
    return image.convert("RGB")


def _scaled(values: np.ndarray, ranges: tuple[float, ...]) -> np.ndarray:
    """Divide grey values by the smallest usual range that holds them all, since the file names none."""
    values = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
    highest = float(values.max())
    return values / next((full for full in ranges if highest <= full), highest)


def _from_levels(levels: np.ndarray) -> Image.Image:
    """Return grey levels in [0, 1] as RGB, rounded to 8 bits."""
    return Image.fromarray((levels.clip(0, 1) * 255).round().astype(np.uint8)).convert("RGB")


def _in_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """Return a picture's colours in sRGB; a broken profile, or one for another mode, is ignored."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        converted = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):
        return image
    return converted or image
