"""Adam over what an operator may change, and its state as the named tensors that a checkpoint keeps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor
from torch.optim import Adam

from guide_plugin.adapter import Adapter


def make_adam(student: Adapter, lr: float) -> Adam:
    """Return Adam over the student's trainable parameters, with its usual betas."""
    parameters = [parameter for _, parameter in student.trainable_parameters()]
    return Adam(parameters, lr=lr, fused=student.device.type in {"cpu", "cuda"})


def adam_state(optimizer: Adam) -> dict[str, Tensor]:
    """Return the moments and step counts as "PARAMETER.NAME", parameters by their number."""
    per_parameter = optimizer.state_dict()["state"]
    return {f"{i}.{name}": tensor for i, state in per_parameter.items() for name, tensor in state.items()}


def restore_adam(optimizer: Adam, state: Mapping[str, Tensor]) -> None:
    """Take back what `adam_state` returned."""
    per_parameter: dict[int, dict[str, Any]] = {}
    for key, tensor in state.items():
        i, name = key.split(".")
        per_parameter.setdefault(int(i), {})[name] = tensor
    optimizer.load_state_dict({**optimizer.state_dict(), "state": per_parameter})
