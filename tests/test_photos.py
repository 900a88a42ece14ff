"""Photos of every kind that people have come out upright, in RGB, bare of metadata, or are refused without a name."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from guide_plugin.errors import UsageError
from guide_plugin.vision import photos
from guide_plugin.vision.photos import LONGEST_SIDE, read_photo

CANARY = "zebedee-quill"
ORIENTATION = 0x0112
RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def saved(image: Image.Image, folder: Path, suffix: str = ".png", **options: object) -> Path:
    path = folder / f"{CANARY}{suffix}"
    image.save(path, **options)
    return path


def first(image: Image.Image) -> tuple[int, int, int]:
    assert image.mode == "RGB"
    return image.getpixel((0, 0))


def corners() -> Image.Image:
    """A picture of 48×32 with another colour in each corner, red in the upper left one."""
    image = Image.new("RGB", (48, 32))
    for x, y, colour in ((0, 0, RED), (24, 0, GREEN), (0, 16, BLUE), (24, 16, WHITE)):
        image.paste(colour, (x, y, x + 24, y + 16))
    return image


STORED = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
"""How a camera that writes an orientation has turned the upright picture."""


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif"])
def test_every_orientation_comes_out_upright(orientation: int, suffix: str, tmp_path: Path) -> None:
    turned = corners() if STORED[orientation] is None else corners().transpose(STORED[orientation])
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    read = read_photo(saved(turned, tmp_path, suffix, exif=exif))
    assert read.size == (48, 32)
    error = np.abs(np.asarray(read, dtype=int) - np.asarray(corners(), dtype=int))
    assert np.median(error) < 3
    assert [read.getpixel(at)[0] > 128 for at in ((4, 4), (43, 4), (4, 27), (43, 27))] == [True, False, False, True]
    assert [read.getpixel(at)[1] > 128 for at in ((4, 4), (43, 4), (4, 27), (43, 27))] == [False, True, False, True]


def palette(transparent: bool) -> Image.Image:
    image = Image.new("P", (8, 8), 1)
    image.putpalette([*BLUE, *RED])
    if transparent:
        image.info["transparency"] = 1
    return image


def grey16(level: int) -> Image.Image:
    return Image.fromarray(np.full((8, 8), level, dtype=np.uint16))


MODES = {
    "1": (Image.new("1", (8, 8), 1), ".png", WHITE),
    "L": (Image.new("L", (8, 8), 77), ".png", (77, 77, 77)),
    "LA": (Image.new("LA", (8, 8), (0, 51)), ".png", (204, 204, 204)),
    "P": (palette(False), ".png", RED),
    "P, transparent": (palette(True), ".png", WHITE),
    "RGB": (Image.new("RGB", (8, 8), (1, 2, 3)), ".png", (1, 2, 3)),
    "RGBA": (Image.new("RGBA", (8, 8), (255, 0, 0, 51)), ".png", (255, 204, 204)),
    "RGBA, invisible": (Image.new("RGBA", (8, 8), (9, 9, 9, 0)), ".webp", WHITE),
    "CMYK in TIFF": (Image.new("CMYK", (8, 8), (0, 255, 255, 0)), ".tif", RED),
    "16 bits": (grey16(25700), ".png", (100, 100, 100)),
    "16 bits, dark": (grey16(514), ".png", (2, 2, 2)),
    "16 bits in TIFF": (grey16(65535), ".tif", WHITE),
    "32 bits": (Image.new("I", (8, 8), 51400), ".tif", (200, 200, 200)),
    "float of 1": (Image.new("F", (8, 8), 0.4), ".tif", (102, 102, 102)),
    "float of 255": (Image.new("F", (8, 8), 40.0), ".tif", (40, 40, 40)),
    "float, not finite": (Image.new("F", (8, 8), float("nan")), ".tif", (0, 0, 0)),
}


@pytest.mark.parametrize("kind", MODES)
def test_every_mode_is_read_in_its_colours(kind: str, tmp_path: Path) -> None:
    image, suffix, colour = MODES[kind]
    options = {"lossless": True, "exact": True} if suffix == ".webp" else {}
    assert first(read_photo(saved(image, tmp_path, suffix, **options))) == colour


def test_a_transparent_colour_of_an_rgb_file_is_white(tmp_path: Path) -> None:
    path = saved(Image.new("RGB", (8, 8), RED), tmp_path, transparency=RED)
    assert first(read_photo(path)) == WHITE


def test_a_cmyk_jpeg_keeps_its_colours(tmp_path: Path) -> None:
    """Pillow writes CMYK JPEG inverted and marked so, as Adobe's programs do."""
    ink = Image.new("CMYK", (32, 32), (0, 255, 255, 0))
    path = saved(ink, tmp_path, ".jpg", quality=95)
    assert b"Adobe" in path.read_bytes()
    assert np.abs(np.subtract(first(read_photo(path)), RED)).max() < 8


