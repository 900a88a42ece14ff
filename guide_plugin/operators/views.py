"""One view for all the codes of a step."""

from __future__ import annotations

from torch import Tensor

from guide_plugin.adapter import View


def for_each(view: View | None, codes: Tensor) -> View | None:
    """Repeat a view [1, …] for each of the codes [n, …]; None where the backbone has none."""
    return None if view is None else view.expand(len(codes), *view.shape[1:])
