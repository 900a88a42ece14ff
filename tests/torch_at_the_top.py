"""An adapter in a module that imports torch for everybody who lists it."""

from __future__ import annotations

import torch

from tests.toy_adapter import Toy


class TorchAtTheTop(Toy):
    """Keeps every clause but one."""

    dtype = torch.float32
