"""How much the audit's levels measure."""

from __future__ import annotations

from dataclasses import dataclass

from guide_plugin.recipe import Audit


@dataclass(frozen=True)
class Effort:
    """How much is measured.

    Attributes:
        bystanders: random people drawn before and after; all pairs of them are the strangers.
        nearby: codes around the subject's.
        attack_steps: of each inversion, in W and again in W+.
        controls: people who are attacked though nobody unlearned them.
        random_starts: attacks on the subject that begin at random codes.
        searched: random codes compared with the subject.
        leak_starts, leak_steps: of the search for what changed most.
        samples: pictures of each generator for Inception's distances; 0 leaves them out.
        fine_tune: whether the redacted generator is trained on photos of the subject.
    """

    bystanders: int
    nearby: int
    attack_steps: int
    controls: int
    random_starts: int
    searched: int
    leak_starts: int
    leak_steps: int
    samples: int
    fine_tune: bool


QUICK = Effort(200, 32, 100, 4, 1, 1000, 8, 40, 0, False)
FULL = Effort(1000, 64, 200, 16, 4, 10_000, 32, 80, 2000, True)


def effort(audit: Audit) -> Effort:
    """Return the level's numbers, with what the recipe says instead."""
    level = FULL if audit.level == "full" else QUICK
    return Effort(
        bystanders=audit.bystanders or level.bystanders,
        nearby=level.nearby,
        attack_steps=audit.attack_steps or level.attack_steps,
        controls=audit.controls or level.controls,
        random_starts=level.random_starts,
        searched=audit.searched or level.searched,
        leak_starts=level.leak_starts,
        leak_steps=level.leak_steps,
        samples=audit.samples or level.samples,
        fine_tune=level.fine_tune,
    )
