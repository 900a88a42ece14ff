"""Folders that no new adapter should claim: nothing, other things, other people's models."""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from guide_plugin.adapter import RepoListing
from guide_plugin.hub.source import pull
from guide_plugin.testing.conformance.file_kinds import SOMETHING_ELSE, torch_file

SHAPE = {"z_dim": 8, "w_dim": 8, "img_resolution": 16}
OURS: Mapping[str, dict[str, Any]] = {
    family: {"model_type": family, **SHAPE} for family in ("stylegan2", "stylegan3", "eg3d")
}
"""What the adapters of this package go by, beside a `model.safetensors`."""


def foreign_listings(place: Path, own_name: str) -> Iterator[tuple[str, RepoListing]]:
    """Make folders in `place` and yield what is known of each, with what it is in words.

    Args:
        own_name: the adapter's: where it is one of ours, its models are not foreign.
    """
    yield "an empty folder", RepoListing({}, {}, place)
    documents: dict[str, Any] = {family: config for family, config in OURS.items() if family != own_name}
    documents |= {"bert": {"model_type": "bert"}, "a list": [1, 2], "nothing": {}}
    for what, document in documents.items():
        folder = place / what.replace(" ", "-")
        folder.mkdir()
        (folder / "config.json").write_text(json.dumps(document))
        _write_weights(folder / "model.safetensors")
        yield f"a folder with a config.json of {what} and a model.safetensors", pull(str(folder)).listing
    pipeline = place / "pipeline"
    (pipeline / "unet").mkdir(parents=True)
    (pipeline / "model_index.json").write_text(json.dumps({"_class_name": "AudioLDMPipeline"}))
    (pipeline / "unet" / "config.json").write_text(json.dumps({"_class_name": "UNet2DConditionModel"}))
    _write_weights(pipeline / "unet" / "diffusion_pytorch_model.safetensors")
    yield "a diffusion pipeline for sound", pull(str(pipeline)).listing
    texts = place / "texts"
    texts.mkdir()
    for name in ("README.md", "notes.txt", "face.png"):
        (texts / name).write_bytes(b"\n")
    yield "a folder of texts and pictures", pull(str(texts)).listing
    for name, content in {"encoder.pt": torch_file(SOMETHING_ELSE), "words.pkl": pickle.dumps(["a", "b"])}.items():
        folder = place / name.replace(".", "-")
        folder.mkdir()
        (folder / name).write_bytes(content)
        yield f"a folder with somebody's {name}", pull(str(folder)).listing


def _write_weights(path: Path) -> None:
    save_file({"encoder.weight": torch.zeros(2, 3)}, path)
