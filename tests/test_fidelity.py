"""Fréchet distance against closed forms, features against pytorch-fid itself on random weights of the same shape."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.linalg
import torch
from torch import Tensor

from guide_plugin.adapter import Synthesis, View
from guide_plugin.audit.fidelity import FeatureNetwork, eight_bit, fidelity, judge_features, sampled_features
from guide_plugin.audit.frechet import Gaussian, Moments, frechet_distance, gaussian_of, read_statistics
from guide_plugin.audit.kernel_distance import kernel_distance, squared_mmd
from guide_plugin.errors import HubError, UsageError
from guide_plugin.vision.inception import WEIGHTS_FILE, FidInception, load_inception
from guide_plugin.vision.torchvision_on_cpu import make_torchvision_importable
from tests.planted import InMemory

CPU = torch.device("cpu")


def gaussian(mean: list[float], covariance: Tensor) -> Gaussian:
    return Gaussian(torch.tensor(mean, dtype=torch.float64), covariance.double())


def moments(features: Tensor) -> Gaussian:
    found = Moments()
    for part in features.split(7):
        found.add(part)
    return found.gaussian()


def random_covariance(rank: int, size: int, seed: int) -> Tensor:
    factor = torch.randn(size, rank, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    return factor @ factor.T


def test_gaussians_with_known_distance() -> None:
    one, two = torch.eye(2), torch.diag(torch.tensor([4.0, 9.0]))
    assert frechet_distance(gaussian([0, 0], one), gaussian([0, 0], one)) == 0
    assert frechet_distance(gaussian([1, 2], one), gaussian([4, -2], one)) == pytest.approx(25)
    # Covariances that commute: the sum of (σ_a - σ_b)².
    assert frechet_distance(gaussian([0, 0], one), gaussian([0, 0], two)) == pytest.approx(1 + 4)
    angle = torch.tensor(0.7)
    turn = torch.tensor([[angle.cos(), -angle.sin()], [angle.sin(), angle.cos()]])
    a, b = gaussian([0, 0], turn @ one @ turn.T), gaussian([0, 0], turn @ two @ turn.T)
    assert frechet_distance(a, b) == pytest.approx(5, rel=1e-6)


def test_covariances_that_do_not_commute() -> None:
    """In two dimensions tr (AB)^½ = (tr AB + 2 (det AB)^½)^½."""
    a, b = random_covariance(2, 2, 0), random_covariance(2, 2, 1)
    assert not torch.allclose(a @ b, b @ a)
    cross = ((a @ b).trace() + 2 * (a @ b).det().sqrt()).sqrt()
    expected = (a.trace() + b.trace() - 2 * cross).item()
    assert frechet_distance(gaussian([0, 0], a), gaussian([0, 0], b)) == pytest.approx(expected, rel=1e-9)


def test_fewer_samples_than_features_do_no_harm() -> None:
    """Singular covariances, where a matrix square root of their product warns and gives complex numbers."""
    a = random_covariance(10, 200, 0)
    assert frechet_distance(gaussian([0.0] * 200, a), gaussian([0.0] * 200, a)) == pytest.approx(0, abs=1e-9)
    # On disjoint axes nothing is shared: the distance is the sum of both traces.
    b, c = torch.zeros(20, 20, dtype=torch.float64), torch.zeros(20, 20, dtype=torch.float64)
    b[:10, :10], c[10:, 10:] = random_covariance(3, 10, 1), random_covariance(3, 10, 2)
    expected = (b.trace() + c.trace()).item()
    assert frechet_distance(gaussian([0.0] * 20, b), gaussian([0.0] * 20, c)) == pytest.approx(expected)
    flat = gaussian([0.0] * 20, torch.zeros(20, 20))
    assert frechet_distance(flat, flat) == 0


def test_it_is_symmetric_and_agrees_with_a_matrix_square_root() -> None:
    features = torch.randn(2, 300, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    a, b = moments(features[0]), moments(features[1] * 1.3 + 0.2)
    assert frechet_distance(a, b) == pytest.approx(frechet_distance(b, a), rel=1e-9)
    root = scipy.linalg.sqrtm((a.covariance @ b.covariance).numpy()).real
    trace = a.covariance.trace() + b.covariance.trace() - 2 * root.trace()
    assert frechet_distance(a, b) == pytest.approx(((a.mean - b.mean).square().sum() + trace).item(), rel=1e-6)


def test_batches_give_numpys_mean_and_covariance_even_far_from_zero() -> None:
    features = torch.randn(100, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) + 1e6
    found = moments(features)
    assert np.allclose(found.mean.numpy(), features.numpy().mean(axis=0), rtol=1e-14)
    assert np.allclose(found.covariance.numpy(), np.cov(features.numpy(), rowvar=False), rtol=1e-7)


def test_pictures_are_rounded_like_the_papers_files() -> None:
    levels = eight_bit(torch.tensor([-2.0, -1.0, -0.001, 0.0, 0.9999, 1.0, 2.0])) * 255
    assert levels.tolist() == [0, 0, 127, 128, 255, 255, 255]


class Painter(InMemory):
    """A generator that paints the first number of a code, and remembers how many pictures it painted at once."""

    def __init__(self, shift: float = 0.0) -> None:
        self.shift, self.most, self.drawn = shift, 0, 0

    def sample_latents(self, n: int, rng: torch.Generator) -> Tensor:
        return torch.randn(n, 4, generator=rng) / 4

    def sample_views(self, n: int, rng: torch.Generator) -> View | None:
        return torch.randn(n, 1, generator=rng) / 4

    def synthesize(self, w: Tensor, view: View | None = None) -> Synthesis:
        assert view is not None
        self.most, self.drawn = max(self.most, len(w)), self.drawn + len(w)
        image = torch.cat([w[:, :1], view, w[:, 1:2] + self.shift], dim=1)[..., None, None].expand(-1, -1, 4, 4)
        return Synthesis(image, image)


def mean_colour(images: Tensor) -> Tensor:
    return images.mean(dim=(2, 3))


def test_two_generators_are_given_the_same_people_and_views() -> None:
    before, after = Painter(), Painter(shift=0.5)
    a = torch.cat(list(sampled_features(before, mean_colour, 37, seed=3)))  # type: ignore[arg-type]
    b = torch.cat(list(sampled_features(after, mean_colour, 37, seed=3)))  # type: ignore[arg-type]
    assert a.shape == (37, 3)
    assert before.most == 8
    assert torch.equal(a[:, :2], b[:, :2])
    assert (b - a)[:, 2].median().item() == pytest.approx(0.25, abs=0.01)
    assert not torch.equal(a, torch.cat(list(sampled_features(before, mean_colour, 37, seed=4))))  # type: ignore[arg-type]
    assert frechet_distance(moments(a), moments(a)) == pytest.approx(0, abs=1e-12)
    assert frechet_distance(moments(a), moments(b)) == pytest.approx(0.25**2, abs=0.01)


def slow_squared_mmd(x: Tensor, y: Tensor, paired: bool) -> float:
    """Add up the kernel pair by pair, in Python's own numbers."""
    a, b = x.tolist(), y.tolist()

    def k(u: list[float], v: list[float]) -> float:
        return float((sum(p * q for p, q in zip(u, v, strict=True)) / len(u) + 1) ** 3)

    n = len(a)
    others = [(i, j) for i in range(n) for j in range(n) if i != j]
    between = others if paired else [(i, j) for i in range(n) for j in range(n)]
    within = sum(k(a[i], a[j]) + k(b[i], b[j]) for i, j in others) / len(others)
    return within - 2 * sum(k(a[i], b[j]) for i, j in between) / len(between)


