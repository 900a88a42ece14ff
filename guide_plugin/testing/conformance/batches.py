"""A code's picture is its own, whoever stands beside it in the batch.

At one place in batches of one size a picture is the same bit for bit. Processors may choose other kernels, which add in
another order, for another place or another size: there, pictures may differ by rounding, `ROUNDING` of their range.
"""

from __future__ import annotations

import torch
from torch import Tensor

from guide_plugin.testing.conformance.bench import CODES, Bench, apart, draw, sample
from guide_plugin.testing.conformance.clause import broken_if, clause
from guide_plugin.testing.conformance.drawing import same_picture

ROUNDING = 1e-4
"""Of the pictures' range: forty times finer than a step of eight bits, far coarser than float32 rounds."""


@clause(
    expected="Different codes give different pictures.",
    matters="A generator that draws one person has nobody to unlearn.",
    mend="Draw every row of `w`, not the first one for all.",
    needs=(same_picture,),
)
def codes_matter(bench: Bench) -> None:
    first, second, third = bench.drawn.image
    same = torch.equal(first, second) or torch.equal(second, third)
    broken_if(same, "Two random codes gave the same picture.")


@clause(
    expected="Beside other codes in a batch of the same size, a code gives the same picture and features, bit for bit.",
    matters="Whoever is drawn beside the subject would change what is measured of the subject.",
    mend="Take no statistics over the batch: no batch normalisation that trains, no mean over the first dimension.",
    needs=(codes_matter,),
)
def batch_neighbours(bench: Bench) -> None:
    others = sample(bench.adapter, seed=1)
    others[1] = bench.codes[1]
    for name, beside_others in draw(bench.adapter, others)._asdict().items():
        same = torch.equal(beside_others[1], getattr(bench.drawn, name)[1])
        broken_if(not same, f"`{name}` of the middle one of {CODES} codes changes with the codes beside it.")


@clause(
    expected=f"At another place in the batch, a code gives the same picture, to {ROUNDING:g} of its range (rounding).",
    matters="Audits draw the same people in other orders before and after.",
    mend="Use the same constant noise for every row of the batch.",
    needs=(batch_neighbours,),
)
def batch_order(bench: Bench) -> str:
    order = torch.arange(CODES).roll(1)
    return _require_near("In another order", draw(bench.adapter, bench.codes[order]).image, bench.drawn.image[order])


@clause(
    expected=f"In a batch of another size, a code gives the same picture, to {ROUNDING:g} of its range (rounding).",
    matters="How many codes share a batch is chosen by memory, and must not change the result.",
    mend="Let nothing in `synthesize` depend on `len(w)`.",
    needs=(batch_neighbours,),
)
def batch_size(bench: Bench) -> str:
    return _require_near("Drawn alone", draw(bench.adapter, bench.codes[:1]).image, bench.drawn.image[:1])


def _require_near(how: str, image: Tensor, expected: Tensor) -> str:
    found = f"a difference of {apart(image, expected):.1g} of the range"
    broken_if(apart(image, expected) > ROUNDING, f"{how}, there is {found}.")
    return found


CLAUSES = (codes_matter, batch_neighbours, batch_order, batch_size)
