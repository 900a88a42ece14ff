"""From pictures to codes: on a linear generator where the answer is known, on a tiny one, and on the demo model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from examples.synthetic_faces.portraits import codes, draw
from guide_plugin import LocalCheckpoint, UsageError
from guide_plugin.adapter import Synthesis, View
from guide_plugin.inversion import InversionSettings, invert, invert_to_noise
from guide_plugin.latent.distribution import measure_distribution
from guide_plugin.latent.search import Noise, noise_radius, ramp
from guide_plugin.operator import Losses
from guide_plugin.vision.perceptual import ConvPerceptual, load_perceptual
from guide_plugin.vision.recognition import load_small
from hub_adapters.stylegan2.adapter import StyleGAN2
from tests.conftest import DEMO_MODEL
from tests.planted import InMemory, Mapped, read_code

CPU = torch.device("cpu")
LAYERS, WIDTH, SIDE = 3, 4, 8


class Linear(InMemory):
    """A generator whose picture is a fixed linear image of its code, brighter by the view; W codes are correlated."""

    def __init__(self, views: Tensor | None = None) -> None:
        rng = torch.Generator().manual_seed(1)
        self.matrix = torch.randn(LAYERS * WIDTH, 3 * SIDE * SIDE, generator=rng) / 30
        self.mixing = torch.tensor([[3.0, 0, 0, 0], [2, 1, 0, 0], [0, 0, 0.5, 0]])
        self.latent_shape, self.device, self.views = (LAYERS, WIDTH), CPU, views
        self.seen: list[Tensor] = []

    def mean_latent(self) -> Tensor:
        return torch.full((1, LAYERS, WIDTH), 0.2)

    def sample_latents(self, n: int, rng: torch.Generator) -> Tensor:
        w = 0.2 + torch.randn(n, 3, generator=rng) @ self.mixing
        return w[:, None].expand(-1, LAYERS, -1)

    def audit_views(self) -> View | None:
        return self.views

    def synthesize(self, w: Tensor, view: View | None = None) -> Synthesis:
        image = (w.flatten(1) @ self.matrix).view(-1, 3, SIDE, SIDE)
        if view is not None:
            self.seen.append(view)
            image = image + 0.1 * view.view(-1, 1, 1, 1)
        return Synthesis(image, image)


def embed(images: Tensor) -> Tensor:
    return torch.nn.functional.normalize(images.flatten(1), dim=1)


def find(adapter: Any, images: Tensor, **arguments: Any) -> Any:
    torch.manual_seed(0)
    settings = arguments.pop("settings", InversionSettings(steps=300))
    rng = torch.Generator().manual_seed(0)
    return invert(adapter, images, ConvPerceptual([4]), embed, embed, rng, settings, **arguments)


def test_random_codes_are_white_and_99_of_100_lie_within_the_radius() -> None:
    found = measure_distribution(Linear(), torch.Generator().manual_seed(0))  # type: ignore[arg-type]
    w = Linear().sample_latents(4000, torch.Generator().manual_seed(5))[:, 0]
    u = found.white(w)
    assert u.shape[1] == 3  # the codes fill three of four dimensions
    assert torch.allclose(u.T.cov(), torch.eye(3), atol=0.08)
    assert torch.allclose(found.code(u), w, atol=1e-4)
    assert (u.norm(dim=1) <= found.radius).float().mean().item() == pytest.approx(0.99, abs=0.006)
    inside = found.within(torch.cat([u, 100 * u]))
    assert inside.norm(dim=1).max() <= found.radius * 1.0001
    assert torch.equal(inside[:4000][u.norm(dim=1) < found.radius], u[u.norm(dim=1) < found.radius])


def test_the_code_of_a_drawn_picture_is_found_again() -> None:
    adapter = Linear()
    w = adapter.sample_latents(3, torch.Generator().manual_seed(9)).clone()
    found = find(adapter, adapter.synthesize(w).image)
    assert torch.allclose(found.code, w, atol=0.05)
    assert found.similarity.min() > 0.999
    assert found.losses["pixels"].max() < 1e-4
    assert found.seconds > 0


def test_layers_of_their_own_are_found_after_one_for_all() -> None:
    adapter = Linear()
    w = adapter.sample_latents(LAYERS, torch.Generator().manual_seed(9))[:, :1].reshape(1, LAYERS, WIDTH)
    images = adapter.synthesize(w).image
    both = find(adapter, images, settings=InversionSettings(steps=400))
    only_w = find(adapter, images, settings=InversionSettings(steps=400, broadcast=1.0))
    assert torch.allclose(only_w.code, only_w.code[:, :1].expand_as(only_w.code))
    assert both.losses["pixels"].item() < only_w.losses["pixels"].item() / 10


def test_codes_stay_where_the_generators_own_are() -> None:
    adapter = Linear()
    far = 30 * adapter.sample_latents(1, torch.Generator().manual_seed(3))
    distribution = measure_distribution(adapter, torch.Generator().manual_seed(0))  # type: ignore[arg-type]
    found = find(adapter, adapter.synthesize(far).image)
    assert distribution.white(found.code).norm(dim=-1).max() <= distribution.radius * 1.001


def test_pictures_in_batches_give_what_they_give_together() -> None:
    adapter = Linear()
    images = adapter.synthesize(adapter.sample_latents(3, torch.Generator().manual_seed(4))).image
    steps: list[tuple[int, int]] = []

    def count(step: int, total: int, losses: Losses) -> None:
        steps.append((step, total))
        assert set(losses) == {"pixels", "perceptual", "identity", "total"}

    together = find(adapter, images, settings=InversionSettings(steps=20))
    apart = find(adapter, images, settings=InversionSettings(steps=20, batch=2), on_step=count)
    assert torch.allclose(together.code, apart.code, atol=1e-4)
    assert steps == [(i, 40) for i in range(1, 41)]


def test_the_noise_of_a_drawn_picture_is_found_again_whatever_the_batches() -> None:
    adapter = Mapped()
    wanted = adapter.sample_latents(3, torch.Generator().manual_seed(9))
    images = adapter.synthesize(wanted).image
    radius = noise_radius(adapter, torch.Generator().manual_seed(0))
    assert radius is not None
    start = Noise(adapter.sample_noise(3, torch.Generator().manual_seed(1)), radius)
    networks = ConvPerceptual([4]).requires_grad_(False), read_code, read_code
    found = invert_to_noise(adapter, images, *networks, start, InversionSettings(steps=200))
    assert torch.allclose(found.code, wanted, atol=0.1)
    assert found.similarity.min() > 0.99
    assert found.guided
    apart = invert_to_noise(adapter, images, *networks, start, InversionSettings(steps=20, batch=2))
    together = invert_to_noise(adapter, images, *networks, start, InversionSettings(steps=20))
    assert torch.allclose(apart.code, together.code, atol=1e-4)


def test_a_batch_is_as_large_as_memory_allows() -> None:
    class Counting(Linear):
        side, sizes = SIDE, list[int]()

        def synthesize(self, w: Tensor, view: View | None = None) -> Synthesis:
            self.sizes.append(len(w))
            image = torch.nn.functional.interpolate(super().synthesize(w).image, (self.side, self.side))
            return Synthesis(image, image)

    for side, largest in ((64, 32), (96, 14), (256, 8)):
        adapter = Counting()
        adapter.side, adapter.sizes = side, []
        find(adapter, torch.zeros(33, 3, side, side), settings=InversionSettings(steps=0))
        assert max(adapter.sizes) == largest


def test_an_encoders_guess_is_where_the_search_starts() -> None:
    adapter = Linear()
    w = adapter.sample_latents(2, torch.Generator().manual_seed(9)).clone()
    w[:, 1] = w[:, 1] * 0.5 + 0.1
    images = adapter.synthesize(w).image
    still = find(adapter, images, start=w, settings=InversionSettings(steps=1, lr=1e-9))
    assert torch.allclose(still.code, w, atol=1e-3)


def test_the_middle_audit_view_is_the_default_and_a_given_one_counts() -> None:
    views = torch.tensor([[-1.0], [0.5], [2.0]])
    adapter = Linear(views)
    w = adapter.sample_latents(2, torch.Generator().manual_seed(9))
    images = adapter.synthesize(w, torch.tensor([[2.0], [2.0]])).image
    few = InversionSettings(steps=2)
    adapter.seen.clear()
    find(adapter, images, settings=few)
    assert torch.cat(adapter.seen).unique().tolist() == [0.5]
    given = find(adapter, images, view=views[2:], settings=InversionSettings(steps=300))
    assert torch.allclose(given.code, w, atol=0.05)
    adapter.seen.clear()
    find(adapter, images, view=views[:2], settings=few)
    assert torch.cat(adapter.seen).unique().tolist() == [-1.0, 0.5]


def test_a_code_that_is_no_number_is_told() -> None:
    with pytest.raises(UsageError, match="NaN or Inf"):
        find(Linear(), torch.full((1, 3, SIDE, SIDE), torch.nan))


def test_the_rate_rises_and_falls() -> None:
    assert [ramp(done) for done in (0.025, 0.05, 0.5, 0.75, 1.0)] == pytest.approx([0.5, 1, 1, 1, 0])


def test_any_adapter_will_do(tiny_model: Path) -> None:
    adapter = StyleGAN2.load(LocalCheckpoint(tiny_model, ("config.json", "model.safetensors")), CPU)
    images = adapter.synthesize(adapter.sample_latents(2, torch.Generator().manual_seed(4))).image
    larger = torch.nn.functional.interpolate(images, scale_factor=2, mode="bilinear")
    start = find(adapter, larger, settings=InversionSettings(steps=1, lr=1e-9))
    found = find(adapter, larger, settings=InversionSettings(steps=60))
    assert found.code.shape == (2, *adapter.latent_shape)
    assert found.losses["pixels"].mean() < start.losses["pixels"].mean() / 2


@pytest.mark.slow
def test_people_of_the_demo_model_and_people_it_never_saw_are_found() -> None:
    """The judge, which takes no part in the search, recognises them; strangers score around 0."""
    adapter = StyleGAN2.load(LocalCheckpoint(DEMO_MODEL, ("config.json", "model.safetensors")), CPU)
    perceptual = load_perceptual(f"conv:{DEMO_MODEL / 'perceptual.safetensors'}", CPU)
    trainer, judge = (load_small(DEMO_MODEL / f"recogniser-{name}.safetensors", CPU) for name in ("train", "judge"))
    own = adapter.synthesize(adapter.sample_latents(8, torch.Generator().manual_seed(5))).image.detach()
    rendered = draw(codes(4, 2, torch.Generator().manual_seed(77)).flatten(0, 1))
    for images, least in ((own, 0.99), (rendered, 0.9)):
        rng = torch.Generator().manual_seed(0)
        found = invert(adapter, images, perceptual, trainer, judge, rng, replace(InversionSettings(), steps=100))
        assert found.similarity.median() > least
        assert found.similarity.min() > 0.8