def test_a_profile_is_converted_to_srgb_and_a_broken_one_ignored(tmp_path: Path) -> None:
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    grey = Image.new("RGB", (8, 8), (10, 200, 30))
    for profile in (b"no profile", lab, srgb):
        assert (
            np.abs(np.subtract(first(read_photo(saved(grey, tmp_path, icc_profile=profile))), (10, 200, 30))).max() < 3
        )
    # An sRGB profile whose red primary is called green and the other way round exchanges the two.
    swapped = srgb.replace(b"rXYZ", b"tmpX").replace(b"gXYZ", b"rXYZ").replace(b"tmpX", b"gXYZ")
    turned = first(read_photo(saved(Image.new("RGB", (8, 8), (0, 255, 0)), tmp_path, icc_profile=swapped)))
    assert np.abs(np.subtract(turned, RED)).max() < 8


def test_of_an_animation_the_first_frame_counts(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in (RED, GREEN, BLUE)]
    path = saved(frames[0], tmp_path, ".gif", save_all=True, append_images=frames[1:])
    assert first(read_photo(path)) == RED


def test_a_photo_that_holds_several_is_its_first(tmp_path: Path) -> None:
    """Telephones write such JPEG files: MPO."""
    path = tmp_path / f"{CANARY}.jpg"
    Image.new("RGB", (32, 32), RED).save(path, "MPO", save_all=True, append_images=[Image.new("RGB", (32, 32), BLUE)])
    assert np.abs(np.subtract(first(read_photo(path)), RED)).max() < 4


def test_nothing_but_pixels_is_kept(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x010E] = CANARY
    path = saved(Image.new("RGB", (8, 8)), tmp_path, ".jpg", exif=exif, comment=CANARY.encode(), dpi=(72, 72))
    assert CANARY.encode() in path.read_bytes()
    read = read_photo(path)
    assert read.info == {}
    assert not dict(read.getexif())
    assert not hasattr(read, "filename")


@pytest.mark.parametrize(("suffix", "size"), [(".jpg", (9000, 300)), (".jpg", (40, 5000)), (".png", (4200, 100))])
def test_large_pictures_are_shrunk(suffix: str, size: tuple[int, int], tmp_path: Path) -> None:
    read = read_photo(saved(Image.new("RGB", size, (9, 99, 199)), tmp_path, suffix))
    assert max(read.size) == LONGEST_SIDE
    assert read.width / read.height == pytest.approx(size[0] / size[1], rel=0.02)
    assert np.abs(np.subtract(first(read), (9, 99, 199))).max() < 4


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def bomb(width: int, height: int) -> bytes:
    """A PNG of under a hundred bytes that says how large it is."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize("size", [(100_000, 100_000), (14_000, 14_000), (13_400, 13_300)])
def test_bombs_are_refused_by_their_header(
    size: tuple[int, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / f"{CANARY}.png"
    path.write_bytes(bomb(*size))
    monkeypatch.setattr(Image.Image, "load", lambda self: pytest.fail("decoded"))
    with pytest.raises(UsageError, match="more than 178 million pixels") as refusal:
        read_photo(path)
    assert CANARY not in str(refusal.value)


def jpeg(tmp_path: Path) -> bytes:
    return saved(corners(), tmp_path, ".jpg").read_bytes()


DAMAGED = {
    "cut short": lambda folder: jpeg(folder)[:400],
    "empty": lambda folder: b"",
    "text": lambda folder: CANARY.encode(),
    "a header alone": lambda folder: b"\x89PNG\r\n\x1a\n",
    "a script for another program": lambda folder: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n",
    "no pixels": lambda folder: bomb(10, 10),
}


@pytest.mark.parametrize("kind", DAMAGED)
def test_what_cannot_be_read_is_refused_without_its_name(kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"{CANARY}.jpg"
    path.write_bytes(DAMAGED[kind](tmp_path))
    with pytest.raises(UsageError) as refusal:
        read_photo(path, "Photo 2 of 3")
    assert str(refusal.value).startswith("Photo 2 of 3 ")
    assert refusal.value.remedy
    assert CANARY not in str(refusal.value)
    assert str(tmp_path) not in str(refusal.value)
    assert refusal.value.__suppress_context__ or refusal.value.__context__ is None


@pytest.mark.parametrize(
    ("kind", "says"), [("missing", "does not exist"), ("folder", "is a folder"), ("under a file", "cannot be opened")]
)
def test_what_is_no_file_is_refused(kind: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("text")
    path = {"missing": tmp_path / CANARY, "folder": tmp_path, "under a file": tmp_path / "file" / CANARY}[kind]
    with pytest.raises(UsageError, match=f"The --face photo {says}") as refusal:
        read_photo(path)
    assert CANARY not in str(refusal.value)


def test_damaged_metadata_do_not_spoil_a_whole_picture(tmp_path: Path) -> None:
    path = saved(Image.new("RGB", (8, 8), RED), tmp_path, ".png", exif=b"Exif\x00\x00" + b"MM\x00*" + b"\xff" * 20)
    assert first(read_photo(path)) == RED


def test_only_formats_for_photos_are_opened() -> None:
    Image.init()
    assert {"EPS", "PDF", "FLI", "WMF"}.isdisjoint(photos.FORMATS)
    assert {"PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF"} <= set(Image.OPEN)
