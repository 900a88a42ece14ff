"""Who is near the subject: other codes that draw them, and other people who look like them; on a planted generator."""

from __future__ import annotations

import pytest
import torch

from guide_plugin.errors import UsageError
from guide_plugin.operators.guide.aliases import find_aliases, fresh_aliases
from guide_plugin.operators.guide.lookalikes import find_lookalikes
from tests.planted import SUBJECT, Painter, read_code


def test_aliases_draw_the_subject_and_lie_elsewhere() -> None:
    generator, rng = Painter(), torch.Generator().manual_seed(0)
    wanted = read_code(generator.synthesize(SUBJECT).image)
    found = find_aliases(generator, SUBJECT, wanted, None, read_code, rng, n=12, least=0.8)
    assert 6 <= len(found.codes) <= 12
    assert found.similarity.min() >= 0.8
    seen = read_code(generator.synthesize(found.codes).image) @ wanted.T
    assert torch.allclose(seen[:, 0], found.similarity, atol=1e-5)
    assert (found.codes - SUBJECT).flatten(1).norm(dim=1).min() > 0.1
    assert torch.equal(found.codes[:, 0], found.codes[:, 1])  # plausible codes: one for all layers


def test_several_photos_are_searched_for_in_turn() -> None:
    generator, rng = Painter(), torch.Generator().manual_seed(0)
    both = torch.cat([SUBJECT, generator.sample_latents(1, torch.Generator().manual_seed(5))])
    wanted = read_code(generator.synthesize(both).image)
    found = find_aliases(generator, both, wanted, None, read_code, rng, n=12, least=0.8)
    nearer = (read_code(generator.synthesize(found.codes).image) @ wanted.T).argmax(dim=1)
    assert min((nearer == 0).sum(), (nearer == 1).sum()) >= 3


def test_too_strict_a_search_finds_nobody() -> None:
    generator, rng = Painter(), torch.Generator().manual_seed(0)
    wanted = read_code(generator.synthesize(SUBJECT).image)
    assert len(find_aliases(generator, SUBJECT, wanted, None, read_code, rng, n=3, least=0.99999999).codes) == 0


def test_fresh_aliases_lie_on_lines_through_pairs() -> None:
    pair = torch.tensor([[0.0, 0.0], [1.0, 2.0]])
    fresh = fresh_aliases(pair, 200, torch.Generator().manual_seed(0))
    assert torch.allclose(fresh[:, 1], 2 * fresh[:, 0], atol=1e-6)
    assert -0.31 < fresh[:, 0].min() < -0.1
    assert 1.1 < fresh[:, 0].max() < 1.31


def test_lookalikes_are_the_most_alike_who_are_somebody_else() -> None:
    generator = Painter()
    wanted = read_code(generator.synthesize(SUBJECT).image)

    def search(below: float) -> torch.Tensor:
        return find_lookalikes(generator, wanted, None, read_code, torch.Generator().manual_seed(0), below)

    alike = (read_code(generator.synthesize(search(0.6)).image) @ wanted.T)[:, 0]
    people = generator.sample_latents(2048, torch.Generator().manual_seed(1))
    random = (read_code(generator.synthesize(people).image) @ wanted.T)[:, 0]
    assert len(alike) == 204
    assert alike.max() < 0.6
    assert alike.min() > random.quantile(0.85)
    with pytest.raises(UsageError, match="everybody looks like the subject"):
        search(-0.999999)
