"""Our own layout, `config.json` beside `model.safetensors`: read with every tensor checked, written whole.

File format: https://huggingface.co/docs/safetensors; a length, a JSON header, raw tensors. Nothing in it can run.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from guide_plugin import AdapterError


def read_tensors(path: Path, expected: Mapping[str, torch.Size], device: torch.device) -> dict[str, Tensor]:
    """Read exactly the `expected` tensors as float32; names and shapes are compared before any data is read.

    Raises:
        AdapterError: the file is damaged, a tensor is missing, unknown or of another shape, or holds NaN or Inf.
    """
    try:
        with safe_open(path, framework="pt") as file:
            shapes = {name: torch.Size(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118  (no dict)
            _compare(path.name, shapes, expected)
            tensors = {name: file.get_tensor(name).to(device, torch.float32, copy=True) for name in expected}
    except (SafetensorError, OSError) as error:
        raise AdapterError(
            f"{path.name} cannot be read: it is cut short, damaged or no safetensors file ({error}).",
            "Fetch it again and compare its size and SHA-256 with the source.",
        ) from error
    for name, tensor in tensors.items():
        if not tensor.isfinite().all():
            raise AdapterError(f"{path.name}: tensor {name} holds NaN or Inf.", "Fetch the file again from its source.")
    return tensors


def _compare(file: str, found: Mapping[str, torch.Size], expected: Mapping[str, torch.Size]) -> None:
    remedy = "The configuration and the weights must come from the same model."
    for name in expected:
        if name not in found:
            raise AdapterError(f"{file}: tensor {name} is missing.", remedy)
        if found[name] != expected[name]:
            raise AdapterError(
                f"{file}: tensor {name} is {list(found[name])}, the configuration asks for {list(expected[name])}.",
                remedy,
            )
    for name in found:
        if name not in expected:
            raise AdapterError(f"{file}: tensor {name} has no place in the configured network.", remedy)


def write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write named tensors to a new file, with the permissions that new files have here."""
    path.touch()
    permissions = path.stat().st_mode
    save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, path, {"format": "pt"})
    path.chmod(permissions)  # save_file leaves the file to its owner alone
