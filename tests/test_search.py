"""The one descent, over W and over Z: where it ends, and where it may not go."""

from __future__ import annotations

import pytest
import torch

from guide_plugin.adapter import LocalCheckpoint
from guide_plugin.latent.distribution import measure_distribution
from guide_plugin.latent.search import Noise, White, descend, noise_radius
from hub_adapters.stylegan2 import StyleGAN2
from tests.conftest import write_tiny_model
from tests.planted import LAYERS, WIDTH, Painter


@pytest.fixture(params=[0, 3], ids=["unconditional", "three classes"])
def stylegan(request: pytest.FixtureRequest, tmp_path) -> StyleGAN2:
    folder = write_tiny_model(tmp_path / "tiny", c_dim=request.param)
    return StyleGAN2.load(LocalCheckpoint(folder, ("config.json", "model.safetensors")), torch.device("cpu"))


def seeded(seed: int = 5) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_noise_gives_the_very_codes_that_are_drawn(stylegan: StyleGAN2) -> None:
    noise = stylegan.sample_noise(6, seeded())
    assert noise.z.shape == (6, stylegan.config.z_dim)
    torch.testing.assert_close(
        noise.to_codes(noise.z, noise.labels), stylegan.sample_latents(6, seeded()), rtol=0, atol=0
    )


def test_a_search_over_noise_finds_what_noise_makes_and_stays_within_its_radius(stylegan: StyleGAN2) -> None:
    radius = noise_radius(stylegan, seeded())
    source = stylegan.sample_noise(4, seeded())
    space = Noise(source, radius)
    wanted = stylegan.sample_noise(4, seeded(6)).z
    with torch.no_grad():
        goal = space.codes(wanted)

    def apart(codes: torch.Tensor, step: int = 0) -> torch.Tensor:
        return (codes - goal).square().sum()

    found = descend(space, source.z, 200, 0.1, apart)
    assert apart(space.codes(found)) < 0.05 * apart(space.codes(source.z))
    assert (found.norm(dim=1) <= radius * (1 + 1e-5)).all()


def test_a_search_over_w_goes_no_further_than_random_codes_lie() -> None:
    painter = Painter()
    space = White(measure_distribution(painter, seeded()), painter.latent_shape)
    goal = 5 * space.distribution.radius * torch.nn.functional.normalize(torch.randn(WIDTH, generator=seeded()), dim=0)

    def apart(codes: torch.Tensor, step: int) -> torch.Tensor:
        return (space.distribution.white(codes[:, 0]) - goal).square().sum()

    u = descend(space, space.broadcast(painter.mean_latent()), 400, 0.1, apart)
    assert space.codes(u).shape == (1, LAYERS, WIDTH)
    assert u.norm().item() == pytest.approx(space.distribution.radius, rel=1e-4)
    assert torch.nn.functional.cosine_similarity(u[0, 0], goal, dim=0) > 0.8


def test_codes_that_are_made_from_nothing_have_no_noise_to_search() -> None:
    assert Painter().sample_noise(2, seeded()) is None
    assert noise_radius(Painter(), seeded()) is None


def test_a_model_in_training_gathers_no_gradients_from_a_search() -> None:
    painter = Painter()
    painter.weight.requires_grad_(True)
    space = White(measure_distribution(painter, seeded()), painter.latent_shape)
    first = space.broadcast(painter.sample_latents(2, seeded()))
    found = descend(space, first, 3, 0.1, lambda w, _: painter.synthesize(w).image.square().sum())
    assert not torch.equal(found, first)
    assert painter.weight.grad is None
