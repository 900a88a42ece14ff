"""dlib's recogniser as it is installed, on synthetic people."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from examples.synthetic_faces.portraits import codes, draw
from guide_plugin import HubError
from guide_plugin.vision.dlib_recogniser import (
    CENTRE,
    FACE,
    SIDE,
    DlibRecogniser,
    at_hand,
    eight_bit_pictures,
    load_dlib,
)

CPU = torch.device("cpu")
pytestmark = pytest.mark.skipif(not at_hand(), reason="the extra dlib is not installed")


@pytest.fixture(scope="module")
def recogniser() -> DlibRecogniser:
    return load_dlib(None, CPU)


@pytest.fixture(scope="module")
def pictures() -> torch.Tensor:
    """Return four people, two portraits of each, [8, 3, 64, 64]; those that CENTRE was measured on are among them."""
    return draw(codes(60, 3, torch.Generator().manual_seed(11))[:4, :2].flatten(0, 1)).clamp(-1, 1)


def test_embeddings_are_unit_vectors_the_same_every_time_and_alike_for_one_person(
    recogniser: DlibRecogniser, pictures: torch.Tensor
) -> None:
    found = recogniser(pictures)
    assert (found.shape, found.dtype) == ((8, 128), torch.float32)
    assert torch.allclose(found.norm(dim=1), torch.ones(8), atol=1e-5)
    assert torch.equal(recogniser(pictures[:2]), found[:2])
    similarity = found @ found.T
    person = torch.arange(8) // 2
    one = person[:, None] == person
    same, strangers = similarity[one & ~torch.eye(8, dtype=torch.bool)].mean(), similarity[~one].mean()
    assert same > strangers + 0.3
    assert abs(strangers) < 0.25


def test_descriptors_are_dlibs_own(recogniser: DlibRecogniser, pictures: torch.Tensor) -> None:
    """dlib's own way of one picture: detect, landmarks, descriptor; then what is made of it."""
    import dlib

    picture = eight_bit_pictures(pictures[:1])[0]
    face = max(dlib.get_frontal_face_detector()(picture, 0), key=lambda face: face.area())
    theirs = recogniser.network.compute_face_descriptor(picture, recogniser.landmarks(picture, face))
    ours = recogniser.descriptors(pictures[:1])[0]
    assert torch.allclose(ours, torch.tensor(list(theirs)), atol=1e-4)
    centred = ours - torch.tensor(CENTRE)
    assert torch.allclose(recogniser(pictures[:1])[0], centred / centred.norm(), atol=1e-5)


def test_where_no_face_is_found_the_middle_is_looked_at(recogniser: DlibRecogniser) -> None:
    grey = torch.zeros(1, 3, 32, 64)
    picture = eight_bit_pictures(grey)[0]
    assert picture.shape == (SIDE, 2 * SIDE, 3)
    assert (picture == 128).all()
    face = recogniser.face(picture)
    assert [face.left(), face.top()] == [round(FACE[0] * 2 * SIDE), round(FACE[1] * SIDE)]
    assert recogniser(grey).isfinite().all()
    assert recogniser(grey[:0]).shape == (0, 128)


def test_the_place_of_the_face_is_where_dlib_finds_it(recogniser: DlibRecogniser, pictures: torch.Tensor) -> None:
    found = [recogniser.detect(picture, 0) for picture in eight_bit_pictures(pictures)]
    boxes = torch.tensor([[f.left(), f.top(), f.right(), f.bottom()] for faces in found for f in faces]) / SIDE
    assert len(boxes) >= 7
    assert (boxes.median(dim=0).values - torch.tensor(FACE)).abs().max() < 0.05


def test_another_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "other.dat").write_bytes(b"no network")
    for name in ("other.dat", "gone.dat"):
        with pytest.raises(HubError, match=f"{name} does not hold"):
            load_dlib(tmp_path / name, CPU)
