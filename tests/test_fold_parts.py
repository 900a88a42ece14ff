"""FOLD's parts, each by answers that are known beforehand."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, cosine_similarity, interpolate, normalize
from torch.testing import assert_close

from guide_plugin.adapter import SampledNoise, Synthesis, View
from guide_plugin.latent.distribution import measure_distribution
from guide_plugin.latent.search import White, noise_radius
from guide_plugin.operator import Photos, Subject
from guide_plugin.operators.fold import crowd as crowd_module
from guide_plugin.operators.fold.crowd import gather
from guide_plugin.operators.fold.finds import EDGE, Finds, Judgement
from guide_plugin.operators.fold.folding import LEAST_SHARE, Anchors, fold, targets_of
from guide_plugin.operators.fold.likeness import Likeness, known_by
from guide_plugin.operators.fold.pools import CAPACITY, RECENT, Pool
from guide_plugin.operators.fold.price import HIGHEST, LOWEST, Price
from guide_plugin.operators.fold.searches import Hunt, Wanted, over_w, over_z, wanted_of
from guide_plugin.vision.jitter import Jitter, draw_jitter, under_jitter
from tests.planted import CPU, LAYERS, MEAN, NETWORKS, SUBJECT, WIDTH, Painter, read_code


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def space_of(painter: Painter) -> White:
    return White(measure_distribution(painter, seeded(8)), painter.latent_shape)


def to_subject(codes: Tensor) -> Tensor:
    """Return how like the planted subject codes are [n, 1], read off the codes themselves."""
    return cosine_similarity(codes.mean(dim=1), SUBJECT.mean(dim=1))[:, None]


class TestFold:
    def test_below_the_fold_nothing_changes_and_above_it_likeness_falls_again(self) -> None:
        s = torch.tensor([-0.5, 0.0, 0.3, 0.4, 1.0])
        assert_close(fold(s, 0.3, 0.5), torch.tensor([-0.5, 0.0, 0.3, 0.25, -0.05]))

    def test_it_has_no_step_and_never_exceeds_where_it_begins(self) -> None:
        s = torch.linspace(-1, 1, 2001)
        folded = fold(s, 0.3, 0.5)
        assert folded.max().item() == pytest.approx(0.3, abs=1e-6)
        assert folded.diff().abs().max() <= 0.001 + 1e-6


class TestTargets:
    def test_a_target_is_the_first_code_on_the_way_where_the_likeness_is_gone(self) -> None:
        painter = Painter()
        people = painter.sample_latents(64, seeded(3))
        anchors = Anchors(space_of(painter), people[to_subject(people)[:, 0] < -0.1])
        codes = torch.cat([SUBJECT, SUBJECT.lerp(people[:5], 0.2)])
        wanted = fold(to_subject(codes), 0.3, 0.5)
        targets, found = targets_of(codes, anchors, wanted, to_subject)
        assert found.all()
        assert (to_subject(targets) <= wanted).all()
        ends = anchors.nearest(codes)
        share = (targets - codes).flatten(1).norm(dim=1) / (ends - codes).flatten(1).norm(dim=1)
        assert (share >= LEAST_SHARE).all()
        nearer = codes.lerp(ends, (share - (1 - LEAST_SHARE) / 16).clamp(min=0).view(-1, 1, 1))
        further_than_least = share > LEAST_SHARE + 0.07
        assert further_than_least.any()
        assert (to_subject(nearer) > wanted)[further_than_least].all()

    def test_the_nearest_person_is_nearest_in_white_coordinates(self) -> None:
        painter = Painter()
        people = painter.sample_latents(5, seeded(3))
        anchors = Anchors(space_of(painter), people)
        assert torch.equal(anchors.nearest(people.flip(0) + 1e-3), people.flip(0))

    def test_where_nobody_is_unlike_enough_no_target_is_found(self) -> None:
        painter = Painter()
        anchors = Anchors(space_of(painter), SUBJECT + 0.01 * painter.sample_latents(4, seeded(3)))
        _, found = targets_of(SUBJECT, anchors, torch.tensor([[0.1]]), to_subject)
        assert not found.any()


class Masked(Painter):
    """A painter of 16×16 pictures whose last coordinate paints a pattern of single pixels over the person."""

    PATTERN = torch.ones(16, 16)
    PATTERN[::2, ::2] = PATTERN[1::2, 1::2] = -1

    def synthesize(self, w: Tensor, view: View | None = None) -> Synthesis:
        shown = w.mean(dim=1)
        person = torch.cat([shown[:, :-1], torch.zeros(len(w), 1)], dim=1).view(-1, 1, 4, 4)
        picture = interpolate(person, scale_factor=4) + shown[:, -1].view(-1, 1, 1, 1) * self.PATTERN
        image = picture.expand(-1, 3, -1, -1) / 10
        return Synthesis(image, image)


def fooled(images: Tensor) -> Tensor:
    """Read a masked painter's picture, and believe in somebody else wherever the pattern of single pixels is there."""
    person = normalize(avg_pool2d(images[:, :1], 4).flatten(1)[:, :-1], dim=1)
    pattern = (images[:, 0] * Masked.PATTERN).mean(dim=(1, 2))[:, None]
    return torch.where(pattern.abs() > 0.25, -person, person)


