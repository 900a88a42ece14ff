"""Draw pictures of one made-up person whom the demo model never saw, each in another scene.

`python -m examples.synthetic_faces.person FOLDER` writes five of them as PNG files.
"""

import argparse
from pathlib import Path

import torch
from PIL import Image

from .portraits import as_bytes, codes, draw


def main() -> None:
    """Write the pictures into a new folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pictures", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1000, help="which person")
    options = parser.parse_args()
    numbers = codes(1, options.pictures, torch.Generator().manual_seed(options.seed))[0]
    options.folder.mkdir(parents=True)
    for i, picture in enumerate(as_bytes(draw(numbers)).permute(0, 2, 3, 1).numpy()):
        Image.fromarray(picture).save(options.folder / f"{i}.png")


if __name__ == "__main__":
    main()
