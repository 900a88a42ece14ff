"""The recogniser `dlib`: a residual network whose weights are on the disk of everybody who installed the extra `dlib`.

It has no gradient, so that it cannot train, and what it says was not trained against: it can only judge.

dlib compares two descriptors by Euclidean distance; below 0.6 it takes them for one person. Descriptors lie far from
the origin (norm 1.35), all in one direction: 0.6 is then a cosine of 0.90, and on photographs two strangers still have
0.80 to 0.84. A cosine of 0.9, which elsewhere means "hardly changed", would mean "just about the same person".
Descriptors are therefore seen from a fixed centre, the mean descriptor of synthetic people. From there, eight
photographs of three people gave 0.81 to 0.95 for one person (distances 0.24 to 0.46) and 0.11 to 0.35 for two (0.80 to
0.90), and dlib's 0.6 is a cosine of about 0.6 on photographs. On other kinds of pictures strangers score otherwise:
whoever judges must measure them, with pictures of the same kind.

It is a weak judge of people who look made up. Of 60 people of examples.synthetic_faces one person scores 0.51 (median)
and two score -0.02, but the equal error rate is 15 %, on pictures by the demo model made of them 19 %, where the
recogniser that comes with that model has 2 %.

Source: King, "High Quality Face Recognition with Deep Metric Learning", dlib.net, 2017. The weights are those of the
package face_recognition_models. Its import fails under new versions of setuptools, so nothing in it is imported: its
files are looked up.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from guide_plugin.errors import HubError, UsageError

NAME = "dlib"
RECOGNISER_FILE = "dlib_face_recognition_resnet_model_v1.dat"
LANDMARKS_FILE = "shape_predictor_5_face_landmarks.dat"
SIDE = 256
"""Pixels of the shorter side that every picture is brought to: dlib finds no face of less than 80."""

# Where dlib's detector sees the face of an FFHQ-aligned picture: left, top, right, bottom as fractions of its sides.
FACE = (0.24, 0.26, 0.76, 0.83)


class DlibRecogniser:
    """Images [n, 3, H, W] in [-1, 1] to unit embeddings [n, 128] float32, without gradient, computed on the CPU.

    Each picture is rounded to 8 bits; its largest face is found by dlib's detector, or taken to lie where it lies in
    an FFHQ-aligned picture where none is found; five landmarks say how to cut it out upright.
    """

    def __init__(self, recogniser: Path, landmarks: Path) -> None:
        import dlib

        self.weights_file = recogniser
        self.dlib = dlib
        self.detect = dlib.get_frontal_face_detector()
        self.landmarks = dlib.shape_predictor(str(landmarks))
        self.network = dlib.face_recognition_model_v1(str(recogniser))

    @torch.no_grad()
    def __call__(self, images: Tensor) -> Tensor:
        return F.normalize(self.descriptors(images) - torch.tensor(CENTRE)).to(images.device)

    def descriptors(self, images: Tensor) -> Tensor:
        """Return dlib's own descriptors [n, 128] on the CPU; two of one person are less than 0.6 apart."""
        chips = [self.chip(picture) for picture in eight_bit_pictures(images)]
        found = self.network.compute_face_descriptor(chips) if chips else []
        return torch.tensor([list(descriptor) for descriptor in found], dtype=torch.float32).reshape(-1, len(CENTRE))

    def chip(self, picture: np.ndarray) -> np.ndarray:
        """Cut the face [150, 150, 3] of a picture [H, W, 3] out upright."""
        return self.dlib.get_face_chip(picture, self.landmarks(picture, self.face(picture)))

    def face(self, picture: np.ndarray) -> Any:
        """Return the rectangle of the largest face found, or of the place where an aligned picture has it."""
        found = self.detect(picture, 0)
        if found:
            return max(found, key=lambda face: face.area())
        height, width = picture.shape[:2]
        return self.dlib.rectangle(
            *(round(part * side) for part, side in zip(FACE, (width, height, width, height), strict=True))
        )


