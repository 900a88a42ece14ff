"""The audit against answers known beforehand: planted generators, recognisers with known angles."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from guide_plugin.adapter import Synthesis, View
from guide_plugin.audit.audit import Examination
from guide_plugin.audit.bystanders import bystander_figures, kept_share, merged
from guide_plugin.audit.comparison import Comparison, compare
from guide_plugin.audit.drawing import middle_view
from guide_plugin.audit.effort import effort
from guide_plugin.audit.identity import subject_figures
from guide_plugin.audit.searches import Attacker, most_alike
from guide_plugin.audit.statistics import (
    bootstrap_interval,
    distribution,
    make_reference,
    stranger_similarities,
    threshold,
)
from guide_plugin.audit.targets import Aim, Target, Witnesses, further, once_each
from guide_plugin.audit.verdict import draw_verdict
from guide_plugin.operator import Photos, Subject
from guide_plugin.plan import Silent
from guide_plugin.recipe import Audit, Rules
from guide_plugin.report.findings import BINS, Findings
from guide_plugin.report.schema import Verdict
from guide_plugin.vision.perceptual import ConvPerceptual
from tests.planted import (
    MEAN,
    NETWORKS,
    SUBJECT,
    Mapped,
    Painter,
    fading_from,
    read_code,
    swapped_within,
    without_subject,
)

QUICK = Audit(bystanders=150, attack_steps=80, searches=3, controls=2, searched=50)
FLIPPED = torch.cosine_similarity(SUBJECT[:, 0], SUBJECT[:, 0].flip(1)).item()


def measure(
    after: Painter, before: Painter | None = None, subject: Subject | None = None, **witnesses: Photos
) -> Findings:
    subject = subject or Subject(SUBJECT, "seed")
    return (
        Examination(
            before or Painter(), after, subject, Witnesses(**witnesses), QUICK, NETWORKS, read_code, 0, Silent()
        )
        .run()
        .findings
    )


def without_times(found: Findings) -> Findings:
    """Return findings without what two equal audits may differ in."""
    cost = found.recovery.cost.model_copy(update={"seconds": 0.0})
    recovery = found.recovery.model_copy(update={"cost": cost})
    return found.model_copy(update={"seconds": 0.0, "recovery": recovery})


def judged(found: Findings, judge_is_trainer: bool = False, reproduced: float | None = None) -> Verdict:
    return draw_verdict(found, Rules(), judge_is_trainer=judge_is_trainer, reproduced=reproduced)


def test_a_planted_swap_of_one_code_is_found_and_nothing_else() -> None:
    found = measure(Painter(swapped_within(1e-4)))
    assert found.subject is not None
    assert found.subject.after_max == pytest.approx(FLIPPED, abs=1e-5)
    assert found.subject.nearby_after_mean == pytest.approx(found.subject.nearby_before_mean)
    assert found.subject.nearby_before_mean > 0.9
    assert found.bystanders.random.minimum == pytest.approx(1.0, abs=1e-5)
    assert found.bystanders.pixels.maximum == 0.0
    assert found.bystanders.merged == 0.0
    failed = {rule.name for rule in judged(found).rules if rule.outcome == "fail"}
    # The neighbourhood still draws the person, and whoever searches it finds them.
    assert failed == {"codes near the subject", "recovery, plausible codes"}


def test_a_planted_erasure_passes_and_cannot_be_undone_with_plausible_codes() -> None:
    found = measure(Painter(without_subject))
    assert found.subject is not None
    assert found.recovery is not None
    assert found.subject.after_max == pytest.approx(0.0, abs=1e-4)
    assert found.erasure is not None
    assert found.erasure.pictures > 30  # their own code, most of 32 nearby, three searches
    assert found.erasure.ea == 1.0
    assert 0 < found.erasure.ra <= 1.0
    attacks = {(a.who, a.codes, a.start): a for a in found.recovery.attacks}
    assert attacks["subject", "W", "mean"].before[-1] > 0.9
    for start in ("mean", "random", "old code"):
        assert attacks["subject", "W", start].after[-1] < found.reference.threshold
    assert attacks["control", "W", "mean"].after[-1] > 0.85
    assert attacks["subject", "W+", "mean"].after[-1] > 0.8  # the layers' difference can show anything
    assert judged(found).outcome in {"pass", "fail"}
    rules = {rule.name: rule.outcome for rule in judged(found).rules}
    assert rules["recovery, plausible codes"] == "pass"
    assert rules["subject's own code"] == "pass"


def test_an_untouched_generator_fails_and_is_as_easily_searched_as_before() -> None:
    found = measure(Painter())
    assert found.subject is not None
    assert found.recovery is not None
    assert found.leak is not None
    assert found.subject.after_max == pytest.approx(1.0, abs=1e-5)
    for attack in found.recovery.attacks:
        # Batches of other sizes round otherwise, and a search carries that on.
        assert attack.start != "mean" or attack.before[-1] == pytest.approx(attack.after[-1], abs=0.05)
        assert attack.after == sorted(attack.after)
    assert found.recovery.search_before == found.recovery.search_after
    assert found.leak.change == 0.0
    failed = {rule.name for rule in judged(found).rules if rule.outcome == "fail"}
    assert {"subject's own code", "codes near the subject", "recovery, plausible codes"} <= failed


def test_a_person_whom_noise_alone_still_draws_is_found_there() -> None:
    """One code for all layers cannot show the subject any more; the codes that the generator itself makes can."""
    subject = Subject(Mapped().sample_latents(1, torch.Generator().manual_seed(99)), "seed")
    direction = nn.functional.normalize((subject.code - MEAN).mean(dim=1), dim=1)

    def turned(shown: Tensor) -> Tensor:
        return shown - ((shown - MEAN) @ direction.T) * direction

    found = measure(Mapped(turned), Mapped(), subject)
    assert found.recovery is not None
    ends = {codes: [a for a in found.recovery.attacks if (a.who, a.codes) == ("subject", codes)] for codes in "WZ"}
    ends = {codes: [a for a in some if a.guide == "trainer"] for codes, some in ends.items()}
    assert [a.start for a in ends["W"]] == ["mean", "old code", "random"]
    assert [a.start for a in ends["Z"]] == ["random", "random", "random"]
    limit = found.reference.threshold
    assert max(a.after[-1] for a in ends["W"]) < limit < max(a.after[-1] for a in ends["Z"])
    assert min(a.before[-1] for a in ends["Z"]) > 0.9
    (rule,) = (rule for rule in judged(found).rules if rule.name == "recovery, plausible codes")
    assert rule.outcome == "fail"
    assert rule.measured == max(a.after[-1] for a in found.recovery.attacks if a.counted)
    controls = [a for a in found.recovery.attacks if (a.who, a.codes) == ("control", "Z")]
    assert len(controls) == QUICK.controls


def test_a_judge_that_knows_too_few_people_proves_nothing() -> None:
    """Whom it takes for somebody else in the next photo, it would not find again either."""

    def nervous(images: Tensor) -> Tensor:
        return nn.functional.normalize(torch.sin(60 * images[:, 0].flatten(1)), dim=1)

    who = Subject(SUBJECT, "seed"), Witnesses(), QUICK, NETWORKS
    found = Examination(Painter(), Painter(without_subject), *who, nervous, 0, Silent()).run().findings
    assert found.reference.known < 0.5
    (rule,) = (rule for rule in judged(found).rules if rule.name == "judge knows people")
    assert (rule.outcome, rule.measured) == ("vacuous", found.reference.known)
    assert measure(Painter()).reference.known > 0.7


def test_what_the_searches_cost_is_told() -> None:
    cost = measure(Painter()).recovery.cost
    once, more, led = 3, 2, 2  # the subject and two controls; the subject twice more; twice by the judge's opinion
    assert cost.searches == 2 * once + 2 * once + more + led  # over W and W+, in both
    assert cost.steps == 80 * cost.searches
    assert cost.seconds > 0


def test_starts_are_the_most_alike_and_no_two_the_same() -> None:
    similarity = torch.tensor([[0.1, 0.9, 0.5, 0.2], [0.3, 0.2, 0.1, 0.8]])
    aims = [Aim(0, "picked"), Aim(1, "picked"), Aim(0, "picked"), Aim(0, "picked")]
    assert most_alike(similarity, aims).tolist() == [1, 3, 2, 3]


def test_the_judge_leads_searches_of_its_own_where_it_has_a_gradient() -> None:
    found = measure(Mapped(), Mapped())
    led = [a for a in found.recovery.attacks if a.guide == "judge"]
    assert [(a.who, a.codes, a.start) for a in led] == [
        ("subject", "W", "mean"), ("subject", "W", "random"), ("subject", "Z", "random"), ("subject", "Z", "random"),
    ]  # fmt: skip
    assert all(a.counted for a in led)
    assert not [words for words in found.not_measured if "another recogniser" in words or "(Z)" in words]

    def numb(images: Tensor) -> Tensor:
        return read_code(torch.from_numpy(images.detach().numpy()))

    who = Subject(SUBJECT, "seed"), Witnesses(), QUICK, NETWORKS
    for judge, same, why in ((numb, False, "no gradient"), (read_code, True, "the same one")):
        found = Examination(Painter(), Painter(), *who, judge, 0, Silent(), same).run().findings
        assert {a.guide for a in found.recovery.attacks} == {"trainer"}
        assert [words for words in found.not_measured if why in words]
        assert [words for words in found.not_measured if "searches over noise (Z)" in words]


def test_the_judges_opinion_takes_the_place_of_the_trainers() -> None:
    """The trainer sees everybody alike, so what is left of the face's part of the loss is the judge's or nothing."""

    def blind(images: Tensor) -> Tensor:
        return nn.functional.normalize(0 * images[:, 0].flatten(1) + 1, dim=1)

    target = [Target(Painter().synthesize(SUBJECT).image, None, "subject")]
    asked = replace(effort(Audit(attack_steps=3, searches=1)), guided=1)
    attacker = Attacker(NETWORKS.perceptual, blind, read_code, target, SUBJECT, asked, 3, lambda done, of: None)
    by_trainer, by_judge = attacker.once(Painter())[0].found, attacker.by_the_judge(Painter())[0].found
    assert by_trainer.losses["identity"].item() == pytest.approx(0, abs=1e-5)
    assert by_judge.losses["identity"].item() == pytest.approx(1 - by_judge.similarity.item(), abs=1e-5)
    assert by_judge.losses["identity"].item() > 0.01


def test_several_photos_are_searched_for_in_turn() -> None:
    image = Painter().synthesize(SUBJECT).image
    who = ["subject", "subject", "subject", "hold-out", "control"]
    targets = [Target(image, None, name) for name in who]
    asked = effort(Audit(searches=8))
    made = [*once_each(targets, "mean"), *further(targets, asked, old_code=True)]
    assert [aim.start for aim in made] == ["mean"] * 5 + ["old code"] + ["random"] * 5
    of_subject = [aim.target for aim in made if aim.target < 3]
    assert of_subject == [0, 1, 2, 0, 1, 2, 0, 1]
    assert [aim.target for aim in made].count(3) == asked.holdout_searches == 2
    thorough = list(further(targets, effort(Audit(level="full")), old_code=False))
    assert {aim.start for aim in thorough} == {"picked"}
    assert len([aim for aim in thorough if aim.target < 3]) + 3 == 32


def test_a_full_audit_starts_where_random_people_are_most_alike() -> None:
    """Of 2,000 random codes the ones that begin a search show the subject better than any of 20 random ones."""
    attacker = Attacker(
        NETWORKS.perceptual,
        read_code,
        read_code,
        [Target(Mapped().synthesize(SUBJECT).image, None, "subject")],
        SUBJECT,
        replace(effort(Audit(attack_steps=1, searches=4)), start_pool=2000),
        3,
        lambda done, of: None,
    )
    z = next(some for some in attacker.once(Mapped()) if some.codes == "Z")
    assert z.aims == [Aim(0, "picked")]
    random = Mapped().synthesize(Mapped().sample_latents(20, torch.Generator().manual_seed(1))).image
    assert z.found.curve[0, 0] > (read_code(random) @ read_code(attacker.targets[0].image).T).max()


def test_a_generator_that_changed_everybody_fails_on_bystanders() -> None:
    found = measure(Painter(swapped_within(1e9)))
    assert found.bystanders.random.median < 0.9
    failed = {rule.name for rule in judged(found).rules if rule.outcome == "fail"}
    assert {"bystanders, median", "bystanders, 5th percentile"} <= failed


def test_without_a_subject_everybody_else_is_measured_and_nothing_is_passed() -> None:
    found = Examination(Painter(), Painter(), None, Witnesses(), QUICK, NETWORKS, read_code, 0, Silent()).run().findings
    assert found.subject is None
    assert found.recovery is None
    assert found.bystanders.random.median == pytest.approx(1.0)
    assert judged(found).outcome == "inconclusive"


def test_photos_and_holdouts_are_measured_on_their_own() -> None:
    """A hold-out shows the subject's mirror image: gone is the subject, not the hold-out."""
    image, other = (Painter().synthesize(code).image for code in (SUBJECT, SUBJECT.flip(2)))
    subject = Subject(SUBJECT, "photo", Photos(image))
    found = measure(Painter(swapped_within(1.0)), subject=subject, holdouts=Photos(other))
    own, holdout = found.photos
    assert (own.kind, holdout.kind) == ("subject", "hold-out")
    assert own.reconstruction == pytest.approx(1.0, abs=1e-5)
    assert own.after_max == pytest.approx(FLIPPED, abs=1e-5)
    assert holdout.after_max == pytest.approx(holdout.reconstruction, abs=1e-5)
    assert holdout.code_after_max == pytest.approx(1.0, abs=1e-5)
    rules = {rule.name: rule.outcome for rule in judged(found).rules}
    assert (rules["subject's photos"], rules["hold-out photos"]) == ("pass", "fail")


