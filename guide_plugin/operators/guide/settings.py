"""GUIDE's options."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from guide_plugin.operator import AdamSettings
from guide_plugin.operators.losses import Weights


class GuideSettings(AdamSettings):
    """GUIDE's options; the defaults are the paper's."""

    d: PositiveFloat | Literal["paper", "data"] = Field(
        "paper", description='distance of the target from the mean: a number, "paper" or "data"'
    )
    alpha_max: PositiveFloat | Literal["paper", "data"] = Field(
        "paper", description='reach of the neighbours: a number, "paper" or "data"'
    )
    neighbours: PositiveInt = Field(2, description="neighbours of the subject per step")
    bystanders: PositiveInt = Field(2, description="random codes kept in place per step")
    features_weight: NonNegativeFloat = Field(Weights().features, description="weight of the features in the distance")
    perceptual_weight: NonNegativeFloat = Field(Weights().perceptual, description="weight of LPIPS in the distance")
    identity_weight: NonNegativeFloat = Field(Weights().identity, description="weight of identity in the distance")
    global_weight: NonNegativeFloat = Field(1.0, description="weight of keeping random codes in place")
    micro_batch: PositiveInt | None = Field(
        None, description="codes per forward pass; by default what is fastest", examples=[1]
    )
    low_memory: bool = Field(False, description="trade time for memory from the start, not only where it runs out")
    w_avg: Path | None = Field(
        None, description="file of the mean code; by default the generator's own", examples=["w_avg.pt"]
    )
    reproduce_published: bool = Field(False, description="repeat what is odd in the released code, see the module")
