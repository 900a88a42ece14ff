"""Erased and retained in one number each: what methods of unlearning people are ranked by."""

from __future__ import annotations

import torch
from torch import Tensor

from guide_plugin.report.findings import BystanderFigures, ErasureFigures, PhotoFigures
from guide_plugin.report.recovery_figures import Attack


def pictures_of_subject(own: Tensor, photos: list[PhotoFigures], attacks: list[Attack]) -> Tensor:
    """Return the similarities to the subject, original and redacted generator [n, 2], of every picture of them.

    Args:
        own: the same of their own code under all views and of codes nearby [m, 2].
        photos: each at its code, under the view that is the most alike.
        attacks: of which those count that the verdict counts, each by its best drawing.
    """
    found = [(photo.reconstruction, photo.after_max) for photo in photos]
    found += [(attack.before[-1], attack.after[-1]) for attack in attacks if attack.counted]
    return torch.cat([own.double(), torch.tensor(found, dtype=torch.float64).reshape(-1, 2)])


def erasure_figures(pictures: Tensor, bystanders: BystanderFigures, threshold: float) -> ErasureFigures | None:
    """Count who is verified before and after; None where the judge verified the person in no picture before.

    Args:
        pictures: similarities to the subject, original and redacted generator [n, 2].
        threshold: from it on, a picture is verified as a person's.
    """
    verified = pictures[pictures[:, 0] >= threshold]
    if not len(verified):
        return None
    erased = (verified[:, 1] < threshold).double().mean().item()
    people = bystanders.random.n
    retained = 1 - bystanders.lost / people
    both = erased + retained
    return ErasureFigures(
        pictures=len(verified),
        ea=erased,
        people=people,
        ra=retained,
        erb=2 * erased * retained / both if both else 0.0,
    )