def test_who_was_unlearned_is_found_where_the_two_models_differ_most() -> None:
    found = measure(Painter(fading_from)).leak
    assert found is not None
    assert found.change > 2 * found.change_random
    assert found.found > found.by_chance
    assert found.found > 0.7


def test_an_audit_with_equal_seeds_is_equal_and_draws_others_with_another() -> None:
    first, again = (measure(Painter(swapped_within(3.0))) for _ in range(2))
    assert without_times(first) == without_times(again)


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


def test_the_subject_is_drawn_under_every_view_and_others_frontally() -> None:
    views = torch.tensor([[-1.0], [0.0], [1.0]])
    seen: list[Tensor] = []

    class Watching(Painter):
        def synthesize(self, w: Tensor, view: View | None = None) -> Synthesis:
            assert view is not None
            seen.append(view)
            return super().synthesize(w, view)

    painters = Watching(views=views), Painter(views=views)
    Examination(*painters, None, Witnesses(), QUICK, NETWORKS, read_code, 0, Silent()).run()
    flat = torch.cat(seen).flatten()
    assert not flat[: QUICK.bystanders].any()
    assert flat[QUICK.bystanders :].any()  # the same person from other sides
    assert middle_view(views, 2).tolist() == [[0.0], [0.0]]


def test_strangers_are_all_pairs_of_different_people() -> None:
    embeddings = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
    assert stranger_similarities(embeddings).tolist() == [0.0, -1.0, 0.0]


