"""A pipeline folder of diffusers: which files it consists of, found without reading any weights.

Source: the folder layout that `DiffusionPipeline.save_pretrained` writes: `model_index.json` names each component's
library and class, and each component has a folder of its own.
"""

from __future__ import annotations

from typing import Any

from guide_plugin import AdapterError, Match, RepoListing, UsageError

INDEX, SAMPLING = "model_index.json", "sampling.json"
WEIGHTS = {"diffusers": "diffusion_pytorch_model", "transformers": "model"}
FAMILIES = {
    "DDPMPipeline": "pixel-diffusion",
    "DDIMPipeline": "pixel-diffusion",
    "LDMPipeline": "latent-diffusion",
    "StableDiffusionPipeline": "text-to-image",
    "StableDiffusionXLPipeline": "text-to-image",
}
"""The pipeline classes that can be loaded, and the adapter of each."""

NEEDED = {
    "pixel-diffusion": ("unet", "scheduler"),
    "latent-diffusion": ("vqvae", "unet", "scheduler"),
    "text-to-image": ("vae", "text_encoder", "tokenizer", "unet", "scheduler"),
}
TEXTS = (".json", ".txt")
VARIANTS = ("", ".fp16")
"""Weights in full precision are preferred to those in half."""


def match_pipeline(listing: RepoListing, adapter: str, title: str) -> Match | None:
    """Return the files of a pipeline of this adapter's family; None where it is another's, or no pipeline.

    Raises:
        UsageError: it is a pipeline of a class that no adapter here loads.
        AdapterError: a component has no weights that can be read safely, or is not there.
    """
    index = listing.documents.get(INDEX)
    if not isinstance(index, dict) or not isinstance(index.get("_class_name"), str):
        return None
    family = FAMILIES.get(index["_class_name"])
    if family is None:
        raise UsageError(
            f"{INDEX}: pipelines of the class {index['_class_name']} cannot be unlearned from.",
            f"Those of these classes can: {', '.join(FAMILIES)}.",
        )
    if family != adapter:
        return None
    components = components_of(index)
    files = [INDEX, *({SAMPLING} & listing.files.keys())]
    for name, library in components.items():
        files += component_files(listing, name, library)
    return Match(tuple(files), f"{title}, {index['_class_name']}")


def components_of(index: Any) -> dict[str, str]:
    """Return the library of each component that a pipeline of a known class has.

    Raises:
        AdapterError: this describes no such pipeline, or one that lacks a component.
    """
    family = FAMILIES.get(str(index.get("_class_name"))) if isinstance(index, dict) else None
    if family is None:
        raise AdapterError(f"{INDEX} describes no pipeline that is known here.", f"Known: {', '.join(FAMILIES)}.")
    named = {name: value for name, value in index.items() if not name.startswith("_") and isinstance(value, list)}
    found = {name: str(value[0]) for name, value in named.items() if len(value) == 2 and value[0]}
    missing = [name for name in NEEDED[family] if name not in found]
    if missing:
        raise AdapterError(f"{INDEX} names no {missing[0]}.", "Get the whole pipeline.")
    return found


def component_files(listing: RepoListing, name: str, library: str) -> list[str]:
    """Return a component's files: what describes it, and its weights in one variant."""
    inside = [file for file in listing.files if file.startswith(f"{name}/")]
    texts = [file for file in inside if file.endswith(TEXTS) and ".index." not in file]
    if not inside:
        raise AdapterError(f"The pipeline's component {name} is not there.", "Get the whole pipeline.")
    stem = f"{name}/{WEIGHTS.get(library, 'model')}"
    for variant in VARIANTS:
        weights = [f"{stem}{variant}.safetensors"] if f"{stem}{variant}.safetensors" in inside else []
        shards = [file for file in inside if file.startswith(f"{stem}{variant}-") and file.endswith(".safetensors")]
        if shards:
            weights = [*shards, *(file for file in inside if file == f"{stem}.safetensors.index{variant}.json")]
        if weights:
            return [*texts, *weights]
    other = [file for file in inside if file.endswith((".bin", ".msgpack", ".ckpt", ".pt", ".h5"))]
    if other:
        raise AdapterError(
            f"{other[0]} is no safetensors file, and could run code when it is loaded.",
            "Ask its owner for safetensors, or make them on a machine that holds nothing of value: load the pipeline "
            "in diffusers there and call save_pretrained(FOLDER, safe_serialization=True).",
        )
    return texts
