"""Rebuild the demo model from nothing: render people, train the networks, write the model folder.

One command: `python -m examples.synthetic_faces.train --out examples/models/synthetic-faces`.
"""

import argparse
import json
import os
import time
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from guide_plugin.vision.perceptual import ConvPerceptual
from hub_adapters.stylegan2.network import Generator

from .critic import Contest
from .generator_training import CONFIG, LR, inner_portraits, train_generator
from .measure import load_generator
from .perceptual_training import train_perceptual
from .portraits import Portraits, portraits

PEOPLE, SCENES, INNER = 4400, 5, 1500


def perceptual(everybody: Portraits, options: argparse.Namespace) -> None:
    """Train and write the perceptual network."""
    network = train_perceptual(everybody, options.perceptual_steps, seed=3)
    write(network, options.out / "perceptual.safetensors")


def generator(everybody: Portraits, options: argparse.Namespace) -> None:
    """Train the generator, writing it every few hundred steps."""
    (options.out / "config.json").write_text(json.dumps({"model_type": "stylegan2", **CONFIG}, indent=2) + "\n")
    _draw_better(everybody, options, steps=options.generator_steps, seed=1)


def refine(everybody: Portraits, options: argparse.Namespace) -> None:
    """Train the generator on against a critic, from a third of the first round's learning rate."""
    torch.manual_seed(4)
    again = {"start": load_generator(options.out), "contest": Contest(), "lr": LR / 3}
    _draw_better(everybody, options, steps=options.refine_steps, seed=2, **again)


def _draw_better(everybody: Portraits, options: argparse.Namespace, **settings: Any) -> None:
    frozen = ConvPerceptual.from_state_dict(load_file(options.out / "perceptual.safetensors")).requires_grad_(False)

    def keep(network: Generator, step: int) -> None:
        write(network, options.out / "model.safetensors")
        print(f"generator written after {step} steps", flush=True)

    inner = inner_portraits(INNER, seed=5, cache=options.cache)
    train_generator(everybody, inner, frozen, keep=keep, **settings)


STAGES = {stage.__name__: stage for stage in (perceptual, generator, refine)}


def main() -> None:
    """Run the stages in order; each leaves its files in the folder, and a later one reads them from there."""
    parser = argparse.ArgumentParser(description="Rebuild the synthetic faces demo model.")
    parser.add_argument("--out", type=Path, required=True, help="folder of the model")
    parser.add_argument("--cache", type=Path, help="folder in which to keep the rendered portraits between runs")
    parser.add_argument("--stage", choices=list(STAGES), action="append", help="run only this stage (default: all)")
    parser.add_argument("--perceptual-steps", type=int, default=1000)
    parser.add_argument("--generator-steps", type=int, default=3000)
    parser.add_argument("--refine-steps", type=int, default=700)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    options.out.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    everybody = portraits(PEOPLE, SCENES, seed=7, cache=options.cache)
    print(f"portraits: {time.monotonic() - began:.0f} seconds", flush=True)
    for stage in options.stage or STAGES:
        began = time.monotonic()
        STAGES[stage](everybody, options)
        print(f"stage {stage}: {time.monotonic() - began:.0f} seconds", flush=True)


def write(network: nn.Module, file: Path) -> None:
    """Write a state dict so that a reader sees either the old file or the whole new one."""
    state = {name: tensor.detach().contiguous() for name, tensor in network.state_dict().items()}
    part = file.with_suffix(".part")
    save_file(state, part)
    part.chmod(0o644)
    part.replace(file)


if __name__ == "__main__":
    main()
