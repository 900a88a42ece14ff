"""Measure the 3D demo model: faces found, pictures and depths beside renderings.

`python -m examples.synthetic_heads.measure examples/models/synthetic-heads` prints every figure of the READMEs but how
well its recognisers know people, which `examples.synthetic_recognisers.measure` does.
"""

import json
import sys
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from examples.synthetic_faces.measure import HELD_OUT_SEED, detection_rate
from examples.synthetic_faces.portraits import as_bytes, as_floats, codes
from hub_adapters.eg3d.config import EG3DConfig
from hub_adapters.eg3d.network import Generator

from .people_in_3d import MAX_YAW, Z_DIM, cameras, views

BATCH = 16


class Seen(NamedTuple):
    """Pictures [n,3,64,64], bytes, and depths [n,r,r] along the rays."""

    images: Tensor
    depths: Tensor


def load_generator(folder: Path) -> Generator:
    """Load the generator of a model folder."""
    generator = Generator(EG3DConfig.model_validate(json.loads((folder / "config.json").read_text())))
    generator.load_state_dict(load_file(folder / "model.safetensors"))
    return generator.eval().requires_grad_(False)


@torch.no_grad()
def drawn(generator: Generator, z: Tensor, yaw: Tensor) -> Seen:
    """Draw codes z [n,z_dim] from cameras at yaws [n]."""
    images, depths = [], []
    for some, angle in zip(z.split(BATCH), yaw.split(BATCH), strict=True):
        w = generator.mapping(some, cameras(torch.zeros(len(some)), 0.0))
        drawing = generator.render(generator.synthesis(w), w, cameras(angle), with_depth=True)
        images.append(as_bytes(drawing.image))
        depths.append(drawing.depth[:, 0])
    return Seen(torch.cat(images), torch.cat(depths))


def rendered(z: Tensor, yaw: Tensor, side: int = 32) -> Seen:
    """Render the same numbers from the same cameras."""
    pictures, depths = views(z, cameras(yaw))
    return Seen(as_bytes(pictures), adaptive_avg_pool2d(depths, side))


def all_around(n: int, count: int) -> Tensor:
    """Give `count` yaws from -15° to 15° for each of n codes [n * count]."""
    return torch.linspace(-MAX_YAW, MAX_YAW, count).repeat(n)


def random_samples(generator: Generator, n: int, count: int, seed: int = 0) -> Tensor:
    """Draw n random samples from `count` sides each, as byte pictures [n * count,3,64,64], z standard normal."""
    z = torch.randn(n, Z_DIM, generator=torch.Generator().manual_seed(seed))
    return drawn(generator, z.repeat_interleave(count, 0), all_around(n, count)).images


def held_out(people: int, count: int, seed: int = HELD_OUT_SEED) -> tuple[Tensor, Tensor, Tensor]:
    """Give z, yaws and person numbers of people whom nothing was trained on.

    Each person is seen from `count` sides, and every picture has its own light, expression, backdrop and clothes.
    """
    z = codes(people, count, torch.Generator().manual_seed(seed), Z_DIM).flatten(0, 1)
    return z, all_around(people, count), torch.arange(people).repeat_interleave(count)


def turning_alike(generator: Generator, z: Tensor) -> float:
    """Correlate what changes from one side (-15°) to the other (15°) in drawn pictures with the same in rendered ones.

    1 is a solid head that turns as the renderer's does, 0 a flat one.
    """
    changes = []
    for source in (lambda yaw: drawn(generator, z, yaw), lambda yaw: rendered(z, yaw)):
        left, right = (as_floats(source(torch.full((len(z),), yaw)).images) for yaw in (-MAX_YAW, MAX_YAW))
        changes.append((right - left).flatten())
    return torch.corrcoef(torch.stack(changes))[0, 1].item()


def main(folder: Path, people: int = 200, count: int = 5) -> None:
    """Print all figures."""
    generator = load_generator(folder)
    rate = detection_rate(random_samples(generator, people, 3))
    print(f"MTCNN finds exactly one face (probability >= 0.9) in {rate:.1%} of {people} random samples from 3 sides")
    z, yaw, _ = held_out(people, count)
    ours, theirs = drawn(generator, z, yaw), rendered(z, yaw)
    error = (as_floats(ours.images) - as_floats(theirs.images)).abs().mean()
    depth = (ours.depths - theirs.depths).abs().mean() / theirs.depths.std()
    print(f"{people} held-out people from {count} sides: mean absolute error {error:.4f} of a range of 2;", end=" ")
    print(f"of depth {depth:.3f} of its standard deviation;", end=" ")
    print(f"turning correlates {turning_alike(generator, z[::count][:50]):.3f} with a rendering's")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
