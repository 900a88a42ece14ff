"""Measure the demo model: does a face detector find its faces?

`python -m examples.synthetic_faces.measure examples/models/synthetic-faces` prints it; what its recognisers know is
measured by `examples.synthetic_recognisers.measure`.
"""

import json
import sys
from pathlib import Path

import torch
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor

from guide_plugin.vision.recognition import FaceNetwork
from guide_plugin.vision.torchvision_on_cpu import make_torchvision_importable
from hub_adapters.stylegan2.network import Generator

from .portraits import as_bytes, codes

HELD_OUT_SEED = 99


def load_generator(folder: Path) -> Generator:
    """Load the generator of a model folder."""
    config = json.loads((folder / "config.json").read_text())
    generator = Generator(**{key: value for key, value in config.items() if key not in ("model_type", "alignment")})
    generator.load_state_dict(load_file(folder / "model.safetensors"))
    return generator.eval().requires_grad_(False)


def load_recogniser(folder: Path, name: str) -> FaceNetwork:
    """Load `recogniser-train` or `recogniser-judge` of a model folder."""
    return FaceNetwork.from_state_dict(load_file(folder / f"{name}.safetensors")).eval().requires_grad_(False)


@torch.no_grad()
def drawn(generator: Generator, z: Tensor) -> Tensor:
    """Draw codes z [n, z_dim] as byte pictures [n,3,H,W]."""
    parts = [as_bytes(generator.synthesis(generator.mapping(part)).image) for part in z.split(32)]
    return torch.cat(parts)


def random_samples(generator: Generator, n: int, seed: int = 0) -> Tensor:
    """Draw n random samples as byte pictures, z standard normal."""
    return drawn(generator, torch.randn(n, generator.mapping.z_dim, generator=torch.Generator().manual_seed(seed)))


def detection_rate(images: Tensor, upsample: int = 3, least: float = 0.9) -> float:
    """Give the share of byte pictures [n,3,H,W] in which MTCNN finds exactly one face, with probability >= least."""
    make_torchvision_importable()
    from facenet_pytorch import MTCNN

    detector = MTCNN(keep_all=True)
    found = 0
    for picture in images.permute(0, 2, 3, 1).numpy():
        image = Image.fromarray(picture)
        image = image.resize((image.width * upsample, image.height * upsample), Image.Resampling.BICUBIC)
        boxes, probabilities = detector.detect(image)
        found += boxes is not None and len(boxes) == 1 and probabilities[0] >= least
    return found / len(images)


def held_out(people: int, scenes: int = 6, seed: int = HELD_OUT_SEED) -> tuple[Tensor, Tensor]:
    """Give codes z [people * scenes, Z_DIM] and person numbers of people whom no network was trained on."""
    z = codes(people, scenes, torch.Generator().manual_seed(seed)).flatten(0, 1)
    return z, torch.arange(people).repeat_interleave(scenes)


def main(folder: Path, samples: int = 200) -> None:
    """Print the detection rate of random samples."""
    rate = detection_rate(random_samples(load_generator(folder), samples))
    print(f"MTCNN finds exactly one face (probability >= 0.9) in {rate:.1%} of {samples} random samples")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
