"""Faces are found, chosen and refused as a photo deserves; the renderer's people stand for real ones."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter, ImageOps
from torch import Tensor

from examples.synthetic_faces.portraits import as_bytes, codes, draw
from guide_plugin.adapter import Adapter, LocalCheckpoint
from guide_plugin.errors import UsageError
from guide_plugin.vision.crops import Crop, align, face_frame
from guide_plugin.vision.faces import Face, FaceDetector, face_sharpness, find_face
from guide_plugin.vision.head_pose import head_pose
from hub_adapters.eg3d.adapter import EG3D
from hub_adapters.eg3d.cameras import label_facing, orbit_labels
from tests.conftest import REPOSITORY

SIDE = 64
DEMO_CROP = Crop(scale=1.11, shift=(0.0, 0.042))
"""How the renderer frames its people: scale 1.107 in pictures of 64 pixels (200), 1.127 in those of 256 (100)."""


@pytest.fixture(scope="module")
def detector() -> FaceDetector:
    return FaceDetector()


@pytest.fixture(scope="module")
def people() -> list[Image.Image]:
    """Six people as the renderer draws them, 64 pixels wide."""
    return rendered(6)


def rendered(count: int) -> list[Image.Image]:
    numbers = codes(count, 1, torch.Generator().manual_seed(5)).flatten(0, 1)
    return [Image.fromarray(as_bytes(picture).permute(1, 2, 0).numpy()) for picture in draw(numbers)]


def pasted(*placed: tuple[Image.Image, int, int, int], size: tuple[int, int] = (640, 400)) -> Image.Image:
    """Lay pictures on a grey canvas: each with its left, top and side."""
    canvas = Image.new("RGB", size, (120, 130, 140))
    for picture, left, top, side in placed:
        canvas.paste(picture.resize((side, side), Image.Resampling.BICUBIC), (left, top))
    return canvas


def a_face(left: float, size: float, certainty: float = 0.999, eyes: float = 30.0) -> Face:
    marks = torch.tensor([[0, 0], [eyes, 0], [eyes / 2, eyes / 2], [3, eyes], [eyes - 3, eyes]], dtype=torch.float64)
    return Face((left, 50.0, left + size, 50.0 + size), marks + torch.tensor([left, 60.0]), certainty)


def seeing(*faces: Face):
    """A detector that sees these."""
    return lambda image: list(faces)


NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (300, 500, 3), dtype=np.uint8))


def refusal(faces: list[Face], image: Image.Image = NOISE, **choice: object) -> str:
    with pytest.raises(UsageError) as refused:
        find_face(image, seeing(*faces), "Photo 2 of 3", side=SIDE, **choice)
    assert refused.value.remedy
    return str(refused.value)


def test_one_face_is_found_where_it_is(detector: FaceDetector, people: list[Image.Image]) -> None:
    face = find_face(pasted((people[0], 300, 100, 192)), detector, side=SIDE)
    assert face.landmarks.shape == (5, 2)
    assert face.landmarks.dtype == torch.float64
    assert 0.9 < face.certainty <= 1
    assert 300 < face.box[0] < face.box[2] < 492
    left_eye, right_eye, nose, left_mouth, right_mouth = face.landmarks.tolist()
    assert left_eye[0] < nose[0] < right_eye[0]
    assert left_mouth[0] < right_mouth[0]
    assert left_eye[1] < nose[1] < left_mouth[1]


@pytest.mark.parametrize("size", [48, 64, 200, 1500])
def test_small_and_large_pictures_are_searched(detector: FaceDetector, people: list[Image.Image], size: int) -> None:
    """The same face lies at the same place of the picture, however many pixels that has."""
    faces = [detector(people[1].resize((side, side), Image.Resampling.BICUBIC)) for side in (256, size)]
    assert [len(found) for found in faces] == [1, 1]
    places = [(found[0].landmarks + 0.5) / side for found, side in zip(faces, (256, size), strict=True)]
    assert (places[0] - places[1]).abs().max() < 0.03


def test_a_picture_and_its_mirror_image_agree(detector: FaceDetector, people: list[Image.Image]) -> None:
    """To less than the pixel from which MTCNN counts."""
    gaps = []
    for picture in people:
        image = picture.resize((256, 256), Image.Resampling.BICUBIC)
        seen, mirrored = detector(image)[0].landmarks, detector(ImageOps.mirror(image))[0].landmarks
        gaps.append(((seen[:, 0] + mirrored[[1, 0, 2, 4, 3], 0] - 255) / 2).mean())
    assert abs(torch.stack(gaps).mean()) < 0.6


@pytest.mark.parametrize("size", [(8, 8), (19, 400), (1, 3000), (500, 500)])
def test_where_no_face_is_none_is_found(detector: FaceDetector, size: tuple[int, int]) -> None:
    with pytest.raises(UsageError, match=r"No face was found in photo 1\. "):
        find_face(Image.new("RGB", size, (90, 60, 30)), detector, "Photo 1", side=SIDE)


def test_renderings_in_a_canvas_come_back_as_themselves(detector: FaceDetector) -> None:
    """On average: proportions differ, and turned heads have their eyes aside. Single scales scatter by 4 %."""
    shifts, scales, errors = [], [], []
    for picture in rendered(20):
        canvas = pasted((picture, 200, 90, 192))
        face = find_face(canvas, detector, side=SIDE)
        frame = face_frame(face.landmarks, "ffhq", DEMO_CROP)
        shifts.append((frame.centre + 0.5 - torch.tensor([296.0, 186.0])) / 192 * SIDE)
        scales.append(math.log(frame.side / 192))
        crop = align(canvas, face.landmarks, "ffhq", SIDE, DEMO_CROP)
        itself = torch.from_numpy(np.array(picture)).permute(2, 0, 1) / 127.5 - 1
        errors.append((crop - itself)[:, 16:48, 16:48].abs().mean().item())
    assert torch.stack(shifts).mean(dim=0).norm() < 2.0
    assert torch.stack(shifts).norm(dim=1).max() < 8.0
    assert abs(sum(scales) / len(scales)) < 0.04
    assert sum(errors) / len(errors) < 0.2


def test_of_several_faces_one_must_be_named(detector: FaceDetector, people: list[Image.Image]) -> None:
    group = pasted((people[2], 420, 60, 160), (people[0], 20, 120, 160), (people[1], 220, 20, 160))
    with pytest.raises(UsageError, match=r"The --face photo shows 3 faces.*--face-index N.*--face-box X,Y,W,H"):
        find_face(group, detector, side=SIDE)
    chosen = [find_face(group, detector, side=SIDE, index=i) for i in (1, 2, 3)]
    assert [int((face.middle[0] - 20) // 200) for face in chosen] == [0, 1, 2]
    boxed = find_face(group, detector, side=SIDE, box=(210, 10, 180, 180))
    assert boxed.box == chosen[1].box


def test_a_message_says_where_the_faces_are() -> None:
    text = refusal([a_face(20, 60), a_face(300, 80)])
    assert "Photo 2 of 3 shows 2 faces" in text
    assert "1: 20,50,60,60; 2: 300,50,80,80; in 500×300 pixels" in text


@pytest.mark.parametrize(
    ("others", "several"),
    [
        ([a_face(300, 39)], False),
        ([a_face(300, 39), a_face(400, 20, 0.95)], False),
        ([a_face(300, 41)], True),
        ([a_face(300, 90, 0.89)], False),
        ([a_face(300, 300, 0.89)], False),
        ([a_face(300, 90, 0.91)], True),
    ],
)
def test_small_and_uncertain_faces_are_background(others: list[Face], several: bool) -> None:
    if several:
        assert "shows 2 faces" in refusal([a_face(20, 100), *others])
    else:
        assert find_face(NOISE, seeing(a_face(20, 100), *others), side=SIDE).box[0] == 20


def test_a_box_reaches_a_face_in_the_background_too() -> None:
    faces = [a_face(20, 100), a_face(300, 30)]
    assert find_face(NOISE, seeing(*faces), side=SIDE, box=(290, 40, 60, 60)).box[0] == 300
    both = refusal([a_face(20, 100), a_face(200, 90)], box=(0, 0, 500, 300))
    assert "2 faces" in both


@pytest.mark.parametrize(
    ("faces", "choice", "says"),
    [
        ([], {}, "No face was found in photo 2 of 3."),
        ([a_face(20, 60, 0.85)], {}, "No face was found"),
        ([a_face(20, 60)], {"index": 2}, "shows 1 face (X,Y,W,H from the left, 1: 20,50,60,60"),
        ([a_face(20, 60), a_face(90, 60)], {"index": 3}, "Give `--face-index` from 1 to 2."),
        ([a_face(20, 60), a_face(90, 60)], {"index": 0}, "there is no face 0"),
        ([a_face(20, 60)], {"box": (200, 50, 50, 50)}, "The --face-box holds no face"),
        ([a_face(20, 60)], {"box": (20, 50, -60, 60)}, "which has 500×300"),
        ([a_face(20, 60, eyes=9)], {}, "too small: 9 pixels from eye to eye, of the 10 needed"),
    ],
)
def test_what_cannot_be_chosen_is_told(faces: list[Face], choice: dict, says: str) -> None:
    assert says in refusal(faces, **choice)


def test_a_blurred_photo_is_refused(detector: FaceDetector, people: list[Image.Image]) -> None:
    sharp = pasted((people[3], 200, 90, 192))
    eyes = find_face(sharp, detector, side=SIDE).eye_distance
    blurred = sharp.filter(ImageFilter.GaussianBlur(0.12 * eyes))
    with pytest.raises(UsageError, match="is too blurred"):
        find_face(blurred, detector, side=SIDE)
    # A generator of 16 pixels shows no more than that.
    assert find_face(blurred, detector, side=16).certainty > 0.9


def test_sharpness_of_a_face_is_the_photos_own(detector: FaceDetector, people: list[Image.Image]) -> None:
    """What 64-pixel renderings show is sharp at 64 pixels, however much larger they are made, or the generator is."""
    values = []
    for picture in people:
        for side in (64, 192):
            image = picture.resize((side, side), Image.Resampling.BICUBIC)
            values.append(face_sharpness(image, detector(image)[0], side=64))
            assert values[-1] == pytest.approx(face_sharpness(image, detector(image)[0], side=1024))
    assert min(values) > 0.5


def sight(label: Tensor) -> tuple[Tensor, Tensor]:
    """Return a camera's place and the direction in which it looks."""
    pose = label[0, :16].view(4, 4).double()
    return pose[:3, 3], pose[:3, 2]


