"""Whom the recovery attack tries to bring back, and from where."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from guide_plugin.adapter import Adapter, View
from guide_plugin.audit.drawing import frontal, picture
from guide_plugin.operator import Photos, Subject
from guide_plugin.report.recovery_figures import Start, Who


@dataclass(frozen=True)
class Witnesses:
    """Photos that only judge: others of the subject, and photos of other people."""

    holdouts: Photos | None = None
    strangers: Photos | None = None


@dataclass(frozen=True)
class Target:
    """One picture to bring back: the image [1, 3, H, W], the view [1, …] that it shows, and whose it is.

    Attributes:
        start: the code [1, *latent_shape] where the search begins; None for the mean code.
        begins: what `start` is, in the report's word.
        both: attack the original too; a further attack on the same picture from elsewhere need not.
    """

    image: Tensor
    view: View | None
    who: Who
    start: Tensor | None = None
    begins: Start = "mean"
    both: bool = True


def pictures_of(photos: Photos | None, who: Who) -> list[Target]:
    """Return a target for each photo."""
    if photos is None:
        return []
    views = [None] * len(photos.images) if photos.views is None else list(photos.views.split(1))
    return [Target(image, view, who) for image, view in zip(photos.images.split(1), views, strict=True)]


def choose_targets(
    before: Adapter, subject: Subject, witnesses: Witnesses, controls: Tensor, random_starts: Tensor
) -> list[Target]:
    """Return the pictures to bring back, the subject's first, then hold-outs, strangers and controls.

    A subject without photos is attacked by the original's picture of them; controls are such pictures as well.

    Args:
        controls: codes of people whom nobody unlearned [n, *latent_shape].
        random_starts: codes from which the subject's first picture is attacked again [n, *latent_shape].
    """
    view = frontal(before, 1)
    own = subject.photos or Photos(picture(before, subject.code), view)
    targets = [
        *pictures_of(own, "subject"),
        *pictures_of(witnesses.holdouts, "hold-out"),
        *pictures_of(witnesses.strangers, "stranger"),
        *(Target(picture(before, w), view, "control") for w in controls.split(1)),
    ]
    image, seen = targets[0].image, targets[0].view
    targets.append(Target(image, seen, "subject", subject.code, "old code", both=False))
    return targets + [Target(image, seen, "subject", w, "random", both=False) for w in random_starts.split(1)]


def views_of(targets: list[Target]) -> View | None:
    """Return the views of all targets [n, …]; None where the backbone has none."""
    seen = [target.view for target in targets if target.view is not None]
    return torch.cat(seen) if seen else None
