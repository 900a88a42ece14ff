"""Make `import torchvision` work beside a CPU-only torch.

The package index builds torchvision against CUDA. Beside a CPU-only torch its compiled part does not load, the
operators it would register are missing, and importing torchvision (and with it facenet_pytorch, lpips and
diffusers) raises `RuntimeError: operator torchvision::nms does not exist`. Where that is so, and only there, this
module declares the two operators that the import looks for, and implements the one that face detection uses.
torchvision refuses to call an operator while it believes its compiled part missing
(`torchvision.extension._has_ops`), so it is told otherwise: the one place in this package where another package's
module is changed.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path

import torch
from torch import Tensor

_operators: torch.library.Library | None = None  # operators live as long as the library that defines them


def make_torchvision_importable() -> bool:
    """Supply the operators that torchvision lacks; return whether that was needed. Call before importing it."""
    global _operators
    spec = importlib.util.find_spec("torchvision")
    if "torchvision" in sys.modules or spec is None or hasattr(torch.ops.torchvision, "nms"):
        return False
    folders = [Path(folder) for folder in spec.submodule_search_locations or []]
    for compiled in (path for folder in folders for path in folder.glob("_C*") if path.suffix in {".so", ".pyd"}):
        try:
            torch.ops.load_library(str(compiled))
            return False
        except OSError:
            pass
    _operators = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        _operators.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _operators.impl("nms", nms, "CPU")
    extension = importlib.import_module("torchvision.extension")
    extension._has_ops = lambda: True  # type: ignore[attr-defined]
    return True


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float) -> Tensor:
    """Return the indices of the boxes that survive non-maximum suppression, best first.

    Args:
        boxes: [n, 4] as x1, y1, x2, y2.
        scores: [n].
        iou_threshold: a box is dropped where its intersection over union with a better one is greater.
    """
    x1, y1, x2, y2 = boxes.unbind(dim=1)
    area = (x2 - x1) * (y2 - y1)
    remaining = scores.argsort(descending=True, stable=True)
    kept = []
    while remaining.numel():
        best, rest = remaining[0], remaining[1:]
        kept.append(best)
        width = (torch.minimum(x2[best], x2[rest]) - torch.maximum(x1[best], x1[rest])).clamp(min=0)
        height = (torch.minimum(y2[best], y2[rest]) - torch.maximum(y1[best], y1[rest])).clamp(min=0)
        intersection = width * height
        remaining = rest[intersection <= iou_threshold * (area[best] + area[rest] - intersection)]
    return torch.stack(kept) if kept else scores.new_zeros(0, dtype=torch.long)
