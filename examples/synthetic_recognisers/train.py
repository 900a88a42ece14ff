"""Train the two recognisers that come with every demo model, and put them into the models' folders.

One command: `python -m examples.synthetic_recognisers.train --models examples/models`.
"""

from __future__ import annotations

import argparse
import shutil
import time
from pathlib import Path

import torch

from examples.synthetic_faces.train import write

from .people import album
from .training import train_recogniser

# Each recogniser learns from people of its own, with its own widths, embedding size and seed.
RECOGNISERS = {
    "recogniser-train": {"widths": [16, 32, 48, 96, 128], "embedding_size": 128, "seed": 1101},
    "recogniser-judge": {"widths": [16, 40, 64, 96, 112], "embedding_size": 112, "seed": 2203},
}
DEMOS = ("synthetic-faces", "synthetic-heads", "synthetic-faces-ddpm", "synthetic-faces-text")


def main() -> None:
    """Train the recognisers that are named, one after the other, and copy each into every demo model's folder."""
    parser = argparse.ArgumentParser(description="Train the recognisers of the demo models.")
    parser.add_argument("--models", type=Path, required=True, help="folder of the demo models, generators included")
    parser.add_argument("--cache", type=Path, help="folder in which to keep the rendered portraits between runs")
    parser.add_argument("--only", choices=list(RECOGNISERS), action="append", help="only this one (default: both)")
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--share", type=float, default=1.0, help="of the usual number of people")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    for name in options.only or RECOGNISERS:
        settings = RECOGNISERS[name]
        began = time.monotonic()
        people = album(settings["seed"], options.models, options.cache, options.share)
        print(f"{name}: {len(people)} pictures in {time.monotonic() - began:.0f} seconds", flush=True)
        network = train_recogniser(people, steps=options.steps, **settings)
        first, *others = (options.models / demo / f"{name}.safetensors" for demo in DEMOS)
        write(network, first)
        for other in others:
            shutil.copyfile(first, other)
        print(f"{name}: {time.monotonic() - began:.0f} seconds in all", flush=True)


if __name__ == "__main__":
    main()
