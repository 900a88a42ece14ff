"""EG3D against the reference vectors of the official implementation (float32, CPU, reference operators)."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from hub_adapters.eg3d.config import Effort, EG3DConfig
from hub_adapters.eg3d.network import Drawing, Generator
from hub_adapters.eg3d.renderer import CHUNK_POINTS, Draws, draw
from hub_adapters.stylegan2.layers import BINOMIAL_FILTER
from hub_adapters.stylegan2.network import Mapping
from tests.conftest import DATA
from tests.eg3d_reference import generator, official_config

TOLERANCE = 1e-4
SPARSE = (..., slice(1, None, 4), slice(2, None, 4))
"""Of large pictures and planes, every fourth row and column is kept."""


@cache
def golden() -> dict[str, Tensor]:
    return load_file(DATA / "eg3d_r128_tiny.safetensors")


def with_rendering(**changes: Any) -> Generator:
    """Return a network with the same weights that renders differently."""
    config = official_config()
    config["rendering"] |= changes
    network = Generator(EG3DConfig(**config)).requires_grad_(False)
    network.load_state_dict(generator().state_dict())
    return network


@cache
def codes() -> Tensor:
    return golden()["w"][:, None].repeat(1, 14, 1)


@cache
def planes() -> Tensor:
    return generator().synthesis(codes())


def largest_difference(a: Tensor, b: Tensor) -> float:
    assert a.shape == b.shape
    return (a - b).abs().max().item()


def compare(drawing: Drawing, name: str, sparse: bool = True) -> None:
    found = {"image_raw": drawing.raw, "image_depth": drawing.depth}
    found["image"] = drawing.image[SPARSE] if sparse else drawing.image
    kept = [key for key in found if f"{name}.{key}" in golden()]
    assert kept
    for key in kept:
        assert largest_difference(found[key], golden()[f"{name}.{key}"]) < TOLERANCE, key


def test_codes_equal_the_official_ones() -> None:
    network = with_rendering()
    assert (network.backbone.mapping.z_dim, network.backbone.mapping.c_dim) == (512, 25)
    network.backbone.mapping = Mapping(16, 25, 16, 14, 2, 0.01)
    prefix = "mapping.weights."
    network.backbone.mapping.load_state_dict(
        {name.removeprefix(prefix): tensor for name, tensor in golden().items() if name.startswith(prefix)}
    )
    for changes, psi, cutoff, name in [
        ({}, 1.0, None, "w_psi1"),
        ({}, 0.7, 5, "w_psi0.7_cutoff5"),
        ({"c_scale": 0.5}, 1.0, None, "w_scale0.5"),
        ({"c_gen_conditioning_zero": True}, 1.0, None, "w_zero"),
    ]:
        network.config = EG3DConfig(**official_config(), **changes)
        w = network.mapping(golden()["mapping.z"], golden()["c_cams"], psi, cutoff)
        assert largest_difference(w, golden()[f"mapping.{name}"]) < TOLERANCE


def test_planes_equal_the_official_ones() -> None:
    ours = planes()[:1].flatten(1, 2)
    assert largest_difference(ours[:, ::8][SPARSE], golden()["planes0_every8"]) < TOLERANCE
    without = generator().synthesis(codes()[:1], "none").flatten(1, 2)
    assert largest_difference(without[:, :2][SPARSE], golden()["planes_none0_c0to2"]) < TOLERANCE


def test_the_field_equals_the_official_one() -> None:
    density, colours = generator().field(planes()[:1], golden()["pts"])
    assert largest_difference(density, golden()["pts.sigma"]) < TOLERANCE
    assert largest_difference(colours, golden()["pts.rgb"]) < TOLERANCE


def test_pictures_equal_the_official_ones() -> None:
    drawing = generator().render(planes(), codes(), golden()["c_cams"], with_depth=True)
    compare(drawing, "detbatch", sparse=False)
    for i in range(3):
        one = generator().render(
            planes()[i : i + 1], codes()[i : i + 1], golden()["c_cams"][i : i + 1], with_depth=True
        )
        assert largest_difference(one.image, drawing.image[i : i + 1]) < TOLERANCE
        compare(one, f"det{i}")  # the depth: each picture is clamped to its own range


@pytest.mark.parametrize("i", range(3))
def test_pictures_with_recorded_draws_equal_the_official_ones(i: int) -> None:
    one, seed = slice(i, i + 1), f"seed10{i}"
    draws = Draws(golden()[f"{seed}.strat"][..., 0], golden()[f"{seed}.pdf_u"][None])
    w, camera = codes()[one], golden()["c_cams"][one]
    compare(generator().render(planes()[one], w, camera, draws=draws, with_depth=True), seed)


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("det0_noimp", {"depth_resolution_importance": 0}),
        ("det0_auto", {"ray_start": "auto", "ray_end": "auto", "box_warp": 1.6}),
        ("det0_white", {"white_back": True}),
        ("det0_disp", {"disparity_space_sampling": True}),
        ("det0_nrr32", {}),
        ("det0_srnoiseconst", {}),
    ],
)
def test_every_way_of_rendering_equals_the_official_one(name: str, changes: dict[str, Any]) -> None:
    noise = "const" if name == "det0_srnoiseconst" else "none"
    resolution = 32 if name == "det0_nrr32" else None
    network = with_rendering(**changes)
    w, camera = codes()[:1], golden()["c_cams"][:1]
    compare(network.render(planes()[:1], w, camera, noise, resolution, with_depth=True), name)


def trained_gradient(effort: Effort, draws: Draws | None = None) -> tuple[Tensor, Tensor]:
    """Return a picture and the gradient of its mean square with respect to the planes."""
    own = planes()[:2].clone().requires_grad_()
    drawing = generator().render(own, codes()[:2], golden()["c_cams"][:2], draws=draws, effort=effort)
    drawing.image.square().mean().backward()
    assert own.grad is not None
    return drawing.image.detach(), own.grad


@pytest.mark.parametrize("drawn", [False, True])
@pytest.mark.parametrize("effort", [Effort(7), Effort(100, True), Effort(None, True)])
def test_chunks_and_checkpoints_change_nothing(effort: Effort, drawn: bool) -> None:
    draws = draw(2, 256, generator().rendering, torch.Generator().manual_seed(0)) if drawn else None
    whole, chunked = trained_gradient(Effort(), draws), trained_gradient(effort, draws)
    assert largest_difference(whole[0], chunked[0]) < 1e-5
    assert largest_difference(whole[1], chunked[1]) < 1e-5 * whole[1].abs().max()


def test_draws_come_from_the_given_generator() -> None:
    options = generator().rendering
    first, again, other = (draw(1, 4, options, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert torch.equal(first.jitter, again.jitter)
    assert torch.equal(first.u, again.u)
    assert not torch.equal(first.jitter, other.jitter)
    assert CHUNK_POINTS["cpu"] > 0


@pytest.mark.parametrize(
    ("kind", "resolution", "rendered"),
    [
        ("SuperresolutionHybrid2X", 128, 32),
        ("SuperresolutionHybrid4X", 256, 64),
        ("SuperresolutionHybrid8X", 512, 16),
        ("SuperresolutionHybrid8XDC", 512, 16),
    ],
)
def test_every_super_resolution_draws(kind: str, resolution: int, rendered: int) -> None:
    config = official_config() | {"superresolution": kind, "img_resolution": resolution}
    network = Generator(EG3DConfig(**config)).requires_grad_(False)
    drawing = network.render(planes()[:1], codes()[:1], golden()["c_cams"][:1], resolution=rendered)
    assert drawing.image.shape == (1, 3, resolution, resolution)
    assert drawing.raw.shape == (1, 3, rendered, rendered)
    names = network.state_dict()
    assert ("superresolution.resample_filter" in names) == (kind != "SuperresolutionHybrid8XDC")
    assert torch.equal(names["superresolution.block1.resample_filter"], BINOMIAL_FILTER)
