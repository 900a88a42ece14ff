"""A student that trains, and the teacher that it was copied from."""

from __future__ import annotations

import copy

import torch

from guide_plugin.adapter import Adapter
from guide_plugin.testing.conformance.bench import Bench, draw, sample
from guide_plugin.testing.conformance.clause import broken_if, clause
from guide_plugin.testing.conformance.codes import codes_repeat
from guide_plugin.testing.conformance.drawing import same_picture
from guide_plugin.testing.conformance.gradients import draw_for_training, gradients_reach_all, loss_of

LEARNING_RATE = 1e-2


def take_a_step(student: Adapter) -> None:
    """Train an adapter by one step of Adam, as an operator does."""
    parameters = [parameter.requires_grad_(True) for _, parameter in student.trainable_parameters()]
    optimiser = torch.optim.Adam(parameters, lr=LEARNING_RATE)
    loss_of(draw_for_training(student, 2)).backward()
    optimiser.step()


@clause(
    expected="A model that is loaded again draws the same pictures, bit for bit.",
    matters="Audits compare the redacted model with the original, loaded another day.",
    mend="Fill the whole network from the checkpoint; what it does not hold must not be random.",
    needs=(same_picture, codes_repeat),
)
def loads_the_same(bench: Bench) -> None:
    again = bench.load()
    same = torch.equal(draw(again, bench.codes).image, bench.drawn.image)
    broken_if(not same, "The second one draws other pictures.")
    broken_if(not torch.equal(sample(again), bench.codes), "The second one gives other codes for the same seed.")


@clause(
    expected="After a step of training, the same codes give other pictures and features.",
    matters="An audit of remembered pictures would find that nothing was forgotten.",
    mend="Keep no pictures between calls, and no copies of weights: draw with the parameters that were named.",
    needs=(gradients_reach_all,),
)
def training_is_seen(bench: Bench) -> None:
    student = bench.load()
    before = draw(student, bench.codes)
    take_a_step(student)
    after = draw(student, bench.codes)
    for name, tensor in after._asdict().items():
        broken_if(torch.equal(tensor, getattr(before, name)), f"`{name}` stayed as it was.")


@clause(
    expected="A deep copy draws the same pictures, bit for bit.",
    matters="Student and teacher begin as copies; a difference at the start counts as change.",
    mend="Let `copy.deepcopy` copy the adapter; a `__deepcopy__` of your own must copy every weight.",
    needs=(same_picture,),
)
def copy_draws_the_same(bench: Bench) -> None:
    drawn = draw(copy.deepcopy(bench.adapter), bench.codes)
    broken_if(not torch.equal(drawn.image, bench.drawn.image), "The copy draws other pictures.")


@clause(
    expected="While the student trains, the teacher that it was copied from stays as it was, bit for bit.",
    matters="A teacher that learns along compares the student with itself, and everybody may change unseen.",
    mend="Share no tensors between an adapter and its deep copy: no class attributes, no closures over the network.",
    needs=(copy_draws_the_same, training_is_seen),
)
def copy_is_independent(bench: Bench) -> None:
    teacher = bench.load()
    before = draw(teacher, bench.codes).image
    student = copy.deepcopy(teacher)
    take_a_step(student)
    broken_if(not torch.equal(draw(teacher, bench.codes).image, before), "The teacher changed.")
    still = torch.equal(draw(student, bench.codes).image, before)
    broken_if(still, "The student did not change: it trains parameters that it does not draw with.")


CLAUSES = (loads_the_same, training_is_seen, copy_draws_the_same, copy_is_independent)
