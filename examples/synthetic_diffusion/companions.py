"""What lies beside a small diffusion model: how to draw with it, and the networks that look at its pictures."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

FACES = Path(__file__).parent.parent / "models" / "synthetic-faces"
NETWORKS = ("perceptual.safetensors", "recogniser-train.safetensors", "recogniser-judge.safetensors")


def write_companions(folder: Path, sampling: dict[str, Any]) -> None:
    """Write `sampling.json` and copy the demo's frozen networks."""
    (folder / "sampling.json").write_text(json.dumps(sampling, indent=2) + "\n")
    for name in NETWORKS:
        shutil.copyfile(FACES / name, folder / name)
