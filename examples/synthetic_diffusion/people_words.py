"""What the text-to-image model is told: people with a token each, and a few words about the scene.

A person's token has no vector of its own to be learned: it is a fixed linear image of the 34 numbers that the renderer
draws the person from. So every person, also one whom the model was not trained on, has a place among the tokens.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import CLIPTokenizer

from examples.synthetic_faces.people import IDENTITY, SCENE

from .pictures import on_sphere

PEOPLE, SCENES = 1500, 8
WIDTH = 64
NAMES = [f"<person-{i:04d}>" for i in range(PEOPLE)]
WORDS = ("a", "photo", "portrait", "picture", "of", "person", "smiling", "serious", "facing", "left", "right")
WORDS = (*WORDS, "on", "dark", "bright", "background", "in", "warm", "cold", "light")

# word(s) of a caption -> the scene's number and the value that it stands for
SAID = {
    "smiling": ("smile", 1.2),
    "serious": ("smile", -1.2),
    "facing left": ("yaw", -1.1),
    "facing right": ("yaw", 1.1),
    "on a dark background": ("background_lightness", -1.2),
    "on a bright background": ("background_lightness", 1.2),
    "in warm light": ("light_warmth", 1.3),
    "in cold light": ("light_warmth", -1.3),
}
CHOICES = (("smiling", "serious"), ("facing left", "facing right"), ("on a dark background", "on a bright background"))
CHOICES = (*CHOICES, ("in warm light", "in cold light"))
PROMPTS = {
    "templates": [
        "a photo of {}",
        "a portrait of {}",
        "a photo of {} smiling on a dark background",
        "a photo of {} serious facing left",
        "a portrait of {} facing right in warm light",
        "a photo of a person",
    ],
    "audit_templates": [
        "a picture of {}",
        "a picture of {} smiling",
        "a portrait of {} facing left on a bright background",
    ],
}
"""What the adapter trains with, and what only judges."""
OPENINGS = ("a photo of", "a portrait of", "a picture of")


def tokenizer() -> CLIPTokenizer:
    """Return a CLIP tokenizer that knows the words above by one token or two, letters, and the names by one each."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    vocabulary, merges = {}, []
    for piece in [*letters, *(letter + "</w>" for letter in letters)]:
        vocabulary[piece] = len(vocabulary)
    for word in WORDS:
        pieces = [*word[:-1], word[-1] + "</w>"]
        while len(pieces) > 1:
            left, right = pieces[0], pieces[1]
            if left + right not in vocabulary:
                vocabulary[left + right] = len(vocabulary)
                merges.append(f"{left} {right}")
            pieces = [left + right, *pieces[2:]]
    for special in ("<|startoftext|>", "<|endoftext|>"):
        vocabulary[special] = len(vocabulary)
    made = CLIPTokenizer(vocab=vocabulary, merges=[tuple(m.split()) for m in merges], model_max_length=20)
    made.add_tokens(NAMES)
    return made


@dataclass(frozen=True)
class Told:
    """People in scenes and what is said of them: the renderer's numbers [n, …], person [n], captions with a {}."""

    numbers: Tensor
    person: Tensor
    captions: list[str]


def identities(rng: torch.Generator, n: int = PEOPLE) -> Tensor:
    """Draw the 34 numbers of each person [n, 34]."""
    return torch.randn(n, len(IDENTITY), generator=rng)


def token_vectors(identity: Tensor) -> Tensor:
    """Return the vectors [n, WIDTH] of people's tokens: their numbers [n, 34], turned into WIDTH dimensions."""
    frame = torch.linalg.qr(torch.randn(WIDTH, len(IDENTITY), generator=torch.Generator().manual_seed(34)))[0]
    return 0.2 * identity @ frame.T


def told(identity: Tensor, scenes: int, rng: torch.Generator) -> Told:
    """Put every person into scenes; each caption says some of what is seen, and the scene follows it."""
    n = len(identity)
    person = torch.arange(n).repeat_interleave(scenes)
    scene = torch.randn(len(person), len(SCENE), generator=rng)
    captions = []
    for row in range(len(person)):
        words = [OPENINGS[int(torch.randint(len(OPENINGS), (1,), generator=rng))], "{}"]
        for pair in CHOICES:
            chosen = int(torch.randint(4, (1,), generator=rng))
            if chosen < 2:
                name, value = SAID[pair[chosen]]
                scene[row, SCENE.index(name)] = value + 0.2 * scene[row, SCENE.index(name)]
                words.append(pair[chosen])
        captions.append(" ".join(words))
    return Told(on_sphere(torch.cat([identity[person], scene], dim=1)), person, captions)
