"""Choose the face that is meant among those found in a photo, and refuse what shows too little of it."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image

from guide_plugin.errors import UsageError
from guide_plugin.vision.crops import align
from guide_plugin.vision.face_detection import Box, Face, FaceDetector
from guide_plugin.vision.sharpness import sharpness

CERTAIN = 0.9
"""The least certainty of a face. In real photographs faces had 0.98 and more, tufts of hair and furniture 0.70-0.87."""

BACKGROUND = 0.4
"""A face smaller than this share of the largest is a passer-by behind the person whom the photo shows."""

LEAST_EYE_DISTANCE = 10.0
"""In pixels. Real portraits shrunk to it moved by 0.39 (median; 0.49 at most) in dlib's recogniser, whose photos of one
person lie 0.21-0.46 apart; at 8 pixels they moved by 0.48, at 16 by 0.21. A 64-pixel FFHQ crop has 14."""

LEAST_SHARPNESS = 0.45
"""Of a crop of 64 pixels. Real portraits have 0.57-1.09 there; blurred by 0.06 of the eye distance they have 0.45 and
moved by 0.41 in dlib's recogniser; by 0.04, 0.56 and 0.28; by 0.08, 0.39 and 0.51."""

JUDGED_SIDE = 64
"""Pixels that tell people apart: finer detail than such a crop shows is no reason to refuse a photo."""

EYES_IN_SIDE = 4
"""An FFHQ crop is this many eye distances wide, of a head seen from the front."""

GIVE_FRONTAL = "Give a photo in which the face is large, lit and seen from the front."


def find_face(
    image: Image.Image,
    detector: FaceDetector,
    which: str = "The --face photo",
    *,
    side: int,
    index: int | None = None,
    box: Box | None = None,
) -> Face:
    """Return the face that a photo is of, if it shows enough of it.

    Faces count from 0.9 certainty and two fifths of the largest one's size on: what is smaller is background.

    Args:
        image: RGB, upright, as `read_photo` gives it.
        which: how an error calls it; errors say where faces are, and nothing else of the photo.
        side: of the pictures that the generator draws; blur too fine for them does not matter.
        index: which of several faces, from the left, the first being 1.
        box: where to look (left, top, width, height) in pixels of the upright photo; then even small faces count.

    Raises:
        UsageError: no face, several with nothing said, no such face, one too small or too blurred.
    """
    if box is not None:
        face = _face_in_box(image, detector, which, box, index)
    else:
        face = _chosen(_counting(detector(image)), image, which, index)
    if face.eye_distance < LEAST_EYE_DISTANCE:
        raise UsageError(
            f"The face in {_within(which)} is too small: {face.eye_distance:.0f} pixels from eye to eye, "
            f"of the {LEAST_EYE_DISTANCE:.0f} needed.",
            "Give a larger picture of it.",
        )
    if face_sharpness(image, face, side) < LEAST_SHARPNESS:
        raise UsageError(f"The face in {_within(which)} is too blurred.", "Give a sharper photo.")
    return face


def face_sharpness(image: Image.Image, face: Face, side: int) -> float:
    """Return how sharp a face is for a generator that draws `side` pixels, from about 1 down to 0 (see `sharpness`).

    It is measured on the middle of an FFHQ crop of at most 64 pixels, and never more than the photo itself has.
    """
    pixels = max(20, min(JUDGED_SIDE, side, round(EYES_IN_SIDE * face.eye_distance)))
    margin = pixels // 5
    return sharpness(align(image, face.landmarks, "ffhq", pixels)[:, margin:-margin, margin:-margin])


def _counting(faces: Sequence[Face]) -> list[Face]:
    """Return the faces that a photo may be of."""
    certain = [face for face in faces if face.certainty >= CERTAIN]
    largest = max((face.size for face in certain), default=0.0)
    return [face for face in certain if face.size >= BACKGROUND * largest]


def _chosen(faces: Sequence[Face], image: Image.Image, which: str, index: int | None) -> Face:
    if not faces:
        raise UsageError(f"No face was found in {_within(which)}.", GIVE_FRONTAL)
    if index is None and len(faces) == 1:
        return faces[0]
    if index is None:
        raise UsageError(
            f"{which} shows {len(faces)} faces ({_listed(faces, image)}).",
            "Say which with `--face-index N`, counted from the left, or with `--face-box X,Y,W,H`.",
        )
    if not 1 <= index <= len(faces):
        has = "1 face" if len(faces) == 1 else f"{len(faces)} faces"
        raise UsageError(
            f"{which} shows {has} ({_listed(faces, image)}), so there is no face {index}.",
            f"Give `--face-index` from 1 to {len(faces)}." if len(faces) > 1 else "Leave out `--face-index`.",
        )
    return faces[index - 1]


def _face_in_box(image: Image.Image, detector: FaceDetector, which: str, box: Box, index: int | None) -> Face:
    left, top, width, height = box
    inside = [
        face
        for face in detector(image)
        if left <= face.middle[0] <= left + width and top <= face.middle[1] <= top + height
    ]
    faces = _counting(inside)
    if not faces:
        raise UsageError(
            f"The --face-box holds no face of {_within(which)}.",
            f"Give X,Y,W,H in pixels of the upright photo, which has {image.width}×{image.height}.",
        )
    return _chosen(faces, image, which, index)


def _listed(faces: Sequence[Face], image: Image.Image) -> str:
    """Say where faces are, as boxes that `--face-box` takes."""
    boxes = [
        f"{i}: {face.box[0]:.0f},{face.box[1]:.0f},{face.box[2] - face.box[0]:.0f},{face.box[3] - face.box[1]:.0f}"
        for i, face in enumerate(faces, start=1)
    ]
    return f"X,Y,W,H from the left, {'; '.join(boxes)}; in {image.width}×{image.height} pixels"


def _within(which: str) -> str:
    """Return what a message calls the photo, for the middle of a sentence."""
    return which[:1].lower() + which[1:]
