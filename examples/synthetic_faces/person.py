"""Draw pictures of one made-up person whom the demo model never saw, each in another scene.

`python -m examples.synthetic_faces.person FOLDER` writes five of them as PNG files.
"""

import argparse
from pathlib import Path

import torch
from PIL import Image

from .portraits import as_bytes, codes, draw


def write_pictures(folder: Path, seed: int, pictures: int) -> None:
    """Write pictures of the person of a seed into a new folder: 0.png, 1.png, …."""
    numbers = codes(1, pictures, torch.Generator().manual_seed(seed))[0]
    folder.mkdir(parents=True)
    for i, picture in enumerate(as_bytes(draw(numbers)).permute(0, 2, 3, 1).numpy()):
        Image.fromarray(picture).save(folder / f"{i}.png")


def main() -> None:
    """Write the pictures into a new folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pictures", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1000, help="which person")
    options = parser.parse_args()
    write_pictures(options.folder, options.seed, options.pictures)


if __name__ == "__main__":
    main()
