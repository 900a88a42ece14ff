"""The audit against answers known beforehand: planted generators, recognisers with known angles."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from guide_plugin.adapter import Synthesis, View
from guide_plugin.audit.audit import audit, middle_view
from guide_plugin.audit.comparison import Comparison, compare
from guide_plugin.audit.identity import quantiles, stranger_similarities, subject_figures
from guide_plugin.audit.verdict import draw_verdict
from guide_plugin.operator import Subject
from guide_plugin.recipe import Audit
from guide_plugin.report.schema import Findings, Quantiles, SubjectFigures
from guide_plugin.vision.perceptual import ConvPerceptual

WIDTH = 16


class Painter:
    """A generator whose picture of a code shows the code itself, and which may swap chosen codes for another."""

    def __init__(self, swapped: Tensor | None = None, reach: float = 0.0, views: Tensor | None = None) -> None:
        self.swapped, self.reach, self.views = swapped, reach, views

    def audit_views(self) -> View | None:
        return self.views

    def sample_latents(self, n: int, rng: torch.Generator) -> Tensor:
        return torch.randn(n, WIDTH, generator=rng)

    def synthesize(self, w: Tensor, view: View | None = None) -> Synthesis:
        if self.swapped is not None:
            near = (w - self.swapped).norm(dim=1, keepdim=True) <= self.reach
            w = torch.where(near, w.flip(1), w)
        image = w.view(-1, 1, 4, 4).expand(-1, 3, -1, -1) / 10
        return Synthesis(image, image)


def read_code(images: Tensor) -> Tensor:
    """Recognise a painter's picture: the direction of its code."""
    return nn.functional.normalize(images[:, 0].flatten(1), dim=1)


def measure(after: Painter, before: Painter | None = None) -> Findings:
    code = torch.randn(1, WIDTH, generator=torch.Generator().manual_seed(99))
    rng = torch.Generator().manual_seed(0)
    return audit(before or Painter(), after, Subject(code, "seed"), Audit(), read_code, ConvPerceptual([4]), rng)


SUBJECT = torch.randn(1, WIDTH, generator=torch.Generator().manual_seed(99))
FLIPPED = torch.cosine_similarity(SUBJECT, SUBJECT.flip(1)).item()


def test_a_planted_swap_of_one_code_is_found_and_nothing_else() -> None:
    found = measure(Painter(SUBJECT, reach=0.0))
    assert found.subject.after_max == pytest.approx(FLIPPED, abs=1e-5)
    assert found.subject.nearby_after_mean == pytest.approx(found.subject.nearby_before_mean)
    assert found.subject.nearby_before_mean > 0.9
    assert found.bystanders.minimum == pytest.approx(1.0, abs=1e-5)
    assert found.bystander_pixels.maximum == 0.0
    verdict = draw_verdict(found, bystander_median=0.9, judge_is_trainer=False)
    assert verdict.outcome == "fail"  # the neighbourhood still draws the person
    assert "near the subject" in verdict.reasons[0]


def test_a_planted_swap_of_the_neighbourhood_passes() -> None:
    found = measure(Painter(SUBJECT, reach=2.0))
    assert found.subject.nearby_after_mean < found.strangers.q99
    assert draw_verdict(found, bystander_median=0.9, judge_is_trainer=False).outcome == "pass"


def test_an_untouched_generator_fails() -> None:
    found = measure(Painter())
    assert found.subject.after_max == pytest.approx(1.0, abs=1e-5)
    assert draw_verdict(found, bystander_median=0.9, judge_is_trainer=False).outcome == "fail"


def test_a_generator_that_changed_everybody_fails_on_bystanders() -> None:
    found = measure(Painter(SUBJECT, reach=1e9))
    assert found.bystanders.median < 0.9
    reasons = draw_verdict(found, bystander_median=0.9, judge_is_trainer=False).reasons
    assert any("bystanders" in reason for reason in reasons)