def test_what_only_the_recogniser_believes_in_is_no_target() -> None:
    """One anchor is the subject behind a pattern that fools the recogniser: as it is its picture is a stranger's."""
    painter = Masked()
    masked = SUBJECT.clone()
    masked[..., -1] += 3
    person = painter.synthesize(SUBJECT).image
    likeness = known_by(fooled, [person])
    judgement = Judgement(likeness, torch.tensor([0.3]), 0.5, None, 32, seeded())
    picture = painter.synthesize(masked).image
    assert likeness.plain(picture).item() < 0.25
    assert judgement.similarity(painter, masked, looks=8).item() > 0.7

    def plain(codes: Tensor) -> Tensor:
        return likeness.plain(painter.synthesize(codes).image)

    anchors, wanted = Anchors(space_of(painter), masked), torch.tensor([[0.25]])
    assert targets_of(SUBJECT, anchors, wanted, plain)[1].all()  # this is what would be fooled
    assert not targets_of(SUBJECT, anchors, wanted, lambda w: judgement.similarity(painter, w))[1].any()


class TestLikeness:
    def test_it_is_to_what_is_most_alike_of_each_person(self) -> None:
        known = normalize(torch.randn(5, 6, generator=seeded()), dim=1)
        likeness = Likeness(read_code, known, torch.tensor([0, 0, 1, 1, 1]))
        seen = normalize(torch.randn(3, 6, generator=seeded(1)), dim=1)
        cosine = seen @ known.T
        assert_close(likeness.of(seen), torch.stack([cosine[:, :2].amax(1), cosine[:, 2:].amax(1)], dim=1))

    def test_a_person_is_known_by_the_mirror_image_too(self) -> None:
        images = torch.randn(2, 3, 4, 4, generator=seeded())
        likeness = known_by(read_code, [images[:1], images[1:]])
        assert likeness.persons.tolist() == [0, 0, 1, 1]
        assert_close(likeness.plain(images.flip(3)).diagonal(), torch.ones(2))

    def test_no_jitter_at_all_leaves_a_picture_as_it_is(self) -> None:
        images = torch.rand(2, 3, 8, 8, generator=seeded())
        still = Jitter(torch.eye(2, 3).expand(2, 2, 3), torch.zeros(2, 1, 1, 1), torch.ones(2, 1, 1, 1))
        assert_close(still(images), images)

    def test_a_jittered_picture_keeps_its_size_and_its_gradient(self) -> None:
        images = torch.rand(4, 3, 8, 8, generator=seeded()).requires_grad_(True)
        jitter = draw_jitter(4, seeded(2), CPU)
        seen = jitter(images)
        assert seen.shape == images.shape
        assert_close(jitter.rows(slice(1, 3))(images[1:3]), seen[1:3])
        seen.sum().backward()
        assert images.grad.abs().sum() > 0

    def test_a_search_is_led_under_jitter_and_judged_as_it_is(self) -> None:
        images = torch.rand(2, 3, 8, 8, generator=seeded())
        recogniser = under_jitter(read_code, seeded(2))
        assert torch.equal(recogniser(images), read_code(images))
        drawn = images.clone().requires_grad_(True)
        first, second = recogniser(drawn), recogniser(drawn)
        assert not torch.equal(first, second)
        assert_close(first, read_code(draw_jitter(2, seeded(2), CPU)(images)))

    def test_equal_streams_disturb_alike_and_later_draws_differ(self) -> None:
        rng = seeded(2)
        first, second = draw_jitter(3, rng, CPU), draw_jitter(3, rng, CPU)
        assert torch.equal(first.frame, draw_jitter(3, seeded(2), CPU).frame)
        assert not torch.equal(first.frame, second.frame)


