"""A model of random weights, small enough to test with: `python -m your_name.tiny_model FOLDER`."""

from __future__ import annotations

import sys
from pathlib import Path

import torch

from your_name.adapter import Config, YourNameAdapter
from your_name.network import Generator


def write_tiny_model(folder: Path) -> Path:
    """Write it into a new folder, and return that."""
    torch.manual_seed(0)
    config = Config(code_size=8, widths=[16, 8])
    generator = Generator(config.code_size, config.widths)
    with torch.no_grad():
        for _ in range(50):  # batch normalisation learns here what it sees, as it would in training
            generator(torch.randn(64, config.code_size))
    folder.mkdir()
    YourNameAdapter(generator.eval(), config, torch.device("cpu")).save(folder)
    return folder


if __name__ == "__main__":
    print(write_tiny_model(Path(sys.argv[1])))