def test_the_kernel_distance_is_a_sum_over_pairs_and_torchmetrics() -> None:
    make_torchvision_importable()
    kid = pytest.importorskip("torchmetrics.image.kid")
    features = torch.randn(2, 30, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    x, y = features[0], features[1] * 1.5 + 0.3
    for paired in (True, False):
        assert squared_mmd(x, y, paired) == pytest.approx(slow_squared_mmd(x, y, paired), rel=1e-9)
        assert kernel_distance(x, y, paired)[0] == squared_mmd(x, y, paired)
    assert squared_mmd(x, y, paired=False) == pytest.approx(kid.poly_mmd(x, y).item(), rel=1e-9)


def test_the_kernel_distance_of_equal_and_of_shifted_people() -> None:
    """For x and y in one dimension, E(xy + 1)³ = E x³ E y³ + 3 E x² E y² + 3 E x E y + 1."""
    x = torch.randn(2000, 1, generator=torch.Generator().manual_seed(0))
    assert kernel_distance(x, x, paired=True) == (0, 0)
    shift = 0.5
    first, second, third = shift, 1 + shift**2, 3 * shift + shift**3  # moments of N(shift, 1)
    within = 1 + 3 + (1 + 3 * first**2 + 3 * second**2 + third**2)
    expected = within - 2 * (1 + 3 * second)
    other = torch.randn(2000, 1, generator=torch.Generator().manual_seed(1))
    value, error = kernel_distance(x, other + shift, paired=False)
    assert abs(value - expected) < 3 * error < expected
    value, error = kernel_distance(x, other, paired=False)
    assert abs(value) < 3 * error


def test_the_error_of_the_kernel_distance_is_how_far_it_varies() -> None:
    draws = torch.randn(40, 2, 60, 3, generator=torch.Generator().manual_seed(0))
    found = torch.tensor([kernel_distance(x, y + 0.5, paired=False) for x, y in draws])
    assert 1 < found[:, 1].mean() / found[:, 0].std() < 2  # blocks vary no less than all samples together


def test_fidelity_draws_once_for_all_networks_and_says_what_chance_would_score() -> None:
    before, after = Painter(), Painter(shift=0.5)
    seen = []

    def brightest(images: Tensor) -> Tensor:
        seen.append(len(images))
        return images.amax(dim=(2, 3))[:, :2]

    real = gaussian_of(torch.rand(50, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(9)))
    networks = [FeatureNetwork("colour", mean_colour, real), FeatureNetwork("brightest", brightest)]
    told: list[tuple[int, int]] = []
    colour, bright = fidelity(before, after, networks, 50, 3, lambda *done: told.append(done))  # type: ignore[arg-type]
    assert told[-1] == (150, 150)
    assert [done for done, _ in told] == sorted({done for done, _ in told})
    assert sum(seen) == before.drawn + after.drawn == 150
    a, b, c = (
        torch.cat(list(sampled_features(painter, mean_colour, 50, seed)))  # type: ignore[arg-type]
        for painter, seed in ((Painter(), 3), (Painter(shift=0.5), 3), (Painter(), 4))
    )
    assert (colour.network, colour.samples, bright.network) == ("colour", 50, "brightest")
    assert colour.frechet == pytest.approx(frechet_distance(moments(a), moments(b)), rel=1e-9)
    assert colour.frechet_reference == pytest.approx(frechet_distance(moments(a), moments(c)), rel=1e-9)
    assert (colour.kid, colour.kid_error) == kernel_distance(a, b, paired=True)
    assert (colour.kid_reference, colour.kid_reference_error) == kernel_distance(a, c, paired=False)
    further = frechet_distance(real, moments(b)) - frechet_distance(real, moments(a))
    assert colour.delta_real == pytest.approx(further, rel=1e-9)
    assert bright.delta_real is None
    assert colour.frechet > 10 * colour.frechet_reference > 0
    assert bright.frechet == pytest.approx(0, abs=1e-9)  # it does not see the colour that changed
    assert bright.kid == 0
    with pytest.raises(UsageError, match="at least 4"):
        fidelity(before, after, networks, 3, 0)  # type: ignore[arg-type]


def test_a_judge_sees_pictures_in_its_own_range() -> None:
    images = torch.tensor([0.0, 0.5, 1.0]).view(3, 1, 1, 1).expand(3, 3, 2, 2)
    seen = judge_features(lambda images: images.mean(dim=(1, 2, 3))[:, None])(images)
    assert seen.flatten().tolist() == [-1, 0, 1]


def test_statistics_of_real_pictures_are_read_in_both_formats(tmp_path: Path) -> None:
    features = np.random.default_rng(0).normal(size=(50, 6)).astype(np.float32)
    np.save(tmp_path / "real.npy", features)
    mu, sigma = features.mean(axis=0), np.cov(features, rowvar=False)
    np.savez(tmp_path / "real.npz", mu=mu, sigma=sigma)
    a, b = (read_statistics(tmp_path / f"real.{suffix}", 6) for suffix in ("npy", "npz"))
    assert np.allclose(a.mean.numpy(), mu, atol=1e-6)
    assert np.allclose(a.covariance.numpy(), sigma, atol=1e-6)
    assert frechet_distance(a, b) == pytest.approx(0, abs=1e-9)


def test_wrong_statistics_are_told(tmp_path: Path) -> None:
    np.save(tmp_path / "narrow.npy", np.zeros((50, 5)))
    np.save(tmp_path / "one.npy", np.zeros((1, 6)))
    np.save(tmp_path / "words.npy", np.array(["a"]))
    np.save(tmp_path / "nan.npy", np.full((3, 6), np.nan))
    np.save(tmp_path / "objects.npy", np.array([{"a": print}]), allow_pickle=True)
    np.savez(tmp_path / "other.npz", mu=np.zeros(6))
    np.savez(tmp_path / "narrow.npz", mu=np.zeros(5), sigma=np.zeros((5, 5)))
    (tmp_path / "noise.npy").write_bytes(b"noise")
    for name, reason in {
        "narrow.npy": r"shape \(50, 5\)",
        "one.npy": r"shape \(1, 6\)",
        "words.npy": "no floating-point",
        "nan.npy": "NaN or Inf",
        "objects.npy": "cannot be read",
        "other.npz": "cannot be read",
        "narrow.npz": r"shapes \(5,\)",
        "noise.npy": "cannot be read",
        "gone.npy": "There is no file",
    }.items():
        with pytest.raises(UsageError, match=reason) as told:
            read_statistics(tmp_path / name, 6)
        assert str(tmp_path) not in str(told.value)


def test_features_are_pytorch_fids(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Random weights of the published shape, in the place where pytorch-fid itself looks for its file."""
    make_torchvision_importable()
    pytest.importorskip("pytorch_fid")
    torch.manual_seed(0)
    network = FidInception()
    state = network.network.state_dict()
    for name, tensor in state.items():
        if name.endswith("running_var"):
            tensor.uniform_(0.5, 1.5)
        elif name.endswith("conv.weight"):
            torch.nn.init.kaiming_normal_(tensor)
    published = {**state, "fc.weight": torch.zeros(1008, 2048), "fc.bias": torch.zeros(1008)}
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    torch.save(published, folder / WEIGHTS_FILE)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    from pytorch_fid.inception import InceptionV3

    images = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        theirs = InceptionV3().eval()(images)[0].flatten(1)
    for weights in (folder / WEIGHTS_FILE, None):
        ours = load_inception(weights, CPU)(images)
        assert ours.shape == (2, 2048)
        assert torch.allclose(ours, theirs, rtol=1e-3, atol=1e-4 * float(theirs.std()))
    assert theirs.std() > 1e-3


def test_an_inception_that_cannot_be_had_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_torchvision_importable()
    pytest.importorskip("pytorch_fid")

    def refuse(*_: object, **__: object) -> None:
        raise OSError("no network")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)
    with pytest.raises(HubError, match="Inception cannot be fetched"):
        load_inception(None, CPU)
    torch.save({"a": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(HubError, match=r"other\.pth does not hold"):
        load_inception(tmp_path / "other.pth", CPU)
    monkeypatch.setitem(sys.modules, "pytorch_fid", None)
    with pytest.raises(UsageError, match="needs the package pytorch-fid") as told:
        load_inception(None, CPU)
    assert "guide-plugin[fid]" in told.value.remedy
