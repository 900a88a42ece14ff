"""What the small diffusion models learned from, and how: the words fit the pictures, and learning lowers the loss."""

from __future__ import annotations

import json

import torch
from torch import Tensor, nn

from examples.synthetic_diffusion import people_words as words
from examples.synthetic_diffusion.learning import learn
from examples.synthetic_faces.people import IDENTITY, SCENE
from tests.conftest import REPOSITORY


def test_captions_say_what_is_seen() -> None:
    identity = words.identities(torch.Generator().manual_seed(0), 200)
    told = words.told(identity, 4, torch.Generator().manual_seed(1))
    scene = told.numbers[:, len(IDENTITY) :]
    for said, (name, value) in words.SAID.items():
        seen = torch.tensor([said in caption for caption in told.captions])
        assert 100 < seen.sum() < 300
        shown = scene[:, SCENE.index(name)]
        assert shown[seen].mean().item() * value > 0.8
        assert abs(shown[~seen].mean().item()) < abs(shown[seen].mean().item())
    assert all("{}" in caption for caption in told.captions)


def test_every_person_is_one_token_and_no_word_is_unknown() -> None:
    tokenizer = words.tokenizer()
    for name in (words.NAMES[0], words.NAMES[-1]):
        assert len(tokenizer(name, add_special_tokens=False).input_ids) == 1, name
    for word in words.WORDS:
        ids = tokenizer(word, add_special_tokens=False).input_ids
        assert 1 <= len(ids) <= 2, word
        assert tokenizer.unk_token_id not in ids


def test_a_persons_token_is_linear_in_who_they_are() -> None:
    a, b = words.identities(torch.Generator().manual_seed(2), 2)
    vectors = words.token_vectors(torch.stack([a, b, a + b]))
    assert torch.allclose(vectors[0] + vectors[1], vectors[2], atol=1e-6)
    assert torch.allclose(vectors.norm(dim=1), 0.2 * torch.stack([a, b, a + b]).norm(dim=1), rtol=1e-5)


def test_the_model_in_the_repository_is_told_what_the_script_writes() -> None:
    sampling = json.loads((REPOSITORY / "examples/models/synthetic-faces-text/sampling.json").read_text())
    assert sampling == {"steps": 8, "people": words.NAMES, **words.PROMPTS}


def test_learning_finds_the_velocity_of_a_known_distribution() -> None:
    """All pictures are c: the best velocity is (√ᾱ·x - c) / √(1 - ᾱ), and a linear network can say it at one level."""
    c = 0.7

    class Affine(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.slope, self.shift = nn.Parameter(torch.zeros(1)), nn.Parameter(torch.zeros(1))

    def predict(network: nn.Module, x: Tensor, t: Tensor, condition: Tensor) -> Tensor:
        return network.slope * x + network.shift

    def batch(rng: torch.Generator) -> tuple[Tensor, Tensor]:
        return torch.full((32, 1, 2, 2), c), torch.empty(0)

    kept: list[int] = []
    alphas, rng = torch.tensor([0.36]), torch.Generator().manual_seed(0)
    network = learn(Affine(), predict, batch, alphas, 3000, 3000, 3e-2, rng, lambda network, step: kept.append(step))
    assert kept == [1000, 2000, 3000]
    assert torch.allclose(network.slope, torch.tensor(0.6 / 0.8), atol=0.02)
    assert torch.allclose(network.shift, torch.tensor(-c / 0.8), atol=0.02)
