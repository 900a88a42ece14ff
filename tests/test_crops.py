"""Squares around faces, and how heads are turned: analytic answers."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter
from torch import Tensor

from guide_plugin.errors import AdapterError
from guide_plugin.vision.crops import EG3D_SIDE, Crop, align, face_frame
from guide_plugin.vision.head_pose import HEAD, head_pose, place_head
from guide_plugin.vision.sharpness import sharpness


def points(*xy: tuple[float, float]) -> Tensor:
    return torch.tensor(xy, dtype=torch.float64)


# Eyes 16 apart, mouth 10 below: FFHQ's square is 64 wide, its middle one pixel under the eyes'.
SQUARE = points((91.5, 58.5), (107.5, 58.5), (99.5, 63.0), (93.5, 68.5), (105.5, 68.5))


def turned(landmarks: Tensor, degrees: float, about: Tensor) -> Tensor:
    """Turn points clockwise in the picture."""
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return (landmarks - about) @ torch.tensor([[c, s], [-s, c]], dtype=torch.float64) + about


def seen_head(yaw: float, pitch: float, roll: float = 0.0, scale: float = 100.0) -> Tensor:
    """Project the mean head as a far viewer sees it, who stands at yaw and pitch, with the origin at (300, 200)."""
    to_viewer = [math.cos(pitch) * math.sin(yaw), -math.sin(pitch), math.cos(pitch) * math.cos(yaw)]
    z = torch.tensor(to_viewer, dtype=torch.float64)
    x = torch.linalg.cross(torch.tensor([0.0, 1.0, 0.0], dtype=torch.float64), z)
    x = x / x.norm()
    y = torch.linalg.cross(z, x)
    head = torch.tensor(HEAD, dtype=torch.float64)
    flat = scale * torch.stack([head @ x, -(head @ y)], dim=1) + points((300.0, 200.0))
    return turned(flat, roll, points((300.0, 200.0)))


def test_the_ffhq_square_of_a_short_and_of_a_long_face() -> None:
    frame = face_frame(SQUARE, "ffhq")
    assert frame.centre.tolist() == pytest.approx([99.5, 59.5])
    assert frame.edge.tolist() == pytest.approx([32.0, 0.0])
    long = SQUARE + points((0, 0), (0, 0), (0, 5), (0, 10), (0, 10))
    assert face_frame(long, "ffhq").edge.tolist() == pytest.approx([36.0, 0.0])
    assert face_frame(long, "ffhq").centre.tolist() == pytest.approx([99.5, 60.5])


@pytest.mark.parametrize("degrees", [-170, -30, 10, 90])
def test_the_ffhq_square_turns_with_the_head(degrees: float) -> None:
    about = points((10.0, 20.0))[0]
    upright, frame = face_frame(SQUARE, "ffhq"), face_frame(turned(SQUARE, degrees, about), "ffhq")
    assert torch.allclose(frame.centre, turned(upright.centre, degrees, about))
    assert torch.allclose(frame.edge, turned(upright.edge, degrees, points((0.0, 0.0))[0]))
    assert torch.allclose(frame.down, turned(upright.down, degrees, points((0.0, 0.0))[0]))


@pytest.mark.parametrize("roll", [0.0, -20.0])
@pytest.mark.parametrize(("yaw", "pitch"), [(0.0, 0.0), (0.5, 0.0), (-0.3, -0.2), (0.2, 0.4)])
def test_a_projected_head_is_found_again(yaw: float, pitch: float, roll: float) -> None:
    landmarks = seen_head(yaw, pitch, roll, scale=90.0)
    assert head_pose(landmarks) == pytest.approx((yaw, pitch), abs=1e-9)
    placed = place_head(landmarks)
    assert placed.scale == pytest.approx(90.0)
    assert placed.origin.tolist() == pytest.approx([300.0, 200.0])
    frame = face_frame(landmarks, "eg3d")
    assert frame.centre.tolist() == pytest.approx([300.0, 200.0])
    assert frame.edge.tolist() == pytest.approx([90.0 * EG3D_SIDE / 2, 0.0])


def test_yaw_and_pitch_have_the_signs_they_say() -> None:
    eyes_to_nose = [(seen[2] - seen[:2].mean(dim=0)).tolist() for seen in (seen_head(0.3, 0.0), seen_head(0.0, 0.0))]
    assert eyes_to_nose[0][0] < -10 < eyes_to_nose[1][0]
    from_above, level = (seen[2, 1] - seen[3:, 1].mean() for seen in (seen_head(0.0, -0.3), seen_head(0.0, 0.0)))
    assert from_above > level


def pattern(about: Tensor, degrees: float, size: tuple[int, int] = (260, 220)) -> Image.Image:
    """A smooth picture turned about a point."""
    y, x = torch.meshgrid(torch.arange(size[1]).double(), torch.arange(size[0]).double(), indexing="ij")
    u, v = turned(torch.stack([x, y], dim=-1).view(-1, 2), -degrees, about).T
    levels = torch.stack([128 + 100 * torch.sin(u / 7), 128 + 100 * torch.cos(v / 9), (u + v) / 4 + 60], dim=-1)
    return Image.fromarray(levels.clamp(0, 255).round().byte().view(size[1], size[0], 3).numpy())


@pytest.mark.parametrize("degrees", [-25.0, 40.0, 180.0])
def test_a_turned_photo_gives_the_same_ffhq_crop(degrees: float) -> None:
    about = points((120.0, 100.0))[0]
    upright = align(pattern(about, 0.0), SQUARE + 20, "ffhq", 48)
    other = align(pattern(about, degrees), turned(SQUARE + 20, degrees, about), "ffhq", 48)
    assert (upright - other).abs().max() < 0.04


def test_a_square_of_whole_pixels_comes_back_as_it_is() -> None:
    rng = np.random.default_rng(0)
    image = Image.fromarray(rng.integers(0, 256, (150, 200, 3), dtype=np.uint8))
    crop = align(image, SQUARE, "ffhq", 64)
    assert crop.dtype == torch.float32
    assert crop.shape == (3, 64, 64)
    wanted = torch.from_numpy(np.asarray(image)[28:92, 68:132].copy()).permute(2, 0, 1) / 127.5 - 1
    assert (crop - wanted).abs().max() < 0.01


def test_detail_too_fine_for_the_crop_becomes_grey() -> None:
    board = np.indices((2000, 2000)).sum(axis=0) % 2 * 255
    image = Image.fromarray(np.repeat(board[..., None], 3, axis=2).astype(np.uint8))
    for side in (32, 100, 300):
        crop = align(image, turned(SQUARE * 12, 13, points((900.0, 900.0))[0]), "ffhq", side)
        assert crop.abs().max() < 0.05, side


def test_what_the_photo_does_not_show_is_filled_in_plausibly() -> None:
    plain = Image.new("RGB", (60, 60), (200, 40, 90))
    corner = SQUARE - points((95.0, 55.0))
    crop = align(plain, corner, "ffhq", 64)
    assert (crop - torch.tensor([200, 40, 90])[:, None, None] / 127.5 + 1).abs().max() < 0.02
    image = pattern(points((30.0, 30.0))[0], 0.0, (60, 60))
    crop = align(image, corner, "ffhq", 64)
    inside = torch.from_numpy(np.asarray(image)[:37, :37].copy()).permute(2, 0, 1) / 127.5 - 1
    assert (crop[:, -37:, -37:] - inside)[:, 3:, 3:].abs().max() < 0.02, "pixels of the photo are its own"
    jump = (crop[:, 27:29, 40:] - crop[:, 28:30, 40:]).abs().max()
    assert jump < 0.3, "no edge where the photo ends"
    corner, photo = (part.std(dim=(1, 2)).max() for part in (crop[:, :10, :10], crop[:, -37:, -37:]))
    assert corner < 0.4 * photo, "far outside there is hardly more than a colour"


def test_a_large_photo_is_cut_like_a_small_one() -> None:
    """Also where it is shrunk on the way, and where the square reaches beyond it."""
    about = points((120.0, 100.0))[0]
    image = pattern(about, 0.0)
    large = image.resize((1560, 1320), Image.Resampling.BICUBIC)
    for shift in (20.0, -70.0):
        landmarks = SQUARE + shift
        crops = [align(image, landmarks, "ffhq", 48), align(large, (landmarks + 0.5) * 6 - 0.5, "ffhq", 48)]
        assert (crops[0] - crops[1]).abs().mean() < 0.02
        assert (crops[0] - crops[1])[:, 40:, 40:].abs().max() < 0.08


def test_a_models_own_frame_is_told_relative_to_its_familys() -> None:
    frame = face_frame(turned(SQUARE, 90, points((99.5, 59.5))[0]), "ffhq", Crop(scale=1.5, shift=(0.25, 0.125)))
    # The head's right is the picture's lower edge, and its chin points to the left.
    assert frame.centre.tolist() == pytest.approx([99.5 - 0.125 * 64, 59.5 + 0.25 * 64])
    assert frame.edge.tolist() == pytest.approx([0.0, 48.0])
    assert frame.side == pytest.approx(96.0)


def test_an_unknown_alignment_is_named_with_the_known_ones() -> None:
    with pytest.raises(AdapterError, match=r"'cats'.*eg3d, ffhq"):
        align(Image.new("RGB", (64, 64)), SQUARE, "cats", 64)


def test_sharpness_falls_with_blur_and_not_with_contrast() -> None:
    rng = np.random.default_rng(1)
    blocks = Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)).resize((64, 64), Image.Resampling.BOX)

    def measured(image: Image.Image) -> float:
        return sharpness(torch.from_numpy(np.array(image)).permute(2, 0, 1) / 127.5 - 1)

    values = [measured(blocks.filter(ImageFilter.GaussianBlur(sigma))) for sigma in (0, 1, 2)]
    assert values[0] > values[1] > values[2]
    assert measured(blocks.point([v // 4 + 90 for v in range(256)] * 3)) == pytest.approx(values[0], rel=0.03)
    assert sharpness(torch.zeros(3, 17, 18)) == 0.0
