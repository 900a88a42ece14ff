"""GUIDE's target, neighbours and loss against a recorded run of the published method."""

from __future__ import annotations

import json
import math

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from guide_plugin.adapter import Synthesis
from guide_plugin.operator import Networks
from guide_plugin.operators.guide.target import neighbour_offsets, resolve_distance, ufo_target
from guide_plugin.operators.losses import Distance, Look, Weights, distance, join, look
from guide_plugin.vision.perceptual import ConvPerceptual, feature_distance
from tests.conftest import DATA

LAYERS = 14


@pytest.fixture(scope="module")
def recorded() -> dict[str, Tensor]:
    """Return the recorded codes; every layer of a code was the same, so one is stored."""
    stored = load_file(DATA / "guide_draws.safetensors")
    repeats = {"w_u": (1, LAYERS, 1), "w_avg": (1, LAYERS, 1), "w_target": (1, LAYERS, 1)}
    repeats |= {"w_ra": (1, 1, LAYERS, 1), "deltas": (1, 1, LAYERS, 1), "alpha": (1, 1)}
    return {name: stored[name].repeat(repeat) for name, repeat in repeats.items()}


def test_target_is_the_recorded_one(recorded: dict[str, Tensor]) -> None:
    w_t = ufo_target(recorded["w_u"], recorded["w_avg"], 30.0)
    assert (w_t - recorded["w_target"]).abs().max() < 1e-6


def test_target_lies_opposite_the_subject_at_distance_d() -> None:
    w_u, w_avg = torch.randn(1, 3, 5), torch.randn(1, 3, 5)
    w_t = ufo_target(w_u, w_avg, 4.0)
    assert (w_t - w_avg).norm().item() == pytest.approx(4.0, rel=1e-5)
    cosine = torch.cosine_similarity((w_t - w_avg).flatten(), (w_u - w_avg).flatten(), dim=0)
    assert cosine.item() == pytest.approx(-1.0, abs=1e-6)


def test_neighbours_are_the_recorded_ones(recorded: dict[str, Tensor]) -> None:
    for step in range(len(recorded["deltas"])):
        offsets = neighbour_offsets(recorded["w_u"], recorded["w_ra"][step], recorded["alpha"][step])
        assert (offsets - recorded["deltas"][step]).abs().max() < 1e-6
        assert torch.allclose(offsets.flatten(1).norm(dim=1), recorded["alpha"][step])


@pytest.mark.parametrize(
    ("latent_shape", "expected"),
    [((14, 512), 30.0), ((18, 512), 30 * math.sqrt(18 / 14)), ((512,), 30 / math.sqrt(14)), ((10, 128), 7.5)],
)
def test_the_papers_distance_is_scaled_to_other_codes(latent_shape: tuple[int, ...], expected: float) -> None:
    assert resolve_distance("paper", 30.0, 7.5, latent_shape) == pytest.approx(expected)


def test_a_number_and_the_data_are_taken_as_they_are() -> None:
    assert resolve_distance(3.0, 30.0, 7.5, (14, 512)) == 3.0
    assert resolve_distance("data", 30.0, 7.5, (14, 512)) == 7.5


def test_loss_is_composed_as_recorded() -> None:
    """The published sum over one target, two neighbours and two random codes, from its own recorded parts."""
    for step in json.loads((DATA / "guide_trajectory.json").read_text()):
        parts = Distance(
            mse=torch.tensor(step["loss_local_mse"] + step["loss_adj_mse"]),
            lpips=torch.tensor(step["loss_local_lpips"] + step["loss_adj_lpips"]),
            id=torch.tensor(step["loss_local_id"] + step["loss_adj_id"]),
        )
        total = parts.total(Weights()).item() + sum(step["loss_global_lpips"])
        assert total == pytest.approx(step["loss"][0], rel=1e-6)


class MeanColour(nn.Module):
    """A recogniser whose embedding is the direction of the mean colour."""

    def forward(self, images: Tensor) -> Tensor:
        return nn.functional.normalize(images.mean(dim=(2, 3)), dim=1)


