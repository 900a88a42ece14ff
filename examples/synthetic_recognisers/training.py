"""Train a recogniser: pictures of one person together, everybody else apart."""

from __future__ import annotations

import time

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss, normalize

from examples.synthetic_faces.people import IDENTITY
from examples.synthetic_faces.portraits import as_floats
from guide_plugin.vision.recognition import FaceNetwork

from .framing import photographed
from .people import Album

MARGIN, SCALE, READING = 0.15, 16.0, 4.0


def train_recogniser(
    album: Album,
    widths: list[int],
    embedding_size: int,
    steps: int,
    seed: int,
    batch: int = 128,
    lr: float = 4e-3,
) -> FaceNetwork:
    """Train with CosFace over the persons, and beside it by reading a person's identity numbers off the embedding.

    The second task ties the embedding to what a face looks like, which carries over to people not trained on.

    Source: Wang et al., "CosFace: Large Margin Cosine Loss for Deep Face Recognition", CVPR 2018.
    """
    torch.manual_seed(seed)
    rng = torch.Generator().manual_seed(seed)
    network = FaceNetwork(widths, embedding_size).train().to(memory_format=torch.channels_last)
    classes = nn.Parameter(torch.randn(int(album.person.max()) + 1, embedding_size))
    reader = nn.Linear(embedding_size, len(IDENTITY))
    parameters = [*network.parameters(), classes, *reader.parameters()]
    optimiser = torch.optim.AdamW(parameters, lr=lr, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, lr, total_steps=steps)
    begun = time.monotonic()
    for step in range(steps):
        index = torch.randint(len(album), (batch,), generator=rng)
        pictures = photographed(as_floats(album.images[index]), rng).to(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16):
            raw = _raw(network, pictures)
        raw = raw.float()
        person = album.person[index]
        cosine = normalize(raw - raw.mean(0), dim=1) @ normalize(classes, dim=1).T
        cosine = cosine - MARGIN * nn.functional.one_hot(person, len(classes))
        apart = cross_entropy(SCALE * cosine, person)
        read = mse_loss(reader(raw), album.identity[index])
        loss = apart + READING * read
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        schedule.step()
        if step % 100 == 0 or step == steps - 1:
            progress = f"persons {apart.item():.3f}, unexplained {read.item():.3f}"
            print(f"recogniser {step}/{steps}: {progress}, {time.monotonic() - begun:.0f} seconds", flush=True)
    network = network.requires_grad_(False).eval().to(memory_format=torch.contiguous_format)
    _discriminate(network, album, rng)
    return network


def _raw(network: FaceNetwork, pictures: Tensor) -> Tensor:
    """Give embeddings before they are scaled to unit length."""
    x = network.stem(pictures)
    for stage in network.stages:
        x = stage(x)
    return network.embedding(x.flatten(1))


@torch.no_grad()
def _discriminate(network: FaceNetwork, album: Album, rng: torch.Generator) -> None:
    """Fold a linear discriminant analysis into the last layer.

    Directions count by how much persons differ along them compared with one person's pictures; strangers then
    spread evenly around zero similarity.
    """
    parts = album.images.split(256)
    raw = torch.cat([_raw(network, photographed(as_floats(part), rng)) for part in parts]).double()
    person = album.person
    count = person.bincount().unsqueeze(1)
    means = raw.new_zeros(len(count), raw.shape[1]).index_add(0, person, raw) / count
    centre = means.mean(0)
    within = (raw - means[person]).T @ (raw - means[person]) / (len(raw) - len(count))
    scale, axes = torch.linalg.eigh(within + 1e-4 * within.trace() / len(within) * torch.eye(len(within)))
    whiten = axes / scale.sqrt()
    between = torch.cov(((means - centre) @ whiten).T)
    strength, directions = torch.linalg.eigh(between)
    # Posterior weight of a direction: s/(s+1) of its unit-variance coordinate, as in probabilistic LDA.
    strength = strength.clamp(min=1e-6)
    fold = (whiten @ directions * (strength.sqrt() / (strength + 1))).float()
    layer = network.embedding
    layer.bias.copy_((layer.bias - centre.float()) @ fold)
    layer.weight.copy_(fold.T @ layer.weight)
