"""The one loop around every operator: progress, checkpoints, early stop, Ctrl-C."""

from __future__ import annotations

import shlex
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from guide_plugin.adapter import Adapter
from guide_plugin.audit.drawing import under_all_views
from guide_plugin.errors import UnlearnError, UsageError
from guide_plugin.operator import Embedder, Losses, Operator, OperatorSettings
from guide_plugin.run_dir import Checkpoint, RunDir

EARLY_STOP_EVERY = 25


class Interrupted(UnlearnError):
    """The user or the system asked the run to stop; a checkpoint was saved."""

    exit_code = 130


@dataclass(frozen=True)
class Training:
    """What the loop did.

    Attributes:
        steps: optimiser steps taken in all, earlier sittings included.
        seconds: wall-clock time of this sitting.
        seconds_per_step: mean over this sitting; None where it took no step.
        losses: every loss term, one value per step.
        stopped_early: whether `stop_when` or the operator ended it before its last step.
    """

    steps: int
    seconds: float
    seconds_per_step: float | None
    losses: dict[str, list[float]]
    stopped_early: bool


def train(
    operator: Operator[OperatorSettings],
    student: Adapter,
    rng: torch.Generator,
    run: RunDir,
    *,
    checkpoint_every: int,
    on_step: Callable[[int, Losses], None],
    stop_when: Callable[[], bool] | None = None,
) -> Training:
    """Take a prepared operator from its last checkpoint, if there is one, to its last step.

    Args:
        on_step: called after each step with its number and loss terms: copies that keep no graph alive, still on the
            device; reading one waits for it.
        stop_when: asked every 25 steps whether the subject is forgotten already.

    Raises:
        Interrupted: Ctrl-C or a termination signal came; the checkpoint is saved.
        UsageError: the loss became NaN or Inf, or one picture does not fit into the device's memory.
    """
    weights: dict[str, Tensor] = dict(student.trainable_parameters())
    done = 0
    terms: tuple[str, ...] = ()
    history: list[Tensor] = []
    checkpoint = run.read_checkpoint()
    if checkpoint:
        _restore(checkpoint, weights, operator, rng)
        done, terms, history = checkpoint.step, checkpoint.terms, list(checkpoint.losses)
    begun, first = time.perf_counter(), done
    stopped_early = checkpoint.stopped_early if checkpoint else False

    def save() -> None:
        losses = torch.stack([values.cpu() for values in history])
        if not losses[first:].isfinite().all():
            raise UsageError(
                f"The loss became NaN or Inf by step {done}.", "Start anew with a lower --lr, or --precision float32."
            )
        run.write_checkpoint(
            Checkpoint(done, weights, operator.state_dict(), rng.get_state(), terms, losses, stopped_early)
        )

    with _stop_requests() as asked_to_stop:
        while done < operator.settings.steps and not stopped_early:
            try:
                losses = operator.step()
            except torch.OutOfMemoryError as error:
                raise _does_not_fit(student.device) from error
            done, terms = done + 1, tuple(losses)
            values = torch.stack(list(losses.values())).detach()
            history.append(values)
            on_step(done, dict(zip(terms, values.clone().unbind(), strict=True)))
            last = done == operator.settings.steps
            stopped_early = operator.finished() and not last
            if stop_when and done % EARLY_STOP_EVERY == 0:
                stopped_early = stop_when()
            if asked_to_stop.is_set() or last or stopped_early or done % checkpoint_every == 0:
                save()
            if asked_to_stop.is_set() and not last and not stopped_early:
                raise Interrupted(
                    f"Stopped after step {done} of {operator.settings.steps}; the checkpoint is saved.",
                    f"Go on with: unlearn resume {shlex.quote(str(run.folder))}",
                )
    seconds = time.perf_counter() - begun
    table = torch.stack([values.cpu() for values in history])
    return Training(
        steps=done,
        seconds=seconds,
        seconds_per_step=seconds / (done - first) if done > first else None,
        losses={name: table[:, i].tolist() for i, name in enumerate(terms)},
        stopped_early=stopped_early,
    )


def forgotten_below(
    level: float, teacher: Adapter, student: Adapter, w_u: Tensor, recogniser: Embedder
) -> Callable[[], bool]:
    """Return what asks whether the student's picture of the subject's code [1, …] is less like the teacher's."""
    codes, views = under_all_views(teacher, w_u)
    with torch.no_grad():
        known = recogniser(teacher.synthesize(codes, views).image)

    def forgotten() -> bool:
        with torch.no_grad():
            now = recogniser(student.synthesize(codes, views).image)
        return (known * now).sum(dim=1).max().item() < level

    return forgotten


def _restore(
    checkpoint: Checkpoint, weights: dict[str, Tensor], operator: Operator[OperatorSettings], rng: torch.Generator
) -> None:
    with torch.no_grad():
        for name, weight in weights.items():
            weight.copy_(checkpoint.weights[name])
    operator.load_state_dict(checkpoint.operator)
    rng.set_state(checkpoint.rng)


@contextmanager
def _stop_requests() -> Iterator[threading.Event]:
    """Turn the first SIGINT or SIGTERM into a set event, so that no step is torn; a second one acts as usual."""
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def ask(number: int, frame: object) -> None:
        asked.set()
        signal.signal(number, before[signal.Signals(number)])

    for number in before:
        signal.signal(number, ask)
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _does_not_fit(device: torch.device) -> UsageError:
    have = used = ""
    if device.type == "cuda":
        have = f" of {torch.cuda.get_device_properties(device).total_memory / 2**30:.0f} GiB"
        used = f" (it had reached {torch.cuda.max_memory_allocated(device) / 2**30:.1f} GiB)"
    return UsageError(
        f"Not even one picture at a time fits into the memory{have} of this {device.type} device{used}.",
        "Use --precision bf16, a device with more memory, or --device cpu.",
    )
