"""Views, where the backbone has them: rows that belong to codes, from a generator of their own, that are seen."""

from __future__ import annotations

import torch
from torch import Tensor

from guide_plugin.adapter import View
from guide_plugin.testing.conformance.batches import ROUNDING, batch_order, batch_size
from guide_plugin.testing.conformance.bench import CODES, CPU, Bench, apart, draw, seeded
from guide_plugin.testing.conformance.clause import Broken, broken_if, clause
from guide_plugin.testing.conformance.loading import device

NONE = "the backbone has no views"
SLIGHT_POSE = 0.1, -0.05
"""In radians: a head turned a little, as in any photo."""


@clause(
    expected="`sample_views(n, rng)` is None, or n rows on the adapter's device, the same ones for the same seed.",
    matters="A run that is resumed sees the views that it would have seen.",
    mend="Draw one view per row with `generator=rng` on the CPU; a view is a tensor, whatever its rows mean.",
    needs=(device,),
)
def training_views(bench: Bench) -> str:
    views = bench.adapter.sample_views(CODES, seeded(0))
    if views is None:
        return NONE
    _require_rows("`sample_views`", views, CODES)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(99)
        again = bench.adapter.sample_views(CODES, seeded(0))
    broken_if(again is None or not torch.equal(again, views), "Two generators with the same seed gave different views.")
    return f"{CODES} rows of {list(views.shape[1:])}"


@clause(
    expected="`audit_views()` is None, or rows like those of `sample_views`, the same ones in every call.",
    matters="Before and after are compared from the same sides.",
    mend="Return fixed views, the frontal one in the middle.",
    needs=(training_views,),
)
def audit_views(bench: Bench) -> str:
    views = bench.adapter.audit_views()
    if views is None:
        return NONE
    _require_rows("`audit_views`", views)
    again = bench.adapter.audit_views()
    broken_if(again is None or not torch.equal(again, views), "Two calls gave different views.")
    sampled = bench.adapter.sample_views(1, seeded(0))
    if sampled is not None and sampled.shape[1:] != views.shape[1:]:
        raise Broken(f"Its rows are {list(views.shape[1:])}, those of `sample_views` {list(sampled.shape[1:])}.")
    return f"{len(views)} views"


@clause(
    expected="`view_from_pose(yaw, pitch)` is None, or one row like those of the other views.",
    matters="A person's photo is compared with a picture from the side from which it was taken.",
    mend="Return [1, …]; positive yaw is the side that lies to the right in a picture from the front.",
    needs=(audit_views,),
)
def pose_view(bench: Bench) -> str:
    view = bench.adapter.view_from_pose(*SLIGHT_POSE)
    if view is None:
        return NONE
    _require_rows("`view_from_pose`", view, 1)
    like = _some_views(bench)
    wrong = like is not None and like.shape[1:] != view.shape[1:]
    broken_if(wrong, f"Its row is {list(view.shape[1:])}, other than those of the other views.")
    return str(list(view.shape))


@clause(
    expected="Row i of the views belongs to row i of the codes: each pair is drawn as if it were alone.",
    matters="People would be judged from sides from which they were not drawn.",
    mend="Pair codes and views row by row in `synthesize`, and use no view for the whole batch.",
    needs=(audit_views, batch_order, batch_size),
)
def view_rows(bench: Bench) -> str:
    views = _some_views(bench)
    if views is None:
        return NONE
    together = draw(bench.adapter, bench.codes, views).image
    broken_if(len(together) != CODES, f"{CODES} codes under {CODES} views gave {len(together)} pictures.")
    for i in range(CODES):
        alone = draw(bench.adapter, bench.codes[i : i + 1], views[i : i + 1]).image
        far = apart(together[i : i + 1], alone)
        broken_if(far > ROUNDING, f"Pair {i + 1} of {CODES} is {far:.1g} of the range from what it is alone.")
    return f"{CODES} pairs"


@clause(
    expected="A code looks different under different views.",
    matters="An audit that believes to look from several sides would look from one, and prove nothing of the others.",
    mend="Pass the view on to the network; where it changes nothing, return None for views.",
    needs=(view_rows,),
)
def views_matter(bench: Bench) -> str | None:
    views = _some_views(bench)
    if views is None:
        return NONE
    code = bench.codes[:1]
    same = torch.equal(draw(bench.adapter, code, views[:1]).image, draw(bench.adapter, code, views[-1:]).image)
    broken_if(same, "The first and the last view gave the same picture.")
    return None


def _some_views(bench: Bench) -> View | None:
    """Return one view per code, as different as there are: for a judge where there are such, else for training."""
    audited = bench.adapter.audit_views()
    if audited is None:
        return bench.adapter.sample_views(CODES, seeded(0))
    return audited[torch.linspace(0, len(audited) - 1, CODES).round().long()]


def _require_rows(call: str, views: View, n: int | None = None) -> None:
    if not isinstance(views, Tensor):
        raise Broken(f"{call} returned {type(views).__name__}.")
    rows = len(views) if views.dim() else 0
    broken_if(rows == 0 or (n is not None and rows != n), f"{call} is {list(views.shape)}.")
    broken_if(views.device != CPU, f"{call} lies on {views.device}.")


CLAUSES = (training_views, audit_views, pose_view, view_rows, views_matter)
