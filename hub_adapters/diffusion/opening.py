"""Loading a pipeline's components with their own loaders, without running anything that the files bring along."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import torch

from guide_plugin import AdapterError, LocalCheckpoint, UnlearnError, make_torchvision_importable
from hub_adapters.diffusion.layout import INDEX, components_of
from hub_adapters.diffusion.sampling import Sampling, ddim, read_sampling

make_torchvision_importable()

import diffusers  # noqa: E402

NETWORKS = ("UNet2DModel", "UNet2DConditionModel", "VQModel", "AutoencoderKL")
TEXTS = ("CLIPTextModel", "CLIPTextModelWithProjection", "CLIPTokenizer")
PASSED_ON = ("safety_checker", "feature_extractor", "image_encoder")
"""Components that drawing does not need: their files are carried over, and not opened."""


@dataclass(frozen=True)
class Pipeline:
    """A pipeline's components by name, loaded in float32 and frozen, and how to draw with them.

    Attributes:
        scheduler: a `DDIMScheduler`.
        half: whether the weights came in half precision alone, and are to be written so.
    """

    checkpoint: LocalCheckpoint
    components: dict[str, Any]
    scheduler: Any
    sampling: Sampling
    half: bool


def open_pipeline(checkpoint: LocalCheckpoint, device: torch.device) -> Pipeline:
    """Load every component that drawing needs.

    Raises:
        AdapterError: names the component that cannot be loaded.
    """
    sampling = read_sampling(checkpoint.folder)
    index = json.loads((checkpoint.folder / INDEX).read_bytes())
    half = any(".fp16." in file for file in checkpoint.files)
    components = {}
    for name in components_of(index):
        if name in PASSED_ON:
            continue
        kind = str(index[name][1])
        try:
            component = _load(checkpoint, name, kind, half)
        except UnlearnError:
            raise
        except Exception as error:
            raise AdapterError(f"The pipeline's {name} ({kind}) cannot be loaded: {_first_line(error)}.") from error
        if isinstance(component, torch.nn.Module):
            component = component.to(device).eval().requires_grad_(False)
            if device.type == "cuda":
                component.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        components[name] = component
    return Pipeline(checkpoint, components, ddim(components.pop("scheduler"), sampling.steps), sampling, half)


def _load(checkpoint: LocalCheckpoint, name: str, kind: str, half: bool) -> Any:
    folder = checkpoint.folder / name
    if name == "scheduler":
        known = getattr(diffusers, kind, None) if kind.endswith("Scheduler") else None
        if known is None:
            raise AdapterError(f"The scheduler {kind} is not one of diffusers'.", "None is known.")
        return known.from_pretrained(folder)
    variant = "fp16" if half and any(f.startswith(f"{name}/") and ".fp16." in f for f in checkpoint.files) else None
    if kind in NETWORKS:
        network = getattr(diffusers, kind)
        return network.from_pretrained(
            folder, use_safetensors=True, variant=variant, torch_dtype=torch.float32, low_cpu_mem_usage=False
        )
    if kind in TEXTS:
        try:
            import transformers
        except ImportError:
            raise AdapterError(
                "Text-to-image pipelines need the package transformers, which is not installed.",
                'Install it: pip install "guide-plugin[text]".',
            ) from None
        loader = getattr(transformers, kind)
        if kind == "CLIPTokenizer":
            return loader.from_pretrained(folder)
        return loader.from_pretrained(folder, use_safetensors=True, variant=variant, dtype=torch.float32)
    known = ", ".join((*NETWORKS, *TEXTS))
    raise AdapterError(f"The pipeline's {name} is a {kind}, which is not known here.", f"Known: {known}.")


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