def test_distance_has_the_analytic_value() -> None:
    red, green = torch.zeros(1, 3, 4, 4), torch.zeros(1, 3, 4, 4)
    red[:, 0], green[:, 1] = 1, 1
    networks = Networks(ConvPerceptual([4]), MeanColour(), torch.float32)
    a = look(Synthesis(red, torch.full((1, 2, 4, 4), 3.0)), networks, 1)
    b = look(Synthesis(green, torch.full((1, 2, 4, 4), 1.0)), networks, 1)
    apart = distance(a, b)
    assert apart.mse.item() == pytest.approx(4.0)
    assert apart.id.item() == pytest.approx(1.0)
    assert apart.total(Weights()).item() == pytest.approx(0.04 + apart.lpips.item() + 0.1, rel=1e-5)
    same = distance(a, a)
    assert same.total(Weights()).item() == pytest.approx(0.0, abs=1e-6)


def test_identity_is_compared_for_the_first_k_alone() -> None:
    networks = Networks(ConvPerceptual([4]), MeanColour(), torch.float32)
    pictures = Synthesis(torch.rand(5, 3, 8, 8), torch.rand(5, 2, 8, 8))
    seen = look(pictures, networks, 3)
    apart = distance(seen, seen)
    assert [len(part) for part in apart] == [3, 5, 3]
    assert [len(part) for part in distance(look(pictures, networks, 0), look(pictures, networks, 0))] == [0, 5, 0]


def test_joined_looks_equal_one_look() -> None:
    perceptual = ConvPerceptual([4])
    nn.init.constant_(perceptual.convs[0].bias, 5.0)  # no dead features, whose direction would be rounding alone
    networks = Networks(perceptual, MeanColour(), torch.float32)
    images, features = torch.rand(4, 3, 8, 8), torch.rand(4, 2, 8, 8)
    whole = look(Synthesis(images, features), networks, 2)
    first = look(Synthesis(images[:1], features[:1]), networks, 1)
    parts: Look = join(first, look(Synthesis(images[1:], features[1:]), networks, 1))
    assert torch.equal(whole.embedding, parts.embedding)
    assert torch.equal(whole.features, parts.features)
    assert all(torch.allclose(a, b) for a, b in zip(whole.perceptual, parts.perceptual, strict=True))


def test_perceptual_network_is_the_recorded_formula() -> None:
    """`tiny_lpips` written out by hand, from its description, beside our module with the same weights."""
    state = load_file(DATA / "tiny_lpips.safetensors")
    network = ConvPerceptual.from_state_dict(state)
    a, b = torch.rand(2, 3, 16, 16) * 2 - 1, torch.rand(2, 3, 16, 16) * 2 - 1

    def maps(x: Tensor) -> list[Tensor]:
        x, found = (x - state["shift"]) / state["scale"], []
        for i in range(3):
            x = nn.functional.max_pool2d(x, 2) if i else x
            x = nn.functional.conv2d(x, state[f"convs.{i}.weight"], state[f"convs.{i}.bias"], padding=1).relu()
            found.append(x / (x.norm(dim=1, keepdim=True) + 1e-10))
        return found

    by_hand = sum(
        ((x - y).square() * state[f"lins.{i}"].view(1, -1, 1, 1)).sum(dim=1).mean(dim=(1, 2))
        for i, (x, y) in enumerate(zip(maps(a), maps(b), strict=True))
    )
    assert torch.allclose(feature_distance(network.features(a), network.features(b)), by_hand, rtol=1e-5)


def test_a_picture_without_any_feature_has_finite_gradients() -> None:
    network = ConvPerceptual([4])
    nn.init.constant_(network.convs[0].bias, -100)  # every feature is zero behind the ReLU
    image = torch.rand(1, 3, 8, 8, requires_grad=True)
    feature_distance(network.features(image), network.features(torch.rand(1, 3, 8, 8))).sum().backward()
    assert image.grad is not None
    assert image.grad.isfinite().all()