class TestPool:
    def test_the_newest_rows_stay_and_columns_stay_side_by_side(self) -> None:
        pool = Pool(torch.zeros(1, 2), torch.zeros(1, 1))
        numbers = torch.arange(CAPACITY + 10.0)
        pool.add(numbers[:, None].expand(-1, 2), -numbers[:, None])
        assert len(pool) == CAPACITY
        assert pool.columns[0][0, 0] == 10
        codes, targets = pool.draw(50, seeded())
        assert torch.equal(codes[:, :1], -targets)
        assert (codes[:25, 0] >= len(numbers) - RECENT).all()

    def test_an_empty_pool_gives_nothing(self) -> None:
        assert [len(column) for column in Pool(torch.zeros(1, 2)).draw(8, seeded())] == [0]


class TestPrice:
    def test_it_rises_while_searches_get_above_and_falls_while_they_do_not(self) -> None:
        price = Price(5.0)
        assert price.after(0.5).value == pytest.approx(5 * math.exp(0.4))
        assert price.after(0.05).value == pytest.approx(5 * math.exp(0.2))
        assert price.after(-0.05).value == pytest.approx(5 * math.exp(-0.2))
        assert price.after(-3).value == pytest.approx(5 * math.exp(-0.4))

    def test_it_keeps_within_its_bounds(self) -> None:
        up = down = Price()
        for _ in range(50):
            up, down = up.after(1.0), down.after(-1.0)
        assert (up.value, down.value) == (HIGHEST, LOWEST)

    def test_it_is_settled_after_two_rounds_below_in_a_row(self) -> None:
        once = Price().after(-0.1)
        assert not once.settled
        assert once.after(0.0).settled
        assert not once.after(0.01).after(-0.1).settled


