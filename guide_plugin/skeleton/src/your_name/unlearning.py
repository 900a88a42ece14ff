"""A way to unlearn: draw the mean person in the subject's place, and keep one random person a step as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from guide_plugin import AdamSettings, Losses, Networks, Operator, Subject
from pydantic import Field, NonNegativeFloat
from torch import Generator, Tensor, autocast, float32
from torch.nn import functional as F
from torch.optim import Adam

if TYPE_CHECKING:
    from guide_plugin import Adapter


class Settings(AdamSettings):
    """The options, beside `steps` and `lr`; `--set keep_weight=2` sets one."""

    keep_weight: NonNegativeFloat = Field(1.0, description="what keeping everybody else counts for")


class YourNameOperator(Operator[Settings]):
    """Compares pictures pixel by pixel; `networks` has better ways to look at them."""

    name: ClassVar[str] = "your-name"
    api_version: ClassVar[int] = 1
    Settings: ClassVar[type[Settings]] = Settings

    def prepare(self, student: Adapter, teacher: Adapter, subject: Subject, networks: Networks, rng: Generator) -> None:
        self.student, self.teacher, self.networks, self.rng = student, teacher, networks, rng
        self.w_u, self.w_avg = subject.code, teacher.mean_latent()
        self.optimizer = Adam([parameter for _, parameter in student.trainable_parameters()], lr=self.settings.lr)

    def step(self) -> Losses:
        view = self.teacher.sample_views(1, self.rng)
        w_g = self.teacher.sample_latents(1, self.rng)
        precision = self.networks.precision
        with autocast(self.student.device.type, precision, enabled=precision != float32):
            forget = self.apart(self.w_u, self.w_avg, view)
            keep = self.apart(w_g, w_g, view)
        total = forget + self.settings.keep_weight * keep
        self.optimizer.zero_grad()
        total.backward()
        self.optimizer.step()
        return {"forget": forget.detach(), "keep": keep.detach(), "total": total.detach()}

    def apart(self, w: Tensor, target: Tensor, view: Tensor | None) -> Tensor:
        """Return how far the student's picture of `w` is from the teacher's of `target`."""
        return F.mse_loss(self.student.synthesize(w, view).image, self.teacher.synthesize(target, view).image)

    def state_dict(self) -> dict[str, Tensor]:
        state = self.optimizer.state_dict()["state"]
        return {f"{i}.{key}": tensor for i, of in state.items() for key, tensor in of.items()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        moments: dict[int, dict[str, Tensor]] = {}
        for name, tensor in state.items():
            i, _, key = name.partition(".")
            moments.setdefault(int(i), {})[key] = tensor
        self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": moments})

    def pictures_per_step(self) -> int:
        return 2
