"""Attacks of one kind together: the worst counts for the subject, the middle one for everybody else."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass

from guide_plugin.report.recovery_figures import Attack

NAMES = {
    "subject": "The person",
    "hold-out": "The person, other photos",
    "control": "People who were never unlearned",
    "stranger": "People the model never saw",
}


@dataclass(frozen=True)
class AttackGroup:
    """All attacks on one kind of person with one kind of codes.

    Attributes:
        rule: how the attacks become one number: "highest" or "median".
        before, after: that number at the end of the attacks.
        before_curve, after_curve: and at every step, where all attacks measured at the same steps, else empty.
        distance: median distance of the codes found in the redacted model, in typical codes.
    """

    who: str
    codes: str
    attacks: list[Attack]
    rule: str
    before: float
    after: float
    before_curve: list[float]
    after_curve: list[float]
    distance: float

    @property
    def name(self) -> str:
        return NAMES[self.who]


def grouped(attacks: list[Attack], codes: str) -> list[AttackGroup]:
    """Return the groups among attacks with these codes, the subject first; empty attacks are left out."""
    groups = []
    for who in NAMES:
        some = [attack for attack in attacks if (attack.who, attack.codes) == (who, codes) and attack.steps]
        if some:
            groups.append(_group(who, codes, some))
    return groups


def plausible(attacks: list[Attack]) -> list[AttackGroup]:
    """Return the groups of both kinds of codes that the generator itself makes, W's first."""
    return [*grouped(attacks, "W"), *grouped(attacks, "Z")]


def counted(attacks: list[Attack]) -> list[Attack]:
    """Return the searches for the subject that the verdict counts, and that took a step."""
    return [attack for attack in attacks if attack.counted and attack.steps]


def share_above(attacks: list[Attack], threshold: float) -> float:
    """Return the share of these searches in the redacted generator that reach the threshold; at least one of them."""
    return sum(attack.after[-1] >= threshold for attack in attacks) / len(attacks)


def group_of(groups: list[AttackGroup], *who: str) -> list[AttackGroup]:
    """Return those of the groups that are about `who`."""
    return [group for group in groups if group.who in who]


def _group(who: str, codes: str, attacks: list[Attack]) -> AttackGroup:
    is_subject = who in ("subject", "hold-out")
    one: Callable[[list[float]], float] = max if is_subject else statistics.median
    comparable = all(attack.steps == attacks[0].steps for attack in attacks)
    return AttackGroup(
        who=who,
        codes=codes,
        attacks=attacks,
        rule="highest" if is_subject else "median",
        before=one([attack.before[-1] for attack in attacks]),
        after=one([attack.after[-1] for attack in attacks]),
        before_curve=[one(list(at)) for at in zip(*(a.before for a in attacks), strict=True)] if comparable else [],
        after_curve=[one(list(at)) for at in zip(*(a.after for a in attacks), strict=True)] if comparable else [],
        distance=statistics.median(attack.distance_after for attack in attacks),
    )
