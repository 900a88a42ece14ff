"""StyleGAN3 against outputs of the official implementation (float32, CPU), and against what the paper promises.

`sg3t_r64*` are described in the reference vectors' own notes. `sg3r_r32.safetensors` was made the same way: random
weights (`weights.*`), conditional, config R, clamped at 2; `w_psi0.8_cutoff9` from `z` and `c`; `img`; `img_transform`
under the user transform `transform`, which raises frequencies 2.5-fold; `grad_w_meansq` = d mean(img²)/dw, `grad.*` the
same for parameters.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from hub_adapters.stylegan3.filters import design_lowpass, downsample, upsample
from hub_adapters.stylegan3.network import Generator
from tests.conftest import DATA

TOLERANCE = 1e-4
Loader = Callable[[], tuple[Generator, dict[str, torch.Tensor]]]
SHAPE_R: dict[str, Any] = {"conv_kernel": 1, "use_radial_filters": True}


def build_t() -> Generator:
    arguments = json.loads((DATA / "sg3t_r64.json").read_text())["init_kwargs"]
    known = {"z_dim", "c_dim", "w_dim", "img_resolution", "img_channels", "channel_base", "channel_max"}
    layers = arguments["mapping_kwargs"]["num_layers"]
    return Generator(**{name: arguments[name] for name in known}, mapping_layers=layers)


def load_t() -> tuple[Generator, dict[str, torch.Tensor]]:
    generator = build_t()
    generator.load_state_dict(load_file(DATA / "sg3t_r64.weights.safetensors"))
    return generator, load_file(DATA / "sg3t_r64.safetensors")


def build_r() -> Generator:
    return Generator(16, 2, 16, 32, channel_base=320, channel_max=20, conv_clamp=2.0, **SHAPE_R)


def load_r() -> tuple[Generator, dict[str, torch.Tensor]]:
    generator, golden = build_r(), load_file(DATA / "sg3r_r32.safetensors")
    weights = {name: golden.pop(name) for name in list(golden) if name.startswith("weights.")}
    generator.load_state_dict({name.removeprefix("weights."): tensor for name, tensor in weights.items()})
    return generator, golden


def largest_difference(a: torch.Tensor, b: torch.Tensor) -> float:
    assert a.shape == b.shape
    return (a - b).abs().max().item()


def test_config_t_draws_what_the_official_code_draws() -> None:
    generator, golden = load_t()
    for psi in (1, 0.7):
        w = generator.mapping(golden["z"], psi=psi)
        assert largest_difference(w, golden[f"w_psi{psi}"]) < TOLERANCE
        assert largest_difference(generator.synthesis(w).image, golden[f"img_psi{psi}_const"]) < TOLERANCE
    cutoff = generator.mapping(golden["z"], psi=0.7, cutoff=4)
    assert largest_difference(cutoff, golden["w_psi0.7_cutoff4"]) < TOLERANCE
    mixed = generator.synthesis(golden["w_mixed"]).image
    assert largest_difference(mixed, golden["img_mixed_const"]) < TOLERANCE
    first = generator.synthesis.input(golden["w_psi1"][:1, 0])
    assert largest_difference(first, golden["act.input"]) < TOLERANCE
    generator.synthesis.input.transform.copy_(golden["transform"])
    moved = generator.synthesis(golden["w_psi1"]).image
    assert largest_difference(moved, golden["img_psi1_transform"]) < TOLERANCE
    assert largest_difference(moved, golden["img_psi1_const"]) > 0.05


def test_conditional_config_r_draws_what_the_official_code_draws() -> None:
    generator, golden = load_r()
    w = generator.mapping(golden["z"], golden["c"], psi=0.8, cutoff=9)
    assert largest_difference(w, golden["w_psi0.8_cutoff9"]) < TOLERANCE
    assert largest_difference(generator.synthesis(w).image, golden["img"]) < TOLERANCE
    generator.synthesis.input.transform.copy_(golden["transform"])
    assert largest_difference(generator.synthesis(w).image, golden["img_transform"]) < TOLERANCE


@pytest.mark.parametrize(("load", "code", "parameters"), [(load_t, "w_psi1", 0), (load_r, "w_psi0.8_cutoff9", 63)])
def test_gradients_equal_the_official_ones(load: Loader, code: str, parameters: int) -> None:
    generator, golden = load()
    generator.double()  # in float32, rounding decides on which side of a kink (slope, clamp) some sample falls
    w = golden[code].double().requires_grad_()
    generator.synthesis(w).image.square().mean().backward()
    pairs = {"w": (w.grad, golden["grad_w_meansq"])}
    for key, value in golden.items():
        if key.startswith("grad."):
            pairs[key] = (generator.get_parameter(key.removeprefix("grad.")).grad, value)
    assert len(pairs) == 1 + parameters
    for name, (ours, official) in pairs.items():
        assert ours is not None, name
        assert largest_difference(ours, official) < TOLERANCE * official.abs().max(), name


def test_features_are_what_the_colour_layer_draws_from() -> None:
    generator, golden = load_t()
    image, features = generator.synthesis(golden["w_psi1"])
    assert features.shape == (3, 16, 64, 64)
    colour = generator.get_submodule("synthesis.L14_64_3")(features, golden["w_psi1"][:, -1])
    assert torch.equal(image, colour * 0.25)


@pytest.mark.parametrize(("build", "load"), [(build_t, load_t), (build_r, load_r)])
def test_designed_filters_equal_the_stored_ones(build: Callable[[], Generator], load: Loader) -> None:
    stored = {name: tensor for name, tensor in load()[0].state_dict().items() if name.endswith("_filter")}
    designed = build().state_dict()
    assert len(stored) == 28
    for name, taps in stored.items():
        assert largest_difference(designed[name], taps) < 1e-6, name


def response(taps: torch.Tensor, x: float, y: float, rate: float) -> float:
    """Return the gain of `taps` [t, t] for a wave of frequency (x, y)."""
    position = (torch.arange(len(taps), dtype=torch.float64) - (len(taps) - 1) / 2) / rate
    wave = torch.cos(2 * math.pi * (x * position[None, :] + y * position[:, None]))
    return (taps.double() * wave).sum().item()


@pytest.mark.parametrize("radial", [False, True])
def test_a_designed_filter_passes_low_and_stops_high_frequencies(radial: bool) -> None:
    rate, cutoff, width = 64.0, 8.0, 10.0
    taps = design_lowpass(24, cutoff, width, rate, radial)
    assert taps.shape == ((24, 24) if radial else (24,))
    assert torch.allclose(taps, taps.flip(0), atol=1e-8)
    plane = taps if radial else torch.outer(taps, taps)
    assert response(plane, 0, 0, rate) == pytest.approx(1, abs=1e-6)
    assert response(plane, cutoff - width / 2, 0, rate) == pytest.approx(1, abs=0.02)
    assert response(plane, cutoff, 0, rate) == pytest.approx(0.5, abs=0.06)
    for frequency in (13, 20, 32):
        assert abs(response(plane, 0, frequency, rate)) < 0.02
    diagonal = response(plane, cutoff * math.sqrt(0.5), cutoff * math.sqrt(0.5), rate)
    straight = response(plane, cutoff, 0, rate)
    assert (abs(diagonal - straight) < 0.01) == radial


def test_resampling_keeps_a_slow_wave() -> None:
    def wave(size: int, rate: float) -> torch.Tensor:
        position = (torch.arange(size, dtype=torch.float32) - (size - 1) / 2) / rate
        return torch.cos(2 * math.pi * (2 * position[None, :] + position[:, None]) + 0.3)[None, None]

    taps = design_lowpass(24, 8, 14, 64)
    fast = upsample(wave(32, 16), taps, 4, (13, 10))  # the padding that keeps centre and size
    assert fast.shape[-1] == 128
    inside = slice(24, -24)
    assert largest_difference(fast[..., inside, inside], wave(128, 64)[..., inside, inside]) < 0.02
    for kernel in (taps, torch.outer(taps, taps)):
        slow = downsample(wave(128, 64), kernel, 4)
        assert largest_difference(slow, wave(slow.shape[-1], 16)) < 0.02


def test_no_filter_means_padding_and_striding_alone() -> None:
    x = torch.arange(16.0).view(1, 1, 4, 4)
    padded = upsample(x, None, 1, (2, -1))
    assert padded.shape == (1, 1, 5, 5)
    assert torch.equal(padded[..., 2:, 2:], x[..., :3, :3])
    assert torch.equal(downsample(x, None, 2), x[..., ::2, ::2])


def test_config_r_turns_exactly_by_a_quarter() -> None:
    generator, golden = load_r()
    w = golden["w_psi0.8_cutoff9"]
    generator.synthesis.input.affine.weight.data.zero_()
    upright = generator.synthesis(w).image
    generator.synthesis.input.transform[:2, :2] = torch.tensor([[0.0, -1.0], [1.0, 0.0]])
    turned = generator.synthesis(w).image
    assert largest_difference(turned, upright.rot90(1, (2, 3))) < 1e-4
    assert largest_difference(turned, upright) > 0.1


def shifted(generator: Generator, w: torch.Tensor, pixels: float) -> torch.Tensor:
    """Draw with the picture's content moved to the right by `pixels`."""
    generator.synthesis.input.transform[0, 2] = -pixels / 64
    return generator.synthesis(w).image


