"""Where and how precisely a run computes."""

from __future__ import annotations

import torch

from guide_plugin.errors import UsageError

PRECISIONS = {"float32": torch.float32, "bf16": torch.bfloat16}


def choose_device(name: str) -> torch.device:
    """Return the device of this name; "auto" takes CUDA, then Apple's MPS, then the CPU.

    Raises:
        UsageError: this machine has no such device.
    """
    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        name = next(kind for kind, here in present.items() if here)
    if not present[name]:
        raise UsageError(
            f"This machine has no usable {name} device (or torch was installed without it).", "Use --device auto."
        )
    return torch.device(name)