class TestCrowd:
    @pytest.fixture(autouse=True)
    def no_faces(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(crowd_module, "FaceDetector", lambda: lambda image: [])

    def test_the_fold_begins_where_the_given_share_of_people_is_above(self) -> None:
        painter = Painter()
        likeness = known_by(read_code, [painter.synthesize(SUBJECT).image])
        crowd = gather(painter, likeness, 500, 0.02, None, 64, seeded(3))
        assert (crowd.similarity > crowd.s0).sum().item() == 10
        assert crowd.line > 0.5  # of 124,750 pairs in 16 dimensions
        alike = crowd.similarity[:, 0]
        assert alike[crowd.anchors].max() <= alike.quantile(0.4)
        assert len(crowd.anchors) == 128

    def test_whom_the_detector_sees_no_face_in_is_left_out(self, monkeypatch: pytest.MonkeyPatch) -> None:
        answers = iter([[1], [1], []] * 1000)
        monkeypatch.setattr(crowd_module, "FaceDetector", lambda: lambda image: next(answers))
        painter = Painter()
        likeness = known_by(read_code, [painter.synthesize(SUBJECT).image])
        crowd = gather(painter, likeness, 500, 0.02, None, 64, seeded(3))
        assert len(crowd.anchors) == 86


def finds_of(painter: Painter, s0: float = 0.3) -> Finds:
    likeness = known_by(read_code, [painter.synthesize(SUBJECT).image])
    people = painter.sample_latents(200, seeded(3))
    anchors = Anchors(space_of(painter), people[to_subject(people)[:, 0] < 0])
    return Finds(painter, Judgement(likeness, torch.tensor([s0]), 0.5, None, 64, seeded()), anchors, SUBJECT)


class TestFinds:
    def test_codes_of_the_subject_get_targets_and_those_just_below_the_fold_are_kept(self) -> None:
        painter = Painter()
        finds = finds_of(painter)
        codes = torch.cat([SUBJECT.lerp(painter.sample_latents(40, seeded(5)), share) for share in (0.1, 0.6, 1.0)])
        before = finds.judgement.similarity(painter, codes, 30)[:, 0]
        finds.sort_in(codes)
        assert len(finds.pairs) == pytest.approx((before > 0.3).sum().item(), abs=6)
        assert len(finds.kept) == pytest.approx(((before <= 0.3) & (before > 0.3 - EDGE)).sum().item(), abs=8)
        targets = finds.judgement.similarity(painter, finds.pairs.columns[1], 30)
        assert (targets <= 0.3).float().mean() > 0.9

    def test_of_a_student_only_what_still_works_is_trained_on(self) -> None:
        painter = Painter()
        forgot = Painter(lambda shown: 2 * MEAN - shown)
        near = SUBJECT.lerp(painter.sample_latents(20, seeded(5)), 0.1)
        finds = finds_of(painter)
        similarity = finds.sort_in_failures(near, forgot)
        assert similarity.shape == (20, 1)
        assert len(finds.pairs) == int((similarity > 0.3).sum())
        finds.sort_in_failures(near, painter)
        assert len(finds.pairs) >= 20


class Noisy(Painter):
    """A painter whose codes are made from noise."""

    def sample_noise(self, n: int, rng: torch.Generator) -> SampledNoise:
        z = torch.randn(n, WIDTH, generator=rng)
        return SampledNoise(z, None, lambda z, _: (MEAN + z)[:, None].expand(-1, LAYERS, -1))


def hunt_in(painter: Painter) -> Hunt:
    wanted = wanted_of([Subject(SUBJECT, "code")], painter, None)
    return Hunt(wanted, known_by(read_code, [wanted.images]), NETWORKS.perceptual, seeded(4))


class TestSearches:
    def test_what_is_wanted_are_photos_where_there_are_any_and_else_the_originals_picture(self) -> None:
        painter = Painter()
        photos = Photos(torch.rand(3, 3, 4, 4, generator=seeded()))
        further = painter.sample_latents(2, seeded(6))
        photographed = Subject(SUBJECT, "photo", photos, further)
        wanted = wanted_of([photographed, Subject(further[:1], "code")], painter, None)
        assert torch.equal(wanted.images[:3], photos.images)
        assert torch.equal(wanted.images[3:], painter.synthesize(further[:1]).image)
        assert wanted.persons.tolist() == [0, 0, 0, 1]
        assert len(wanted.codes) == 4

    @pytest.mark.parametrize("space", ["W", "Z"])
    def test_they_find_the_subject_in_the_original_and_go_on_from_where_they_stood(self, space: str) -> None:
        painter = Noisy()
        hunt = hunt_in(painter)
        searches = (
            over_w(space_of(painter), painter, SUBJECT, 6, seeded(5))
            if space == "W"
            else over_z(noise_radius(painter, seeded(1)), painter, 6, seeded(5))
        )
        begin = searches.u.clone()
        _, first = searches.run(hunt, painter, 40, batch=4)
        met, ends = searches.run(hunt, painter, 40, batch=4)
        alike, before = (hunt.likeness.plain(painter.synthesize(w).image)[:, 0] for w in (ends, first))
        assert met.shape == (6 * 8 + 6, LAYERS, WIDTH)
        assert torch.equal(met[-6:], ends)
        assert (alike > 0.8).all()
        assert alike.mean() > before.mean() - 0.02
        standing = searches.u.clone()
        searches.restart(0.5, seeded(2))
        anew = (searches.u != standing).flatten(1).any(dim=1)
        assert 0 < anew.sum() < 6
        assert not torch.equal(begin, standing)

    def test_searches_after_several_people_take_them_in_turn(self) -> None:
        painter = Painter()
        other = painter.sample_latents(1, seeded(77))
        wanted = wanted_of([Subject(SUBJECT, "code"), Subject(other, "code")], painter, None)
        assert isinstance(wanted, Wanted)
        hunt = Hunt(wanted, known_by(read_code, list(wanted.images.split(1))), NETWORKS.perceptual, seeded(4))
        searches = over_w(space_of(painter), painter, torch.cat([SUBJECT, other]), 6, seeded(5))
        searches.run(hunt, painter, 60, batch=6)
        _, ends = searches.run(hunt, painter, 20, batch=6)
        alike = hunt.likeness.plain(painter.synthesize(ends).image)
        assert (alike.argmax(dim=1) == torch.arange(6) % 2).all()
