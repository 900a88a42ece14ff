"""Train the perceptual network: it learns to read the renderer's numbers off a picture."""

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, max_pool2d, mse_loss, relu

from guide_plugin.vision.perceptual import ConvPerceptual, feature_distance

from .augmentation import disturbed
from .portraits import Z_DIM, Portraits

WIDTHS = [24, 48, 72, 104]
STRANGERS_APART = 0.5  # mean distance between two random people, after scaling


def train_perceptual(portraits: Portraits, steps: int, seed: int, batch: int = 48) -> ConvPerceptual:
    """Train on random batches; then weigh the layers so that each contributes alike to the distance of strangers."""
    torch.manual_seed(seed)
    rng = torch.Generator().manual_seed(seed)
    network = ConvPerceptual(WIDTHS)
    some = portraits.pictures(torch.randperm(len(portraits.z), generator=rng)[:1000])
    network.shift.copy_(some.mean((0, 2, 3), keepdim=True))
    network.scale.copy_(some.std((0, 2, 3), keepdim=True))
    reader = nn.Linear(WIDTHS[-1] * 16, Z_DIM)
    optimiser = torch.optim.AdamW([*network.convs.parameters(), *reader.parameters()], lr=2e-3, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 4e-3, total_steps=steps)
    for step in range(steps):
        index = torch.randint(len(portraits.z), (batch,), generator=rng)
        pictures = disturbed(portraits.pictures(index), rng, flip=False)
        loss = mse_loss(reader(_pooled(network, pictures)), portraits.z[index])
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        schedule.step()
        if step % 100 == 0 or step == steps - 1:
            print(f"perceptual {step}/{steps}: unexplained variance {loss.item():.3f}", flush=True)
    network.requires_grad_(False).eval()
    _weigh(network, some)
    return network


def _pooled(network: ConvPerceptual, pictures: Tensor) -> Tensor:
    x = (pictures - network.shift) / network.scale
    for i, conv in enumerate(network.convs):
        x = relu(conv(max_pool2d(x, 2) if i else x))
    return adaptive_avg_pool2d(x, 4).flatten(1)


def _weigh(network: ConvPerceptual, pictures: Tensor) -> None:
    a, b = (network.features(half) for half in pictures[:512].chunk(2))
    for lin, x, y in zip(network.lins, a, b, strict=True):
        lin.fill_(STRANGERS_APART / len(network.lins) / feature_distance([x], [y]).mean().item())
