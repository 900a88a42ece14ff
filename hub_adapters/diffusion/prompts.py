"""Prompts with a person in them: a code stands where the person's tokens would."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from guide_plugin import AdapterError, UsageError
from hub_adapters.diffusion.people import AUDIT_TEMPLATES, FAMILY_NAMES, GIVEN_NAMES, TEMPLATES
from hub_adapters.diffusion.sampling import Sampling

PLACE = "{}"
FILLER = 0
"""The token in the person's place; the unknown token would not do, to CLIP it is the end of the prompt."""
FEWEST = 16
"""How many known people span a space of person-codes at least."""


class Spoken(NamedTuple):
    """Templates as tokens: ids [k, L], and where the person's tokens stand in each (-1 where nobody is named) [k]."""

    ids: Tensor
    place: Tensor


class Conditions(NamedTuple):
    """What the denoiser is told: hidden states [n, L, D], and for SDXL pooled ones [n, P]."""

    hidden: Tensor
    pooled: Tensor | None


class Speaker:
    """One tokenizer and its text encoder; SDXL has two.

    Args:
        tokens: how many tokens stand for a person.
        last_but_one: take the hidden states before the last layer, as SDXL does.
    """

    def __init__(self, tokenizer: Any, encoder: Any, tokens: int, last_but_one: bool) -> None:
        self.tokenizer, self.encoder, self.tokens, self.last_but_one = tokenizer, encoder, tokens, last_but_one
        self.table = encoder.get_input_embeddings()
        self.width = self.table.embedding_dim
        self.device = self.table.weight.device

    def vectors(self, name: str) -> Tensor | None:
        """Return the token vectors of a name [tokens · width]; None where it takes more or fewer tokens."""
        ids = self.tokenizer(name, add_special_tokens=False).input_ids
        if len(ids) != self.tokens or self.tokenizer.unk_token_id in ids:
            return None
        return self.table.weight[torch.tensor(ids, device=self.device)].detach().flatten()

    def speak(self, templates: tuple[str, ...]) -> Spoken:
        """Turn templates into tokens."""
        rows, places = [], []
        for template in templates:
            before, named, after = template.partition(PLACE)
            person = [FILLER] * (self.tokens if named else 0)
            head, tail = (self.tokenizer(text, add_special_tokens=False).input_ids for text in (before, after))
            ids = [self.tokenizer.bos_token_id, *head, *person, *tail, self.tokenizer.eos_token_id]
            longest = min(self.tokenizer.model_max_length, self.encoder.config.max_position_embeddings)
            if len(ids) > longest:
                raise AdapterError(f"The prompt {template!r} takes more than {longest} tokens.", "Shorten it.")
            rows.append(ids + [self.tokenizer.pad_token_id] * (longest - len(ids)))
            places.append(1 + len(head) if named else -1)
        return Spoken(torch.tensor(rows, device=self.device), torch.tensor(places, device=self.device))

    def listen(self, spoken: Spoken, rows: Tensor, vectors: Tensor) -> tuple[Tensor, Tensor]:
        """Return hidden states [n, L, D] and the pooled output [n, P].

        Args:
            rows: which template each prompt is [n].
            vectors: the person's token vectors [n, tokens · width].
        """
        ids, place = spoken.ids[rows], spoken.place[rows]
        person = vectors.view(len(rows), self.tokens, self.width)
        offsets = torch.arange(ids.shape[1], device=self.device) - place[:, None]
        named = (place[:, None] >= 0) & (offsets >= 0) & (offsets < self.tokens)
        laid = person.gather(1, offsets.clamp(0, self.tokens - 1)[..., None].expand(-1, -1, self.width))

        def put_in(module: Any, arguments: Any, embedded: Tensor) -> Tensor:
            return torch.where(named[..., None], laid, embedded)

        hook = self.table.register_forward_hook(put_in)
        try:
            told = self.encoder(ids, output_hidden_states=self.last_but_one)
        finally:
            hook.remove()
        return (told.hidden_states[-2] if self.last_but_one else told[0]), told[0]


def people_of(speakers: list[Speaker], sampling: Sampling) -> Tensor:
    """Return the codes of the people that the tokenizers know [k, code width].

    Raises:
        AdapterError: they are too few to span a space.
    """
    pairs = zip(GIVEN_NAMES, FAMILY_NAMES, strict=True)
    names = sampling.people or tuple(f"{given} {family}" for given, family in pairs)
    known = [code for name in names if (code := code_of(name, speakers)) is not None]
    if len(known) < FEWEST:
        raise AdapterError(
            f"The text encoder knows {len(known)} of {len(names)} people by their tokens, {FEWEST} are needed.",
            "Name people in the model's sampling.json.",
        )
    return torch.stack(known)


def code_of(name: str, speakers: list[Speaker]) -> Tensor | None:
    """Return the code of a name [code width]; None where it takes another number of tokens than a code has."""
    vectors = [speaker.vectors(name) for speaker in speakers]
    return None if any(v is None for v in vectors) else torch.cat([v for v in vectors if v is not None])


def code_of_name(name: str, speakers: list[Speaker]) -> Tensor:
    """Return the code of a name [1, code width].

    Raises:
        UsageError: it is not as many tokens as a code has.
    """
    code = code_of(name, speakers)
    if code is None:
        tokens = speakers[0].tokens
        raise UsageError(
            f"The name is not {tokens} token{'s' if tokens > 1 else ''} of this model's, as its people are.",
            "Give the name as the model's tokenizer knows it, or a photo with --face.",
        )
    return code[None]


def templates_of(sampling: Sampling) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the prompts to train with and those that only judge."""
    return sampling.templates or TEMPLATES, sampling.audit_templates or AUDIT_TEMPLATES
