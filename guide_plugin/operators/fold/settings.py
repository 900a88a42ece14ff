"""FOLD's options."""

from __future__ import annotations

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from guide_plugin.operator import AdamSettings


class FoldSettings(AdamSettings):
    """FOLD's options; what depends on the person or the model is measured on it."""

    steps: PositiveInt = Field(300, description="optimiser steps at most; training ends when the searches stay below")
    lr: PositiveFloat = Field(4e-3, description="Adam's learning rate, as a share of each weight's usual size")
    strangers_above: float = Field(
        0.02, gt=0, lt=1, description="share of random people who are as like the subject as the fold begins"
    )
    kappa: NonNegativeFloat = Field(
        0.5, description="how steeply likeness falls again beyond the fold; 0 keeps it at its level"
    )
    margin: NonNegativeFloat = Field(
        0.15, description="how far below the line of two strangers the training's own searches have to stay"
    )
    searches: PositiveInt = Field(
        8, description="searches for the subject beside the training, over W, and as many over Z where there is one"
    )
    crowd: PositiveInt = Field(1000, description="random people among whom the subject's likes and unlikes are found")
