"""Train an EG3D to draw what the renderer renders: supervised, code by code, each from several cameras, depths too."""

import copy
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, l1_loss

from examples.synthetic_faces.critic import Contest
from examples.synthetic_faces.fitting import (
    asymmetry,
    face_weight,
    follow,
    pixel_loss,
    set_rate,
    start_alike,
    start_almost_linear,
)
from guide_plugin.vision.perceptual import ConvPerceptual, feature_distance
from hub_adapters.eg3d.config import EG3DConfig
from hub_adapters.eg3d.network import Drawing, Generator
from hub_adapters.stylegan2.network import normalize_second_moment

from .people_in_3d import RADIUS, Z_DIM, cameras
from .studio import VIEWS, Shoot, Studio
from .surface import Surface, draw_surface

CONFIG = EG3DConfig.model_validate(
    {
        "model_type": "eg3d",
        "z_dim": Z_DIM,
        "w_dim": 128,
        "img_resolution": 64,
        "mapping_lr_multiplier": 0.3,
        "channel_base": 2048,
        "channel_max": 112,
        "architecture": "orig",
        "superresolution": "small2x",
        "c_gen_conditioning_zero": True,
        "neural_rendering_resolution": 32,
        "plane_resolution": 64,
        "rendering": {
            "depth_resolution": 8,
            "depth_resolution_importance": 8,
            "ray_start": 2.45,
            "ray_end": 3.15,
            "box_warp": 0.9,
            "avg_camera_radius": RADIUS,
            "avg_camera_pivot": (0.0, 0.0, 0.0),
        },
    }
)
LR = 1.2e-2
BATCH = 6  # codes, each from VIEWS cameras
SEEN = 4  # pictures of a batch that the perceptual network looks at
SURFACE_STEPS = 0.78
"""The share of the first round in which rays are not marched: what they show is looked up at the known depth."""

URGE = 0.04
FIRST_SHARDS = 4
NOT_LEARNED = ("noise_strength", "embed.weight", "embed.bias")


def train_generator(
    studio: Studio,
    perceptual: ConvPerceptual,
    steps: int,
    seed: int,
    keep: Callable[[Generator, int], None],
    *,
    start: Generator | None = None,
    lr: float = LR,
    contest: Contest | None = None,
) -> Generator:
    """Train for a number of steps, from `start` or anew; `keep` is offered the averaged generator now and then.

    What the studio renders is used in a fixed order of steps, however fast it comes. As in the first demo, the map from
    z to w is held close to point-symmetric about `w_avg`, and codes between it and a person's draw equally shrunk
    numbers: straight lines in W stay faces. In a second round a `contest` with a critic makes the pictures crisp.
    """
    torch.manual_seed(seed)
    rng = torch.Generator().manual_seed(seed)
    generator = (start or new_generator()).requires_grad_(True)
    average = copy.deepcopy(generator).requires_grad_(False)
    learned = [p for name, p in generator.named_parameters() if _is_learned(name)]
    optimiser = torch.optim.Adam(learned, lr=lr, betas=(0.9, 0.99))
    weight = face_weight(CONFIG.img_resolution)
    shards: list[Shoot] = []
    for step in range(steps):
        set_rate(optimiser, lr, step / steps)
        ready = len(studio.shards) if start else FIRST_SHARDS + int(len(studio.shards) * step / (0.9 * steps))
        shards += [studio.shard(i) for i in range(len(shards), min(ready, len(studio.shards)))]
        shoot = _some(shards, rng)
        w, symmetry = _codes(generator, shoot)
        wanted = shoot.images.flatten(0, 1).float() / 127.5 - 1
        marches = start is not None or step >= SURFACE_STEPS * steps
        drawn, shape = (_marched if marches else _looked_up)(generator, w, shoot)
        pixels = pixel_loss(drawn.image, wanted, weight)
        rays = l1_loss(drawn.raw, avg_pool2d(wanted, 2))
        seen = perceptual.features(drawn.image[:SEEN]), perceptual.features(wanted[:SEEN])
        look = feature_distance(*seen).mean()
        loss = pixels + 0.6 * look + 0.3 * symmetry + 0.4 * rays + shape
        if contest:
            critic = contest.learn(drawn.image, wanted)
            loss = loss + URGE * min(1.0, step / 100) * contest.urge(drawn.image)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        follow(average, generator, step)
        if step % 50 == 0 or step == steps - 1:
            terms = f"pixels {pixels.item():.4f}, perceptual {look.item():.4f}, rays {rays.item():.4f}"
            terms += f", shape {shape.item():.4f}, symmetry {symmetry.item():.5f}"
            terms += f", critic {critic:.3f}" if contest else ""
            print(f"generator {step}/{steps}: {terms}", flush=True)
        if step % 100 == 99 or step == steps - 1:
            set_mean_code(average)
            keep(average, step + 1)
    return average.eval()