def test_the_highest_of_all_views_counts() -> None:
    def unit(angle: float) -> list[float]:
        return [math.cos(angle), math.sin(angle)]

    before = torch.tensor([unit(0), unit(1), unit(2)])
    after = torch.tensor([unit(math.pi / 2), unit(1 + math.pi / 3), unit(2 + math.pi / 2)])
    views = Comparison(before, after, torch.zeros(3), torch.zeros(3))
    nearby = Comparison(before[1:2], after[1:2], torch.zeros(1), torch.zeros(1))
    figures = subject_figures(views, nearby)
    assert figures.after_max == pytest.approx(0.5, abs=1e-6)
    assert figures.after_mean == pytest.approx(0.5 / 3, abs=1e-6)
    assert figures.nearby_before_mean == pytest.approx(1.0, abs=1e-6)
    assert figures.nearby_after_max == pytest.approx(0.5, abs=1e-6)


def test_views_are_drawn_one_by_one_and_others_frontally() -> None:
    views = torch.tensor([[-1.0], [0.0], [1.0]])
    seen: list[Tensor] = []

    class Watching(Painter):
        def synthesize(self, w: Tensor, view: View | None = None) -> Synthesis:
            assert view is not None
            seen.append(view)
            return super().synthesize(w, view)

    measure(Painter(views=views), Watching(views=views))
    flat = torch.cat(seen).flatten()
    assert flat[:3].tolist() == [-1.0, 0.0, 1.0]
    assert not flat[3:].any()
    assert len(flat) == 3 + Audit().nearby + Audit().bystanders
    assert middle_view(views, 2).tolist() == [[0.0], [0.0]]


def test_strangers_are_all_pairs_of_different_people() -> None:
    embeddings = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
    assert stranger_similarities(embeddings).tolist() == [0.0, -1.0, 0.0]


def test_quantiles_of_a_known_sample() -> None:
    found = quantiles(torch.arange(101.0))
    assert (found.n, found.minimum, found.q05, found.median, found.q99, found.maximum) == (101, 0, 5, 50, 99, 100)


def test_comparison_measures_pixels_and_perception() -> None:
    codes = torch.randn(20, WIDTH, generator=torch.Generator().manual_seed(1))
    found = compare(Painter(), Painter(codes[3:4], reach=0.0), codes, None, read_code, ConvPerceptual([4]))
    changed = (found.pixels > 0).nonzero().flatten().tolist()
    assert changed == [3]
    assert (found.perceptual > 0).nonzero().flatten().tolist() == [3]
    assert found.pixels[3].item() == pytest.approx((codes[3] - codes[3].flip(0)).abs().mean().item() / 10, rel=1e-4)


def flat(value: float) -> Quantiles:
    return Quantiles(n=1, minimum=value, q05=value, median=value, q95=value, q99=value, maximum=value)


def findings(after: float = 0.1, nearby: float = 0.1, nearby_before: float = 0.95, kept: float = 0.95) -> Findings:
    subject = SubjectFigures(
        after_mean=after,
        after_max=after,
        nearby_before_mean=nearby_before,
        nearby_after_mean=nearby,
        nearby_after_max=nearby,
    )
    zero = flat(0.0)
    return Findings(
        subject=subject,
        strangers=flat(0.5),
        bystanders=flat(kept),
        bystander_pixels=zero,
        bystander_perceptual=zero,
    )


@pytest.mark.parametrize(
    ("found", "judge_is_trainer", "outcome", "reason"),
    [
        (findings(), False, "pass", None),
        (findings(after=0.5), False, "fail", "the subject still scores 0.500"),
        (findings(nearby=0.6), False, "fail", "codes near the subject"),
        (findings(kept=0.89), False, "fail", "bystanders keep"),
        (findings(nearby_before=0.4), False, "inconclusive", "does not tell the subject"),
        (findings(), True, "inconclusive", "only one that judged"),
        (findings(after=0.5), True, "fail", "the subject still scores"),
    ],
)
def test_verdict_rules(found: Findings, judge_is_trainer: bool, outcome: str, reason: str | None) -> None:
    verdict = draw_verdict(found, bystander_median=0.9, judge_is_trainer=judge_is_trainer)
    assert verdict.outcome == outcome
    assert (reason is None) == (not verdict.reasons)
    if reason:
        assert reason in verdict.reasons[0]
