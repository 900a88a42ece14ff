"""The operator `baseline`: what GUIDE's paper compares itself with.

Source: Seo et al., "Generative Unlearning for Any Identity", CVPR 2024, section 4, and its released settings: the local
loss alone, with the mean code as its target. Distance, weights, optimiser and steps are GUIDE's; what is missing are
the target on the other side of the mean (UFO), the neighbours (adjacency), and whatever keeps everybody else in place.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from pydantic import Field, NonNegativeFloat
from torch import Tensor

from guide_plugin.adapter import Adapter, View
from guide_plugin.operator import AdamSettings, Losses, Networks, Operator, Subject
from guide_plugin.operators.adam import adam_state, make_adam, restore_adam
from guide_plugin.operators.losses import Distance, Look, Weights, distance, look
from guide_plugin.operators.mean_code import distance_from_mean, mean_code


class BaselineSettings(AdamSettings):
    """The baseline's options; the defaults are the paper's."""

    features_weight: NonNegativeFloat = Field(Weights().features, description="weight of the features in the distance")
    perceptual_weight: NonNegativeFloat = Field(Weights().perceptual, description="weight of LPIPS in the distance")
    identity_weight: NonNegativeFloat = Field(Weights().identity, description="weight of identity in the distance")
    w_avg: Path | None = Field(
        None, description="file of the mean code; by default the generator's own", examples=["w_avg.pt"]
    )


class Baseline(Operator[BaselineSettings]):
    """Move the subject to the mean code, and let everybody else go where they go."""

    name = "baseline"
    Settings = BaselineSettings

    def prepare(
        self, student: Adapter, teacher: Adapter, subject: Subject, networks: Networks, rng: torch.Generator
    ) -> None:
        s = self.settings
        self.student, self.teacher, self.networks, self.rng = student, teacher, networks, rng
        self.w_u, self.w_t = subject.code, mean_code(teacher, s.w_avg)
        self.subject_distance = distance_from_mean(self.w_u, self.w_t)
        self.weights = Weights(s.features_weight, s.perceptual_weight, s.identity_weight)
        self.optimizer = make_adam(student, s.lr)
        self.target_look: Look | None = None

    def step(self) -> Losses:
        return self.step_in(self.teacher.sample_views(1, self.rng))

    def step_in(self, view: View | None) -> Losses:
        """Take one optimiser step in a given view [1, …]; None where the backbone has none."""
        while True:
            self.optimizer.zero_grad()
            try:
                apart = self.backward(view)
                break
            except torch.OutOfMemoryError:
                if not self.student.save_memory():
                    raise
        self.optimizer.step()
        return {
            "local_mse": apart.mse[0],
            "local_lpips": apart.lpips[0],
            "local_id": apart.id[0],
            "total": apart.total(self.weights),
        }

    def backward(self, view: View | None) -> Distance:
        """Add the gradients of `D(w_u→w_avg)` to the student's; return its parts, detached."""
        with torch.autocast(
            self.student.device.type, self.networks.precision, enabled=self.networks.precision != torch.float32
        ):
            target = self.look_at_target(view)
            apart = distance(look(self.student.synthesize(self.w_u, view), self.networks, 1), target)
        apart.total(self.weights).backward()
        return Distance(*(part.detach() for part in apart))

    @torch.no_grad()
    def look_at_target(self, view: View | None) -> Look:
        """Look at the teacher's picture of the mean code; where there are no views, once a run."""
        if self.target_look is None or view is not None:
            self.target_look = look(self.teacher.synthesize(self.w_t, view), self.networks, 1)
        return self.target_look

    def state_dict(self) -> dict[str, Tensor]:
        return adam_state(self.optimizer)

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        restore_adam(self.optimizer, state)

    def pictures_per_step(self) -> int:
        return 1

    def facts(self) -> dict[str, Any]:
        return {"subject_distance": self.subject_distance}
