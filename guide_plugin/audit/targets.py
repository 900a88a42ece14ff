"""Whom the recovery attack tries to bring back, and from where."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from guide_plugin.adapter import Adapter, View
from guide_plugin.audit.drawing import frontal, picture
from guide_plugin.audit.effort import Effort
from guide_plugin.operator import Photos, Subject
from guide_plugin.report.recovery_figures import Start, Who


@dataclass(frozen=True)
class Witnesses:
    """Photos that only judge: others of the subject, and photos of other people."""

    holdouts: Photos | None = None
    strangers: Photos | None = None


@dataclass(frozen=True)
class Target:
    """One picture to bring back: the image [1, 3, H, W], the view [1, …] that it shows, and whose it is."""

    image: Tensor
    view: View | None
    who: Who


@dataclass(frozen=True)
class Aim:
    """One search to make: for which of the targets, and from where."""

    target: int
    start: Start


def pictures_of(photos: Photos | None, who: Who) -> list[Target]:
    """Return a target for each photo."""
    if photos is None:
        return []
    views = [None] * len(photos.images) if photos.views is None else list(photos.views.split(1))
    return [Target(image, view, who) for image, view in zip(photos.images.split(1), views, strict=True)]


def choose_targets(before: Adapter, subject: Subject, witnesses: Witnesses, controls: Tensor) -> list[Target]:
    """Return the pictures to bring back, the subject's first, then hold-outs, strangers and controls.

    A subject without photos is searched for by the original's picture of them; controls are such pictures as well.

    Args:
        controls: codes of people whom nobody unlearned [n, *latent_shape].
    """
    view = frontal(before, 1)
    own = subject.photos or Photos(picture(before, subject.code), view)
    return [
        *pictures_of(own, "subject"),
        *pictures_of(witnesses.holdouts, "hold-out"),
        *pictures_of(witnesses.strangers, "stranger"),
        *(Target(picture(before, w), view, "control") for w in controls.split(1)),
    ]


def once_each(targets: list[Target], start: Start) -> list[Aim]:
    """Return a search for every target, in their order: what the original is searched for."""
    return [Aim(i, start) for i in range(len(targets))]


def further(targets: list[Target], effort: Effort, old_code: bool) -> Iterator[Aim]:
    """Yield what the redacted generator is searched for beside: the subject's pictures and the hold-outs, in turn.

    Args:
        old_code: whether the first further search for the subject begins at their old code; the others begin at random.
    """
    start: Start = "picked" if effort.start_pool else "random"
    for who, asked in (("subject", effort.searches), ("hold-out", effort.holdout_searches)):
        rows = [i for i, target in enumerate(targets) if target.who == who]
        several = asked * len(rows) if who == "hold-out" else asked
        for k in range(several - len(rows)):
            from_old = old_code and who == "subject" and k == 0
            yield Aim(rows[k % len(rows)], "old code" if from_old else start)


def led_by_the_judge(targets: list[Target], effort: Effort, start: Start) -> list[Aim]:
    """Return the searches for the subject's pictures, in turn, that the judge leads; the first begins at `start`."""
    rows = [i for i, target in enumerate(targets) if target.who == "subject"]
    elsewhere: Start = "picked" if effort.start_pool else "random"
    return [Aim(rows[k % len(rows)], elsewhere if k else start) for k in range(effort.guided)]


def views_of(targets: list[Target]) -> View | None:
    """Return the views of all targets [n, …]; None where the backbone has none."""
    seen = [target.view for target in targets if target.view is not None]
    return torch.cat(seen) if seen else None
