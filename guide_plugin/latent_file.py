"""A latent code from a file, checked; nothing in the file is run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from guide_plugin.errors import UsageError


def read_code(path: Path, latent_shape: tuple[int, ...], option: str = "--code") -> Tensor:
    """Read one latent code [1, *latent_shape] float32 from a `.safetensors`, `.npy` or `.pt` file.

    A code for one layer, [w_dim] or [1, w_dim], is repeated over the layers. Nothing in the file is run.

    Args:
        option: what messages call the file by.

    Raises:
        UsageError: names neither the file nor its content, only what is wrong with it.
    """
    readers: dict[str, Callable[[Path], Tensor | dict[str, Tensor]]]
    readers = {".safetensors": _read_safetensors, ".npy": _read_npy, ".pt": _read_pt}
    if path.suffix not in readers:
        raise UsageError(f"The {option} file is of no known kind.", f"Give one of {', '.join(readers)}.")
    try:
        held = readers[path.suffix](path)
    except FileNotFoundError:
        raise UsageError(f"The {option} file does not exist.", "Check its path.") from None
    except Exception:
        # Readers raise all sorts on damaged files, and their messages may quote what the file holds.
        raise UsageError(
            f"The {option} file cannot be read as {path.suffix}.", "It may be damaged or of another kind."
        ) from None
    code = _only_tensor(held, option) if isinstance(held, dict) else held
    if not isinstance(code, Tensor):
        raise UsageError(
            f"The {option} file cannot be read as {path.suffix}.", "It must hold one tensor, alone or named `w`."
        )
    wanted = " × ".join(map(str, latent_shape))
    shape = tuple(code.shape)
    core = code.reshape(shape[1:] if len(shape) > 1 and shape[0] == 1 else shape)
    if tuple(core.shape) not in {latent_shape, latent_shape[-1:], (1, *latent_shape[-1:])}:
        has = " × ".join(map(str, shape)) or "scalar"
        raise UsageError(
            f"The {option} file holds a tensor of shape {has}, this generator's codes are {wanted}.",
            f"Give one code of {wanted}, or of {latent_shape[-1]} for all layers.",
        )
    if not core.isfinite().all():
        raise UsageError(f"The {option} file holds NaN or Inf.", "Make the code again.")
    return core.to(torch.float32).expand(1, *latent_shape).clone()


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors.torch import load_file

    return load_file(path)


def _read_npy(path: Path) -> Tensor:
    import numpy as np

    return torch.from_numpy(np.load(path, allow_pickle=False))


def _read_pt(path: Path) -> Tensor | dict[str, Tensor]:
    return torch.load(path, map_location="cpu", weights_only=True)


def _only_tensor(tensors: dict[str, Tensor], option: str) -> Tensor:
    if "w" in tensors:
        return tensors["w"]
    if len(tensors) != 1:
        raise UsageError(f"The {option} file holds {len(tensors)} tensors.", "Name the code `w`, or store it alone.")
    return next(iter(tensors.values()))
