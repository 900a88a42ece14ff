"""Lay random samples out on one sheet, each from several sides.

`python -m examples.synthetic_heads.contact_sheet MODEL samples.png`; with `--beside` rows alternate between what the
model draws and what the renderer renders of the same numbers.
"""

import argparse
from pathlib import Path

import torch
from torch import Tensor

from examples.synthetic_faces.contact_sheet import sheet
from hub_adapters.eg3d.network import Generator

from .measure import all_around, drawn, load_generator, random_samples, rendered
from .people_in_3d import Z_DIM


def beside(generator: Generator, n: int, count: int, seed: int, columns: int) -> Tensor:
    """Draw and render n random codes from `count` sides: a row of drawn ones, then the row of their renderings."""
    z = torch.randn(n, Z_DIM, generator=torch.Generator().manual_seed(seed))
    z = (z / z.square().mean(-1, keepdim=True).sqrt()).repeat_interleave(count, 0)
    pair = (source.images.unflatten(0, (-1, columns)) for source in _both(generator, z, all_around(n, count)))
    return torch.stack(list(pair), dim=1).flatten(0, 2)


def _both(generator: Generator, z: Tensor, yaw: Tensor) -> tuple:
    return drawn(generator, z, yaw), rendered(z, yaw)


def main() -> None:
    """Write the sheet."""
    parser = argparse.ArgumentParser(description="Draw a contact sheet of a model's heads.")
    parser.add_argument("model", type=Path)
    parser.add_argument("file", type=Path)
    parser.add_argument("--beside", action="store_true", help="rows of renderings under the rows of drawn pictures")
    parser.add_argument("--sides", type=int, default=5)
    parser.add_argument("--columns", type=int, default=2, help="people beside each other")
    parser.add_argument("--rows", type=int, default=6)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    generator = load_generator(options.model)
    n, columns = options.columns * options.rows, options.columns * options.sides
    if options.beside:
        images = beside(generator, n, options.sides, options.seed, columns)
    else:
        images = random_samples(generator, n, options.sides, options.seed)
    sheet(images, columns).save(options.file, optimize=True)


if __name__ == "__main__":
    main()