@torch.no_grad()
def new_generator() -> Generator:
    """Build a generator that starts from one translucent block for everybody.

    The super-resolution's styles are 1 and stay so: all that tells people apart passes through the planes.
    """
    generator = Generator(CONFIG)
    z = normalize_second_moment(torch.randn(4000, Z_DIM))
    mapping = generator.backbone.mapping
    start_almost_linear(mapping, torch.cat([z, torch.zeros(len(z), mapping.embed.weight.shape[0])], dim=1))
    start_alike(generator.backbone.synthesis)
    for name, parameter in generator.superresolution.named_parameters():
        if name.endswith("affine.weight"):
            parameter.zero_()
    last = generator.decoder.net[2]
    last.weight[0] *= 4
    last.bias[0] = 3
    return generator


@torch.no_grad()
def set_mean_code(generator: Generator, n: int = 20_000) -> None:
    """Set w_avg to the mean of n random codes."""
    mapping = generator.backbone.mapping
    z = torch.randn(n, Z_DIM, generator=torch.Generator().manual_seed(0))
    mapping.w_avg.copy_(mapping(z, torch.zeros(n, 25))[:, 0].mean(0))


def _is_learned(name: str) -> bool:
    frozen_style = name.startswith("superresolution") and name.endswith("affine.weight")
    return not name.endswith(NOT_LEARNED) and not frozen_style


def _some(shards: list[Shoot], rng: torch.Generator) -> Shoot:
    """Pick codes from shards of equal size."""
    shard = torch.randint(len(shards), (BATCH,), generator=rng).tolist()
    row = torch.rand(BATCH, generator=rng).tolist()
    picked = [shards[i].chosen(torch.tensor([int(r * len(shards[i].z))])) for i, r in zip(shard, row, strict=True)]
    return Shoot(*(torch.cat(parts) for parts in zip(*picked, strict=True)))


def _codes(generator: Generator, shoot: Shoot) -> tuple[Tensor, Tensor]:
    """Map to codes [n,num_ws,w_dim], shrunk to each one's share; also the loss of symmetry."""
    mapping = generator.backbone.mapping
    front = cameras(torch.zeros(len(shoot.z)), 0.0)
    w, opposite = generator.mapping(shoot.z, front), generator.mapping(-shoot.z, front)
    centre = mapping.w_avg
    centre.lerp_(w.detach()[:, 0].mean(0), 0.02)
    return centre + shoot.share.view(-1, 1, 1) * (w - centre), asymmetry(w[:, 0], opposite[:, 0])


def _planes(generator: Generator, w: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Make every code's planes once; give planes, codes and labels of each of its cameras."""
    planes = generator.synthesis(w, "none").repeat_interleave(VIEWS, dim=0)
    return planes, w.repeat_interleave(VIEWS, dim=0), labels.flatten(0, 1)


def _looked_up(generator: Generator, w: Tensor, shoot: Shoot) -> tuple[Surface, Tensor]:
    """Draw every code from all its cameras at known depths; also the loss of density."""
    drawn = draw_surface(generator, *_planes(generator, w, shoot.labels), shoot.depths.flatten(0, 1).float())
    return drawn, 0.5 * drawn.misplaced


def _marched(generator: Generator, w: Tensor, shoot: Shoot) -> tuple[Drawing, Tensor]:
    """Draw every code from all its cameras as EG3D does; also the loss of depth."""
    drawn = generator.render(*_planes(generator, w, shoot.labels), with_depth=True)
    return drawn, 5 * l1_loss(drawn.depth[:, 0], shoot.depths.flatten(0, 1).float())
