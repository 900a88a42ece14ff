"""Weights into a network: every tensor checked against the configured network before it is used."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TypeVar

import torch
from torch import Tensor, nn

from guide_plugin import AdapterError
from hub_adapters.checkpoints.stored import StoredTensor

M = TypeVar("M", bound=nn.Module)

REMEDY = "The configuration and the weights must come from the same model."


def check_shapes(
    file: str,
    found: Mapping[str, tuple[int, ...]],
    network: nn.Module,
    may_be_missing: tuple[str, ...] = (),
) -> None:
    """Compare names and shapes with what the network asks for.

    Args:
        may_be_missing: endings of names that the caller can fill in.

    Raises:
        AdapterError: names the file and the first tensor that is missing, unknown or of another shape.
    """
    expected = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    for name, shape in expected.items():
        if name not in found and not name.endswith(may_be_missing or ("\0",)):
            raise AdapterError(f"{file}: tensor {name} is missing.", REMEDY)
        if name in found and tuple(found[name]) != shape:
            raise AdapterError(
                f"{file}: tensor {name} is {list(found[name])}, the configuration asks for {list(shape)}.", REMEDY
            )
    for name in found:
        if name not in expected:
            raise AdapterError(f"{file}: tensor {name} has no place in the configured network.", REMEDY)


def read_all(places: Mapping[str, StoredTensor]) -> Iterator[tuple[str, Tensor]]:
    """Read tensors out of their file, one after another."""
    return ((name, place.read()) for name, place in places.items())


def fill(network: M, tensors: Iterable[tuple[str, Tensor]], device: torch.device, file: str) -> M:
    """Give a network built on the meta device its weights as float32, frozen and in evaluation mode.

    Raises:
        AdapterError: a tensor holds whole numbers, NaN or Inf.
    """
    ready = {}
    for name, tensor in tensors:
        if not tensor.is_floating_point():
            raise AdapterError(f"{file}: tensor {name} holds whole numbers.", REMEDY)
        ready[name] = tensor.to(device, torch.float32)
        # A sum is finite only if all of it is; it takes no memory. Where it overflows, look closer.
        if not ready[name].sum().isfinite() and not ready[name].isfinite().all():
            raise AdapterError(f"{file}: tensor {name} holds NaN or Inf.", "Fetch the file again from its source.")
    network.load_state_dict(ready, assign=True)
    return network.eval().requires_grad_(False)
