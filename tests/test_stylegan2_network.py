"""StyleGAN2 against the reference vectors of the official implementations (float32, CPU, reference operators)."""

from __future__ import annotations

import copy
import json

import pytest
import torch
from safetensors.torch import load_file

from guide_plugin import AdapterError
from hub_adapters.stylegan2.network import Generator, check_filters
from tests.conftest import DATA

TOLERANCE = 1e-4
OFFICIAL = ["sg2ada_r32", "sg3_sg2_r32"]


def load_official(name: str) -> tuple[Generator, dict[str, torch.Tensor]]:
    arguments = json.loads((DATA / f"{name}.json").read_text())["init_kwargs"]
    synthesis = arguments.get("synthesis_kwargs", {"conv_clamp": 256, **arguments})
    generator = Generator(
        arguments["z_dim"],
        arguments["c_dim"],
        arguments["w_dim"],
        arguments["img_resolution"],
        mapping_layers=arguments["mapping_kwargs"]["num_layers"],
        channel_base=synthesis["channel_base"],
        channel_max=synthesis["channel_max"],
        conv_clamp=synthesis["conv_clamp"],
    )
    generator.load_state_dict(load_file(DATA / f"{name}.weights.safetensors"))
    return generator, load_file(DATA / f"{name}.safetensors")


def largest_difference(a: torch.Tensor, b: torch.Tensor) -> float:
    return (a - b).abs().max().item()


@pytest.mark.parametrize("name", OFFICIAL)
def test_codes_and_pictures_equal_the_official_ones(name: str) -> None:
    generator, golden = load_official(name)
    checked = 0
    for psi in (1, 0.7):
        w = generator.mapping(golden["z"], psi=psi)
        assert largest_difference(w, golden[f"w_psi{psi}"]) < TOLERANCE
        for noise in ("const", "none"):
            if f"img_psi{psi}_{noise}" in golden:
                image = generator.synthesis(w, noise).image
                assert largest_difference(image, golden[f"img_psi{psi}_{noise}"]) < TOLERANCE
                checked += 1
    assert checked >= 3
    cutoff = generator.mapping(golden["z"], psi=0.7, cutoff=4)
    assert largest_difference(cutoff, golden["w_psi0.7_cutoff4"]) < TOLERANCE
    mixed = generator.synthesis(golden["w_mixed"], "const").image
    assert largest_difference(mixed, golden["img_mixed_const"]) < TOLERANCE


@pytest.mark.parametrize("name", OFFICIAL)
def test_gradients_equal_the_official_ones(name: str) -> None:
    generator, golden = load_official(name)
    w = golden["w_psi1"].clone().requires_grad_()
    generator.synthesis(w, "const").image.square().mean().backward()
    assert w.grad is not None
    pairs = [(w.grad, golden["grad_w_meansq"])]
    pairs += [
        (generator.get_parameter(key.removeprefix("grad.")).grad, value)
        for key, value in golden.items()
        if key.startswith("grad.")
    ]
    for ours, official in pairs:
        assert largest_difference(ours, official) < TOLERANCE * official.abs().max()


def test_a_picture_does_not_depend_on_its_batch() -> None:
    generator, golden = load_official("sg2ada_r32")
    together = generator.synthesis(golden["w_psi1"], "const").image
    rounding = 1e-5 * together.abs().max().item()
    for i, w in enumerate(golden["w_psi1"]):
        assert largest_difference(generator.synthesis(w[None], "const").image[0], together[i]) < rounding


def test_random_noise_comes_from_the_given_generator() -> None:
    generator, golden = load_official("sg2ada_r32")

    def draw(seed: int) -> torch.Tensor:
        return generator.synthesis(golden["w_psi1"], "random", torch.Generator().manual_seed(seed)).image

    assert torch.equal(draw(1), draw(1))
    assert not torch.equal(draw(1), draw(2))


@pytest.mark.parametrize("architecture", ["skip", "resnet", "orig"])
@pytest.mark.parametrize(("resolution", "base"), [(4, 64), (16, 64), (64, 512)])
def test_every_architecture_and_resolution_draws(architecture: str, resolution: int, base: int) -> None:
    generator = Generator(8, 0, 8, resolution, mapping_layers=2, channel_base=base, architecture=architecture)
    drawing = generator.synthesis(generator.mapping(torch.randn(2, 8)))
    assert drawing.image.shape == (2, 3, resolution, resolution)
    assert drawing.features.shape[-1] == resolution
    # Official counts: one code per convolution, and one for the last colour layer.
    assert generator.synthesis.num_ws == 2 * len(generator.synthesis.block_resolutions)
    names = dict(generator.named_parameters())
    assert ("synthesis.b4.torgb.weight" in names) == (architecture == "skip" or resolution == 4)
    assert ("synthesis.b8.skip.weight" in names) == (architecture == "resnet" and resolution > 4)


def test_classes_change_the_code() -> None:
    generator = Generator(8, 3, 8, 8, mapping_layers=2, channel_base=64)
    z, labels = torch.randn(1, 8), torch.eye(3)
    codes = torch.cat([generator.mapping(z, label[None]) for label in labels])
    assert largest_difference(codes[0], codes[1]) > 1e-3
    with pytest.raises(ValueError, match=r"labels \[n, 3\]"):
        generator.mapping(z)


def test_another_resampling_kernel_is_refused() -> None:
    generator, _ = load_official("sg2ada_r32")
    check_filters(generator, "model.safetensors")
    generator = copy.deepcopy(generator)
    generator.synthesis.b8.resample_filter.mul_(2)
    with pytest.raises(AdapterError, match=r"synthesis\.b8\.resample_filter"):
        check_filters(generator, "model.safetensors")
