"""Frozen networks that look at pictures; as a plugin, the recognisers that come with this package."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from guide_plugin.hookspecs import hookimpl

if TYPE_CHECKING:
    import torch

    from guide_plugin.operator import Embedder
    from guide_plugin.registration import RegisterRecogniser


def _dlib(weights: Path | None, device: torch.device) -> Embedder:
    from guide_plugin.vision.dlib_recogniser import load_dlib

    return load_dlib(weights, device)


def _facenet(weights: Path | None, device: torch.device) -> Embedder:
    from guide_plugin.vision.facenet import VGGFACE2, load_facenet

    return load_facenet(VGGFACE2, weights, device)


def _facenet_casia(weights: Path | None, device: torch.device) -> Embedder:
    from guide_plugin.vision.facenet import CASIA, load_facenet

    return load_facenet(CASIA, weights, device)


def _small(weights: Path | None, device: torch.device) -> Embedder:
    from guide_plugin.vision.recognition import load_small

    return load_small(weights, device)


def _arcface(weights: Path | None, device: torch.device) -> Embedder:
    from guide_plugin.vision.iresnet import ARCFACE, load_iresnet

    return load_iresnet(ARCFACE, weights, device)


def _curricularface(weights: Path | None, device: torch.device) -> Embedder:
    from guide_plugin.vision.iresnet import CURRICULARFACE, load_iresnet

    return load_iresnet(CURRICULARFACE, weights, device)


@hookimpl
def unlearn_register_recognisers(register: RegisterRecogniser) -> None:
    register("arcface", _arcface, "IR-SE50, which trains in GUIDE's paper: arcface:model_ir_se50.pth", True)
    register(
        "curricularface",
        _curricularface,
        "IR-101, which measures in GUIDE's paper: curricularface:CurricularFace_Backbone.pth",
        True,
    )
    register("dlib", _dlib, "dlib's residual network, which can only judge; needs guide-plugin[dlib]", False)
    register("facenet", _facenet, "InceptionResnetV1 trained on VGGFace2 (facenet-pytorch)", True)
    register("facenet-casia", _facenet_casia, "InceptionResnetV1 trained on CASIA-WebFace (facenet-pytorch)", True)
    register("small", _small, "a small residual network; needs the file of its weights: small:FILE", True)
