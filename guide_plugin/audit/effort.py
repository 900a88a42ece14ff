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
        attack_steps: of each search for a picture.
        searches: of the subject's pictures over W, and as many over Z where codes are made from noise.
        holdout_searches: the same of each hold-out photo.
        guided: searches of the subject's pictures, over W and as many over Z, that the judge's opinion leads.
        start_pool: random codes that the starts of searches are picked from, by likeness to the picture; 0 for none.
        controls: people who are searched for though nobody unlearned them.
        searched: random codes compared with the subject.
        leak_starts, leak_steps: of the search for what changed most.
        samples: pictures of each generator for Inception's distances; 0 leaves them out.
        fine_tune: whether the redacted generator is trained on photos of the subject.
    """

    bystanders: int
    nearby: int
    attack_steps: int
    searches: int
    holdout_searches: int
    guided: int
    start_pool: int
    controls: int
    searched: int
    leak_starts: int
    leak_steps: int
    samples: int
    fine_tune: bool


QUICK = Effort(
    bystanders=200,
    nearby=32,
    attack_steps=100,
    searches=8,
    holdout_searches=2,
    guided=2,
    start_pool=0,
    controls=4,
    searched=1000,
    leak_starts=8,
    leak_steps=40,
    samples=0,
    fine_tune=False,
)
FULL = Effort(
    bystanders=1000,
    nearby=64,
    attack_steps=300,
    searches=32,
    holdout_searches=8,
    guided=4,
    start_pool=2000,
    controls=16,
    searched=10_000,
    leak_starts=32,
    leak_steps=80,
    samples=2000,
    fine_tune=True,
)


def effort(audit: Audit) -> Effort:
    """Return the level's numbers, with what the recipe says instead."""
    level = FULL if audit.level == "full" else QUICK
    return Effort(
        bystanders=audit.bystanders or level.bystanders,
        nearby=level.nearby,
        attack_steps=audit.attack_steps or level.attack_steps,
        searches=audit.searches or level.searches,
        holdout_searches=min(level.holdout_searches, audit.searches or level.searches),
        guided=min(level.guided, audit.searches or level.searches),
        start_pool=level.start_pool,
        controls=audit.controls or level.controls,
        searched=audit.searched or level.searched,
        leak_starts=level.leak_starts,
        leak_steps=level.leak_steps,
        samples=audit.samples or level.samples,
        fine_tune=level.fine_tune,
    )
