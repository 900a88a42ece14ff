"""What the best search ended at, as a picture: which end it is, and how it stands beside other people."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from guide_plugin.adapter import Synthesis, View
from guide_plugin.audit.evidence import evidence
from guide_plugin.audit.likeness import Distances, Ending, best_endings, distances, likeness_figures
from guide_plugin.audit.searches import Searches
from guide_plugin.audit.targets import Aim, Target
from guide_plugin.inversion import Inversion
from guide_plugin.operator import Subject
from guide_plugin.vision.perceptual import ConvPerceptual
from tests.planted import SUBJECT, Painter

PERCEPTUAL = ConvPerceptual([4]).requires_grad_(False)


class Poster(Painter):
    """A painter of pictures large enough for MS-SSIM."""

    def synthesize(self, w: Tensor, view: View | None = None) -> Synthesis:
        image = F.interpolate(super().synthesize(w, view).image, (48, 48), mode="bilinear")
        return Synthesis(image, image)


def people(n: int = 40) -> Tensor:
    return Poster().sample_latents(n, torch.Generator().manual_seed(1))


def searches(codes: str, targets: list[int], similarity: list[float]) -> Searches:
    n = len(targets)
    ends = people(n)
    found = Inversion(ends, {}, torch.tensor(similarity), 0.0, (1,), torch.tensor(similarity)[:, None], True)
    return Searches(codes, "trainer", [Aim(target, "mean") for target in targets], found)  # type: ignore[arg-type]


def test_the_best_end_is_of_a_search_that_counts() -> None:
    image = Poster().synthesize(SUBJECT).image
    targets = [Target(image, None, who) for who in ("subject", "hold-out", "control")]  # type: ignore[arg-type]
    made = [searches("W", [0, 1, 2], [0.3, 0.5, 0.9]), searches("W+", [0], [0.99]), searches("Z", [0, 0], [0.1, 0.4])]
    best, second = best_endings(made, targets)
    assert (best.codes, best.similarity, best.target) == ("W", pytest.approx(0.5), targets[1])
    assert torch.equal(best.code, made[0].found.code[1:2])
    assert (second.codes, second.similarity) == ("Z", pytest.approx(0.4))
    shown = evidence(Poster(), Poster(), Subject(SUBJECT, "seed"), targets, made, people(), PERCEPTUAL)
    captions = " / ".join(shown)
    assert captions.index("a plausible code (W)") < captions.index("from noise (Z)") < captions.index("per layer (W+)")
    assert captions.count("the original at the same code") == 2
    assert captions.count("bystander") == 3
    nearest = distances(Poster(), people(), targets[1], PERCEPTUAL).perceptual.argmin()
    expected = Poster().synthesize(people()[nearest : nearest + 1]).image[0]
    assert torch.equal(shown["bystander 1 by nearness to the picture"], expected)


def test_the_subjects_own_picture_is_nearer_than_anybodys() -> None:
    target = Target(Poster().synthesize(SUBJECT).image, None, "subject")
    own = distances(Poster(), SUBJECT, target, PERCEPTUAL)
    others = distances(Poster(), people(), target, PERCEPTUAL)
    assert own.perceptual.item() == pytest.approx(0, abs=1e-6)
    assert own.structure is not None
    assert own.structure.item() == pytest.approx(1, abs=1e-5)
    found = likeness_figures(Ending("W", SUBJECT, target, 1.0), own, others)
    assert (found.people, found.nearer, found.more_alike, found.scales) == (40, 0, 0, 3)
    assert found.perceptual < found.perceptual_nearest
    assert found.ms_ssim is not None
    assert found.ms_ssim_nearest is not None
    assert found.ms_ssim > found.ms_ssim_nearest


def test_how_many_are_nearer_is_counted() -> None:
    target = Target(torch.zeros(1, 3, 64, 64), None, "subject")
    others = Distances(torch.arange(1.0, 101.0), torch.arange(100) / 100)
    found = likeness_figures(
        Ending("Z", SUBJECT, target, 0.5), Distances(torch.tensor([10.5]), torch.tensor([0.905])), others
    )
    assert (found.codes, found.people, found.nearer, found.more_alike, found.scales) == ("Z", 100, 10, 9, 3)
    assert found.perceptual_nearest == pytest.approx(5.95)
    assert found.ms_ssim_nearest == pytest.approx(0.9405)
    small = likeness_figures(
        Ending("Z", SUBJECT, Target(torch.zeros(1, 3, 8, 8), None, "subject"), 0.5),
        Distances(torch.tensor([10.5]), None),
        Distances(others.perceptual, None),
    )
    assert (small.scales, small.ms_ssim, small.ms_ssim_nearest, small.more_alike) == (0, None, None, None)
