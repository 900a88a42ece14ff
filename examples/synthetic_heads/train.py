"""Rebuild the 3D demo model: render people from several cameras, fit an EG3D to them, write the model folder.

One command: `python -m examples.synthetic_heads.train --out examples/models/synthetic-heads`.
"""

import argparse
import json
import os
import shutil
import time
from pathlib import Path

import torch
from safetensors.torch import load_file

from examples.synthetic_faces.critic import Contest
from examples.synthetic_faces.train import write
from guide_plugin.vision.perceptual import ConvPerceptual
from hub_adapters.eg3d.network import Generator

from .generator_training import CONFIG, LR, train_generator
from .measure import load_generator
from .studio import Studio

PEOPLE = 8000
NETWORKS = ("perceptual.safetensors", "recogniser-train.safetensors", "recogniser-judge.safetensors")
FIRST_DEMO = Path(__file__).parents[1] / "models" / "synthetic-faces"


def main() -> None:
    """Run both rounds; what the first one leaves in the folder the second one starts from."""
    parser = argparse.ArgumentParser(description="Rebuild the synthetic heads demo model.")
    parser.add_argument("--out", type=Path, required=True, help="folder of the model")
    parser.add_argument("--cache", type=Path, help="folder in which to keep what was rendered between runs")
    parser.add_argument("--round", type=int, choices=(1, 2), action="append", help="only this round (default: both)")
    parser.add_argument("--people", type=int, default=PEOPLE)
    parser.add_argument("--steps", type=int, default=2600, help="of the first round")
    parser.add_argument("--refine-steps", type=int, default=700, help="of the second round, against a critic")
    parser.add_argument("--threads", type=int, default=1, help="of the training")
    parser.add_argument("--renderers", type=int, default=os.cpu_count(), help="processes that render beside it")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    options.out.mkdir(parents=True, exist_ok=True)
    for name in NETWORKS:
        shutil.copyfile(FIRST_DEMO / name, options.out / name)
    settings = CONFIG.model_dump(exclude_defaults=True) | {"model_type": "eg3d"}
    (options.out / "config.json").write_text(json.dumps(settings, indent=2) + "\n")
    perceptual = ConvPerceptual.from_state_dict(load_file(options.out / NETWORKS[0])).requires_grad_(False)

    def keep(network: Generator, step: int) -> None:
        write(network, options.out / "model.safetensors")
        print(f"generator written after {step} steps, {time.monotonic() - began:.0f} seconds", flush=True)

    studio = Studio(options.people, seed=31, cache=options.cache, processes=options.renderers)
    for number in options.round or (1, 2):
        began = time.monotonic()
        if number == 1:
            train_generator(studio, perceptual, options.steps, 1, keep)
        else:
            torch.manual_seed(4)
            again = {"start": load_generator(options.out), "contest": Contest(), "lr": LR / 3}
            train_generator(studio, perceptual, options.refine_steps, 2, keep, **again)
        print(f"round {number}: {time.monotonic() - began:.0f} seconds", flush=True)
    studio.close()


if __name__ == "__main__":
    main()
