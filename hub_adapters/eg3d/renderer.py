"""The volume renderer: rays through tri-planes to a picture of 32 channels, a chunk of rays at a time.

Source: Chan et al., "Efficient Geometry-aware 3D Generative Adversarial Networks", CVPR 2022, section 3.3; the
quadrature takes densities and colours at the middle of two neighbouring samples, as Mip-NeRF does.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from hub_adapters.eg3d.cameras import Rays
from hub_adapters.eg3d.config import Rendering
from hub_adapters.eg3d.depths import MIDDLE, box_limits, importance_depths, stratified_depths
from hub_adapters.eg3d.field import COLOUR_SCALE, COLOUR_SHIFT, Decoder, sample_planes

CHUNK_POINTS = {"cpu": 96 * 1024}
"""How many points one chunk of rays holds at most; elsewhere than on a CPU a picture of 128² rays is one chunk."""


class Draws(NamedTuple):
    """All that is random in one picture of M rays: `jitter` [n, M, S] of coarse depths, `u` [n, M, N] of fine ones."""

    jitter: Tensor
    u: Tensor


class Rendered(NamedTuple):
    """What rays saw: `features` [n, 32, M] in [-1, 1] of which the first three are RGB; `depth` [n, M] if asked."""

    features: Tensor
    depth: Tensor | None


class _Chunk(NamedTuple):
    """What m rays of one camera are rendered from; depths [m, S], and a projected origin [6] and directions [m, 6]."""

    origin: Tensor
    directions: Tensor
    coarse: Tensor
    u: Tensor


def draw(n: int, rays: int, options: Rendering, rng: torch.Generator) -> Draws:
    """Draw jitter and importance samples for `n` pictures with a generator, on its device."""
    return Draws(
        torch.rand(n, rays, options.depth_resolution, generator=rng, device=rng.device),
        torch.rand(n, rays, options.depth_resolution_importance, generator=rng, device=rng.device),
    )


def render(
    planes: Tensor,
    decoder: Decoder,
    rays: Rays,
    projections: Tensor,
    options: Rendering,
    draws: Draws | None = None,
    chunk_rays: int | None = None,
    checkpointing: bool = False,
    with_depth: bool = False,
) -> Rendered:
    """Render rays [n, M] through tri-planes [n, 3, 32, H, W].

    Args:
        projections: from points to places on the planes [3, 6].
        draws: random numbers; None renders without any: coarse samples in the middle of their steps, fine ones at
            evenly spaced quantiles.
        chunk_rays: how many rays of a picture to render at once; changes memory and speed alone.
        checkpointing: compute chunks anew in the backward pass, so that only one is ever held in memory.
        with_depth: composite depths too.
    """
    samples, fine = options.depth_resolution, options.depth_resolution_importance
    device, count = planes.device, rays.directions.shape[1]
    chunk_rays = chunk_rays or max(1, CHUNK_POINTS.get(device.type, count * samples) // samples)
    limits: list[float | Tensor] = [options.ray_start, options.ray_end]  # type: ignore[list-item]
    if options.ray_start == "auto":
        limits = list(box_limits(rays, options.box_warp))
    pictures: list[Tensor] = []
    depths: list[Tensor] = []
    bounds: list[Tensor] = []
    for i, own in enumerate(planes):
        own = own.contiguous(memory_format=torch.channels_last)
        origin = rays.origins[i] @ projections
        for start in range(0, count, chunk_rays):
            some = slice(start, start + chunk_rays)
            directions = rays.directions[i, some]
            jitter = MIDDLE if draws is None else draws.jitter[i, some]
            first, last = (x[i, some] if isinstance(x, Tensor) else x for x in limits)
            coarse = stratified_depths(first, last, samples, jitter, options.disparity_space_sampling)
            chunk = _Chunk(
                origin,
                directions @ projections,
                coarse.to(device).expand(len(directions), samples),
                torch.linspace(0, 1, fine, device=device) if draws is None else draws.u[i, some],
            )
            if checkpointing and torch.is_grad_enabled():
                seen = checkpoint(
                    _render_chunk,
                    own,
                    decoder,
                    chunk,
                    options,
                    with_depth,
                    use_reentrant=False,
                    preserve_rng_state=False,
                )
            else:
                seen = _render_chunk(own, decoder, chunk, options, with_depth)
            pictures.append(seen[0])
            if with_depth:
                depths.append(seen[1])
                bounds.append(seen[2])
    features = torch.cat(pictures).view(len(planes), count, -1).transpose(1, 2)
    if not with_depth:
        return Rendered(features, None)
    least, greatest = torch.stack(bounds).unbind(dim=1)
    # Rays that meet nothing have no depth; they get the greatest.
    depth = torch.cat(depths).clamp(least.min(), greatest.max())
    return Rendered(features, depth.view(len(planes), count))


def span_weights(densities: Tensor, depths: Tensor) -> Tensor:
    """Return how much each span between neighbouring samples [m, K] contributes to its ray [m, K - 1]."""
    middle = F.softplus((densities[:, :-1] + densities[:, 1:]) / 2 - 1)
    optical = middle * (depths[:, 1:] - depths[:, :-1])
    before = optical.cumsum(dim=1) - optical
    return torch.exp(-before) * (1 - torch.exp(-optical))


def _look(planes: Tensor, decoder: Decoder, chunk: _Chunk, depths: Tensor) -> tuple[Tensor, Tensor]:
    """Return densities [m, S] and sigmoids [m, S, 33] (the first has no meaning) at depths [m, S] along the rays."""
    places = torch.addcmul(chunk.origin, depths[..., None], chunk.directions[:, None])
    raw = decoder(sample_planes(planes, places.flatten(0, 1)))
    return raw[:, 0].view(depths.shape), torch.sigmoid(raw).view(*depths.shape, -1)


def _render_chunk(
    planes: Tensor, decoder: Decoder, chunk: _Chunk, options: Rendering, with_depth: bool
) -> tuple[Tensor, ...]:
    """Composite one chunk: features [m, 32]; also depths [m] and the least and greatest depth sampled [2], if asked.

    Colours stay where they were computed: it is their coefficients, one number per sample, that go from the order of
    depth into the order of sampling.
    """
    depths = chunk.coarse
    densities, seen = _look(planes, decoder, chunk, depths)
    colours, counts = [seen], [depths.shape[1]]
    order = None
    if options.depth_resolution_importance:
        with torch.no_grad():
            fine = importance_depths(depths, span_weights(densities, depths), chunk.u)
            depths, order = torch.cat([depths, fine], dim=1).sort(dim=1)
        fine_densities, seen = _look(planes, decoder, chunk, fine)
        densities = torch.cat([densities, fine_densities], dim=1).gather(1, order)
        colours.append(seen)
        counts.append(fine.shape[1])
    weights = span_weights(densities, depths)
    total = weights.sum(dim=1, keepdim=True)
    coefficients = (F.pad(weights, (1, 0)) + F.pad(weights, (0, 1))) / 2
    if order is not None:
        coefficients = torch.zeros_like(coefficients).scatter(1, order, coefficients)
    parts = zip(coefficients.split(counts, dim=1), colours, strict=True)
    composite = sum(torch.bmm(part[:, None], seen)[:, 0, 1:] for part, seen in parts)
    features = composite * COLOUR_SCALE + COLOUR_SHIFT * total
    if options.white_back:
        features = features + 1 - total
    features = features * 2 - 1
    if not with_depth:
        return (features,)
    middle = (depths[:, :-1] + depths[:, 1:]) / 2
    opacity = total[:, 0]
    met = opacity > 0
    # Divided only where there is something: the slope of 0/0 would spoil every gradient.
    depth = ((weights * middle).sum(dim=1) / opacity.where(met, 1.0)).where(met, torch.inf)
    return features, depth, torch.stack([depths[:, 0].min(), depths[:, -1].max()])