def test_one_in_a_thousand_strangers_lies_above_the_threshold() -> None:
    values = torch.linspace(-1, 1, 100_001)
    limit = threshold(values, 0.001)
    assert (values > limit).double().mean().item() == pytest.approx(0.001, abs=2e-5)
    found = make_reference(torch.eye(4), torch.ones(3), torch.empty(0, 4), 0.001)
    assert (found.strangers.n, found.strangers.maximum, found.same_person.median) == (6, 0.0, 1.0)


def test_a_known_sample_is_summarised() -> None:
    found = distribution(torch.arange(101.0))
    assert (found.n, found.minimum, found.q05, found.median, found.q99, found.maximum) == (101, 0, 5, 50, 99, 100)
    counted = distribution(torch.tensor([-1.0, 0.01, 0.02, 1.0]), similarity=True).counts
    assert (len(counted), sum(counted), counted[0], counted[BINS // 2], counted[-1]) == (BINS, 4, 1, 2, 1)


def test_the_bootstrap_interval_is_as_wide_as_the_normal_one() -> None:
    values = torch.randn(400, generator=torch.Generator().manual_seed(1), dtype=torch.float64) + 3
    low, high = bootstrap_interval(values) or (0.0, 0.0)
    error = 1.96 * values.std().item() / math.sqrt(len(values))
    assert (low, high) == pytest.approx((values.mean().item() - error, values.mean().item() + error), abs=0.02)
    assert bootstrap_interval(values[:1]) is None


def test_comparison_measures_pixels_and_perception() -> None:
    codes = Painter().sample_latents(20, torch.Generator().manual_seed(1))

    def only_the_fourth(shown: Tensor) -> Tensor:
        return torch.where((shown == codes[3, 0]).all(dim=1, keepdim=True), shown.flip(1), shown)

    found = compare(Painter(), Painter(only_the_fourth), codes, None, read_code, ConvPerceptual([4]))
    assert (found.pixels > 0).nonzero().flatten().tolist() == [3]
    assert (found.perceptual > 0).nonzero().flatten().tolist() == [3]
    change = (codes[3, 0] - codes[3, 0].flip(0)).abs().mean().item() / 10
    assert found.pixels[3].item() == pytest.approx(change, rel=1e-4)


def test_two_people_who_became_one_are_counted() -> None:
    before = torch.eye(4)
    after = torch.tensor([[1.0, 0, 0, 0], [1.0, 0, 0, 0], [0, 0, 1.0, 0], [0, 0, 0, 1.0]])
    seen = Comparison(before, after, torch.zeros(4), torch.zeros(4))
    assert merged(seen, 0.5) == pytest.approx(1 / 6)
    figures = bystander_figures(seen, before[:1], 0.5)
    assert figures.neighbours is not None
    assert figures.neighbours_to_subject is not None
    assert figures.neighbours_to_subject.maximum < 0.5  # the subject is no neighbour of themselves


def test_what_is_kept_is_measured_from_strangers_up() -> None:
    assert kept_share(1.0, 0.8) == pytest.approx(1.0)
    assert kept_share(0.8, 0.8) == pytest.approx(0.0)
    assert kept_share(0.98, 0.8) == pytest.approx(0.9)
