"""Lay pictures out on one sheet, to be looked at.

`python -m examples.synthetic_faces.contact_sheet MODEL samples.png` draws random samples;
`... MODEL opposites.png --opposites` draws pairs: a person, and the person that GUIDE moves them to.
"""

import argparse
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from hub_adapters.stylegan2.network import Generator

from .measure import load_generator, random_samples
from .portraits import as_bytes


def sheet(images: Tensor, columns: int) -> Image.Image:
    """Lay byte pictures [n,3,H,W] out row by row; n is a multiple of columns."""
    n, _, height, width = images.shape
    grid = images.view(n // columns, columns, 3, height, width).permute(0, 3, 1, 4, 2)
    return Image.fromarray(grid.reshape(n // columns * height, columns * width, 3).numpy())


@torch.no_grad()
def opposites(generator: Generator, n: int, seed: int = 0) -> Tensor:
    """Draw n random persons, each followed by its target w_avg - d * (w_u - w_avg) / |w_u - w_avg| [2n,3,H,W].

    d is the mean distance of random codes from w_avg.
    """
    z = torch.randn(max(n, 1000), generator.mapping.z_dim, generator=torch.Generator().manual_seed(seed))
    away = generator.mapping(z) - generator.mapping.w_avg
    distance = away.flatten(1).norm(dim=1).view(-1, 1, 1)
    target = -distance.mean() * away / distance
    pairs = torch.stack([away[:n], target[:n]], dim=1).flatten(0, 1) + generator.mapping.w_avg
    return as_bytes(torch.cat([generator.synthesis(part).image for part in pairs.split(32)]))


def main() -> None:
    """Write the sheet."""
    parser = argparse.ArgumentParser(description="Draw a contact sheet of a model's faces.")
    parser.add_argument("model", type=Path)
    parser.add_argument("file", type=Path)
    parser.add_argument("--opposites", action="store_true", help="persons beside the persons opposite to them")
    parser.add_argument("--columns", type=int, default=8)
    parser.add_argument("--rows", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    generator = load_generator(options.model)
    n = options.columns * options.rows
    draw = opposites if options.opposites else random_samples
    images = draw(generator, n // 2 if options.opposites else n, options.seed)
    sheet(images, options.columns).save(options.file, optimize=True)


if __name__ == "__main__":
    main()