def test_a_shift_of_the_input_shifts_the_picture() -> None:
    torch.manual_seed(0)
    generator = Generator(8, 0, 8, 64, channel_base=512, channel_max=8, num_layers=5, margin_size=40, output_scale=1.0)
    w = generator.mapping(torch.randn(1, 8)).detach()
    with torch.no_grad():
        still = shifted(generator, w, 0)
        whole, single = shifted(generator, w, 8), shifted(generator, w, 1)
    # Eight pixels are two samples of the coarsest layer, one pixel is a quarter of one: exact, and nearly so.
    assert largest_difference(whole[..., 8:], still[..., :-8]) < 1e-4 * still.std()
    movement = (single - still).square().mean().sqrt()
    assert movement > 0.05 * still.std()
    assert (single[..., 1:] - still[..., :-1]).square().mean().sqrt() < 0.02 * movement


def test_a_picture_does_not_depend_on_its_batch() -> None:
    generator, golden = load_t()
    together = generator.synthesis(golden["w_psi1"]).image
    for i, w in enumerate(golden["w_psi1"]):
        assert largest_difference(generator.synthesis(w[None]).image[0], together[i]) < 1e-5


# Config T at 1024 pixels: samples and channels of each layer. Config R has twice the channels, before rounding.
SIZES = [36, 36, 52, 52, 84, 148, 148, 276, 276, 532, 1044, 1044, 1044, 1024, 1024]
CHANNELS_T = [512, 512, 512, 512, 512, 512, 512, 323, 203, 128, 81, 51, 32, 32, 3]
CHANNELS_R = [1024, 1024, 1024, 1024, 1024, 1024, 1024, 645, 406, 256, 161, 102, 64, 64, 3]


@pytest.mark.parametrize(
    ("arguments", "channels", "parameters"),
    [
        ({}, CHANNELS_T, 22_313_167),
        ({"channel_base": 65536, "channel_max": 1024, **SHAPE_R}, CHANNELS_R, 15_093_151),
    ],
)
def test_full_size_models_have_the_official_names_and_sizes(
    arguments: dict[str, Any], channels: list[int], parameters: int
) -> None:
    with torch.device("meta"):
        generator = Generator(512, 0, 512, 1024, **arguments)
    names = [f"L{i}_{size}_{width}" for i, (size, width) in enumerate(zip(SIZES, channels, strict=True))]
    assert generator.synthesis.layer_names == names
    assert generator.synthesis.num_ws == 16
    assert sum(p.numel() for p in generator.parameters()) == parameters


@pytest.mark.parametrize("num_critical", [0, 14])
def test_a_schedule_without_sense_is_refused(num_critical: int) -> None:
    with pytest.raises(ValueError, match="between 1 and num_layers − 1 = 13"):
        Generator(8, 0, 8, 32, channel_base=64, num_critical=num_critical)
