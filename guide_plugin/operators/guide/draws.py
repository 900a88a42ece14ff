"""The random part of a step, so that a step can be repeated with given draws."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from guide_plugin.adapter import View


@dataclass(frozen=True)
class Draws:
    """The random part of one step.

    Attributes:
        w_r: random codes that give the neighbours their directions [neighbours, *latent_shape].
        alpha: how far each neighbour goes [neighbours], U(0, alpha_max).
        w_g: random codes that must stay in place [bystanders, *latent_shape].
        view: one view [1, …] that all pictures of the step share, or None.
        aliases: other codes of the subject [aliases_per_step, *latent_shape]; None without them.
    """

    w_r: Tensor
    alpha: Tensor
    w_g: Tensor
    view: View | None
    aliases: Tensor | None = None
