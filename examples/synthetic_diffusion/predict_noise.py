"""The naive way to unlearn from a diffusion model, to compare with: the subject's code is to predict random noise.

There is no target person, and nothing holds anybody else. As an operator of its own it goes through the same loop and
the same audit: `python -m examples.synthetic_diffusion.compare MODEL` puts it beside GUIDE and the paper's baseline.
"""

from __future__ import annotations

import torch
from torch import Tensor

from guide_plugin import AdamSettings, Adapter, Losses, Networks, Operator, RegisterOperator, Subject, hookimpl
from guide_plugin.operators.adam import adam_state, make_adam, restore_adam


class PredictNoise(Operator[AdamSettings]):
    """Fine-tune the denoiser to predict fresh noise wherever the subject is drawn."""

    name = "predict-noise"
    Settings = AdamSettings

    def prepare(
        self, student: Adapter, teacher: Adapter, subject: Subject, networks: Networks, rng: torch.Generator
    ) -> None:
        self.student, self.code, self.rng = student, subject.code, rng
        self.optimizer = make_adam(student, self.settings.lr)

    def step(self) -> Losses:
        predicted = self.student.synthesize(self.code, self.student.sample_views(1, self.rng)).features
        wanted = torch.randn(predicted.shape, generator=self.rng).to(predicted)
        loss = (predicted - wanted).square().mean()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return {"total": loss.detach()}

    def pictures_per_step(self) -> int:
        return 1

    def state_dict(self) -> dict[str, Tensor]:
        return adam_state(self.optimizer)

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        restore_adam(self.optimizer, state)


@hookimpl
def unlearn_register_operators(register: RegisterOperator) -> None:
    register(PredictNoise.name, lambda: PredictNoise, "the subject's code predicts noise; a naive baseline")
