"""GUIDE's options."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

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
    aliases: NonNegativeInt = Field(0, description="searches for other codes of the subject, to unlearn them too")
    aliases_per_step: PositiveInt = Field(5, description="of them, fresh ones drawn each step")
    alias_similarity: float = Field(0.6, gt=-1, lt=1, description="how like the subject an alias has to be")
    bystander_identity_weight: NonNegativeFloat = Field(0.0, description="what bystanders' identity counts for")
    lookalikes: NonNegativeInt = Field(0, description="of the bystanders per step, those who look like the subject")
    project_conflicts: bool = Field(False, description="where forgetting goes against preserving, let it give way")
    lr_decay: bool = Field(False, description="let the learning rate fall to nothing along half a cosine")
    micro_batch: PositiveInt | None = Field(
        None, description="codes per forward pass; by default what is fastest", examples=[1]
    )
    low_memory: bool = Field(False, description="trade time for memory from the start, not only where it runs out")
    w_avg: Path | None = Field(
        None, description="file of the mean code; by default the generator's own", examples=["w_avg.pt"]
    )
    reproduce_published: bool = Field(False, description="repeat what is odd in the released code, see the module")

    @model_validator(mode="after")
    def _some_of_them(self) -> Self:
        if self.lookalikes > self.bystanders:
            raise ValueError("lookalikes are some of the bystanders: at most as many")
        return self
