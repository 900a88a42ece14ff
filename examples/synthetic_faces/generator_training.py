"""Train the StyleGAN2 generator to draw what the renderer renders: supervised, code by code."""

import copy
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from guide_plugin.vision.perceptual import ConvPerceptual, feature_distance
from hub_adapters.stylegan2.network import Generator, normalize_second_moment

from .critic import Contest
from .fitting import asymmetry, face_weight, follow, pixel_loss, set_rate, start_alike, start_almost_linear
from .portraits import Z_DIM, Portraits, rendered

CONFIG = {
    "z_dim": Z_DIM,
    "c_dim": 0,
    "w_dim": 128,
    "img_resolution": 64,
    "img_channels": 3,
    "mapping_layers": 2,
    "mapping_lr_multiplier": 0.3,
    "channel_base": 1536,
    "channel_max": 128,
    "architecture": "skip",
}
LR = 1.5e-2
SEEN = 6  # pictures of a batch that the perceptual network looks at: it costs about as much as the generator
REACH = 1.15
URGE = 0.04


def inner_portraits(n: int, seed: int, cache: Path | None = None) -> tuple[Tensor, Tensor, Tensor]:
    """Render people between the average face and the sphere of codes, and a little beyond it.

    Gives z [n, Z_DIM] of unit mean square, share [n] in 0..REACH and pictures (bytes) of the numbers share * z.
    """
    rng = torch.Generator().manual_seed(seed)
    z = torch.randn(n, Z_DIM, generator=rng)
    z = z / z.square().mean(-1, keepdim=True).sqrt()
    share = REACH * torch.rand(n, generator=rng)
    return z, share, rendered(share.unsqueeze(-1) * z, cache)


def train_generator(
    portraits: Portraits,
    inner: tuple[Tensor, Tensor, Tensor],
    perceptual: ConvPerceptual,
    steps: int,
    seed: int,
    keep: Callable[[Generator, int], None],
    *,
    start: Generator | None = None,
    lr: float = LR,
    contest: Contest | None = None,
    batch: int = 16,
    batch_inner: int = 4,
) -> Generator:
    """Train for a number of steps, from `start` or anew; `keep` is offered the averaged generator now and then.

    The map from z to w is held close to point-symmetric about `w_avg`, and codes between `w_avg` and a person's
    code draw what the renderer makes of equally shrunk numbers. So straight lines in W stay faces: the
    code opposite to a person's is a person, and the mean code is the average face. In a second round a `contest` with a
    critic makes the pictures crisp.
    """
    torch.manual_seed(seed)
    rng = torch.Generator().manual_seed(seed)
    generator = (start or new_generator()).requires_grad_(True)
    average = copy.deepcopy(generator).requires_grad_(False)
    learned = [p for name, p in generator.named_parameters() if not name.endswith("noise_strength")]
    optimiser = torch.optim.Adam(learned, lr=lr, betas=(0.9, 0.99))
    weight = face_weight(CONFIG["img_resolution"])
    inner_z, share, inner_images = inner
    for step in range(steps):
        set_rate(optimiser, lr, step / steps)
        index = torch.randint(len(portraits.z), (batch,), generator=rng)
        other = torch.randint(len(inner_z), (batch_inner,), generator=rng)
        z = torch.cat([portraits.z[index], inner_z[other]])
        wanted = torch.cat([portraits.images[index], inner_images[other]]).float() / 127.5 - 1
        w = generator.mapping(z)
        centre = generator.mapping.w_avg
        centre.lerp_(w.detach()[:, 0].mean(0), 0.02)
        symmetry = asymmetry(w[:, 0], generator.mapping(-z)[:, 0])
        stretch = torch.cat([torch.ones(batch), share[other]]).view(-1, 1, 1)
        drawn = generator.synthesis(centre + stretch * (w - centre), "none").image
        pixels = pixel_loss(drawn, wanted, weight)
        part = slice(batch - SEEN, batch)
        seen = feature_distance(perceptual.features(drawn[part]), perceptual.features(wanted[part])).mean()
        loss = pixels + 0.6 * seen + 0.3 * symmetry
        if contest:
            critic = contest.learn(drawn, wanted)
            loss = loss + URGE * min(1.0, step / 100) * contest.urge(drawn)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        follow(average, generator, step)
        if step % 50 == 0 or step == steps - 1:
            terms = f"pixels {pixels.item():.4f}, perceptual {seen.item():.4f}, symmetry {symmetry.item():.5f}"
            terms += f", critic {critic:.3f}" if contest else ""
            print(f"generator {step}/{steps}: {terms}", flush=True)
        if step % 100 == 99 or step == steps - 1:
            set_mean_code(average)
            keep(average, step + 1)
    return average.eval()


@torch.no_grad()
def new_generator() -> Generator:
    """Build a generator whose mapping starts almost linear, and whose codes start alike."""
    generator = Generator(**CONFIG)
    start_almost_linear(generator.mapping, normalize_second_moment(torch.randn(4000, Z_DIM)))
    start_alike(generator.synthesis)
    return generator


@torch.no_grad()
def set_mean_code(generator: Generator, n: int = 20_000) -> None:
    """Set w_avg to the mean of n random codes."""
    z = torch.randn(n, Z_DIM, generator=torch.Generator().manual_seed(0))
    generator.mapping.w_avg.copy_(generator.mapping(z)[:, 0].mean(0))
