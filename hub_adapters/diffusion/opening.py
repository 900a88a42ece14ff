"""Loading a pipeline's components with their own loaders, without running anything that the files bring along."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
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
    try:
        index = json.loads((checkpoint.folder / INDEX).read_bytes())
    except (ValueError, RecursionError) as error:
        raise AdapterError(f"{INDEX} is not valid JSON.", "Fetch it again.") from error
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
        said = known.load_config(folder)
        if not {"num_train_timesteps", "beta_schedule"} & said.keys():
            raise AdapterError("The scheduler's configuration describes no noise schedule.", "Fetch it again.")
        return known.from_pretrained(folder)
    variant = "fp16" if half and any(f.startswith(f"{name}/") and ".fp16." in f for f in checkpoint.files) else None
    if kind in NETWORKS:
        with _quiet(diffusers.utils.logging):
            return _whole(
                name, getattr(diffusers, kind), folder, variant, torch_dtype=torch.float32, low_cpu_mem_usage=False
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
        with _quiet(transformers.utils.logging), _without_progress_bar(transformers.utils.logging):
            return _whole(name, loader, folder, variant, dtype=torch.float32)
    known = ", ".join((*NETWORKS, *TEXTS))
    raise AdapterError(f"The pipeline's {name} is a {kind}, which is not known here.", f"Known: {known}.")


def _whole(name: str, loader: Any, folder: Path, variant: str | None, **options: Any) -> Any:
    """Load a network whose file holds all of its weights; the loaders make up what is missing, and only warn."""
    network, info = loader.from_pretrained(
        folder, use_safetensors=True, variant=variant, output_loading_info=True, **options
    )
    wrong = [*info["missing_keys"], *info["mismatched_keys"]]
    if wrong:
        raise AdapterError(f"The weights of the pipeline's {name} lack {wrong[0]}.", "Get the whole pipeline.")
    return network


@contextmanager
def _quiet(settings: Any) -> Iterator[None]:
    """Keep a library's reports on missing weights off the screen: `_whole` tells of those."""
    verbosity = settings.get_verbosity()
    settings.set_verbosity_error()
    try:
        yield
    finally:
        settings.set_verbosity(verbosity)


@contextmanager
def _without_progress_bar(settings: Any) -> Iterator[None]:
    shown = settings.is_progress_bar_enabled()
    settings.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            settings.enable_progress_bar()


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