def eight_bit_pictures(images: Tensor) -> list[np.ndarray]:
    """Return pictures [n, 3, H, W] in [-1, 1] as bytes [H', W', 3], the shorter side `SIDE` pixels long."""
    height, width = images.shape[-2:]
    scale = SIDE / min(height, width)
    levels = (images.detach().float().cpu() + 1) * 127.5
    if scale != 1:
        size = (round(height * scale), round(width * scale))
        levels = F.interpolate(levels, size, mode="bilinear", align_corners=False, antialias=True)
    return list(levels.round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).contiguous().numpy())


def at_hand() -> bool:
    """Say whether everything that the recogniser needs is installed; nothing is imported."""
    return importlib.util.find_spec("dlib") is not None and _folder() is not None


def load_dlib(weights: Path | None, device: torch.device) -> DlibRecogniser:
    """Load the recogniser from `weights`, or from the installed package; it computes on the CPU whatever `device` is.

    Raises:
        UsageError: a package is missing.
        HubError: the file cannot be read or holds another network.
    """
    folder = _folder()
    if folder is None or not at_hand():
        raise UsageError(
            "The recogniser dlib needs the packages dlib-bin and face_recognition_models.",
            "Install them: pip install 'guide-plugin[dlib]'.",
        )
    path = weights or folder / RECOGNISER_FILE
    try:
        return DlibRecogniser(path, folder / LANDMARKS_FILE)
    except RuntimeError as error:
        raise HubError(f"{path.name} does not hold the weights of dlib's recogniser.", "Fetch it again.") from error


def _folder() -> Path | None:
    """Return where the package face_recognition_models keeps its files, None where it is not installed."""
    spec = importlib.util.find_spec("face_recognition_models")
    folders = [Path(place) / "models" for place in (spec.submodule_search_locations or [])] if spec else []
    return next((folder for folder in folders if (folder / RECOGNISER_FILE).is_file()), None)


# The mean of dlib's descriptors of 60 portraits by examples.synthetic_faces, one of each person that
# `codes(60, 3, torch.Generator().manual_seed(11))` draws, 64 pixels wide.
# fmt: off
CENTRE = (
    -0.122, 0.093, 0.089, -0.085, -0.090, 0.005, -0.022, -0.109, 0.123, -0.069, 0.217, -0.086, -0.217, -0.015, -0.039,
    0.188, -0.168, -0.111, -0.107, -0.064, -0.001, 0.060, 0.043, 0.056, -0.153, -0.280, -0.048, -0.097, -0.004,
    -0.119, 0.010, 0.051, -0.194, 0.004, 0.026, 0.083, -0.083, -0.087, 0.199, 0.002, -0.180, 0.021, 0.048, 0.224,
    0.161, -0.016, 0.001, -0.107, 0.114, -0.239, 0.015, 0.132, 0.067, 0.085, -0.003, -0.114, 0.032, 0.118, -0.211,
    0.034, 0.064, -0.088, -0.036, -0.056, 0.185, 0.155, -0.120, -0.167, 0.123, -0.149, -0.050, 0.072, -0.095, -0.150,
    -0.264, -0.015, 0.314, 0.064, -0.186, -0.021, -0.070, -0.027, -0.014, 0.098, -0.098, 0.006, -0.056, 0.033, 0.205,
    -0.056, 0.003, 0.245, 0.023, -0.012, 0.031, 0.047, -0.117, -0.027, -0.083, -0.017, -0.006, -0.070, 0.009, 0.121,
    -0.187, 0.217, -0.037, -0.033, -0.004, 0.007, -0.047, -0.059, 0.161, -0.207, 0.162, 0.166, 0.023, 0.108, 0.056,
    0.098, -0.049, 0.056, -0.141, -0.048, 0.068, -0.032, 0.034, 0.026,
)
# fmt: on