@pytest.mark.parametrize("pivot", [(0.0, 0.0, 0.0), (0.0, 0.0, 0.2), (0.02, -0.05, 0.2)])
@pytest.mark.parametrize(("yaw", "pitch"), [(0.0, 0.0), (0.4, -0.3), (-0.6, 0.2)])
def test_a_camera_that_faces_looks_at_the_pivot(yaw: float, pitch: float, pivot: tuple) -> None:
    place, forward = sight(label_facing(yaw, pitch, pivot, 2.7))
    assert place.norm().item() == pytest.approx(2.7, abs=1e-5)
    backward = torch.tensor([math.cos(pitch) * math.sin(yaw), -math.sin(pitch), math.cos(pitch) * math.cos(yaw)])
    assert torch.allclose(-forward, backward.double(), atol=1e-5)
    to_pivot = torch.tensor(pivot).double() - place
    assert torch.allclose(to_pivot / to_pivot.norm(), forward, atol=1e-5)


def test_a_camera_around_the_origin_is_one_of_the_training_cameras() -> None:
    """Whose pitch is measured otherwise: -0.2 is 0.127 radians above."""
    pitch = -math.asin(0.2 * 2 / math.pi)
    wanted = orbit_labels(torch.tensor([0.25]), -0.2, (0.0, 0.0, 0.0), 2.7)
    assert torch.allclose(label_facing(0.25, pitch, (0.0, 0.0, 0.0), 2.7), wanted, atol=1e-5)


def test_a_backbone_without_views_has_none_for_a_photo() -> None:
    assert Adapter.view_from_pose(None, 0.3, 0.0) is None  # type: ignore[arg-type]


def test_heads_turned_by_known_angles_are_seen_so(detector: FaceDetector) -> None:
    folder = Path(REPOSITORY) / "examples" / "models" / "synthetic-heads"
    model = EG3D.load(LocalCheckpoint(folder, ("config.json", "model.safetensors")), torch.device("cpu"))
    w = model.sample_latents(5, torch.Generator().manual_seed(3))
    true, seen = [], []
    for degrees in (-15, 0, 15):
        view = model.view_from_pose(math.radians(degrees), -0.127).expand(len(w), -1)
        with torch.no_grad():
            pictures = as_bytes(model.synthesize(w, view).image)
        for picture in pictures:
            faces = detector(Image.fromarray(picture.permute(1, 2, 0).numpy()))
            true.append(degrees)
            seen.append(math.degrees(head_pose(faces[0].landmarks)[0]))
    errors = np.subtract(seen, true)
    assert np.corrcoef(true, seen)[0, 1] > 0.95
    assert abs(errors.mean()) < 2
    assert np.abs(errors).mean() < 4
