"""The operator unlearns, leaves the teacher alone, and goes on from its state as if it had never stopped."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from guide_plugin import Adapter, LocalCheckpoint, Networks, PluginHost, RepoListing, Saved, Subject, Synthesis
from torch import Tensor, nn

from your_name.unlearning import Settings, YourNameOperator

CPU = torch.device("cpu")
NETWORKS: Any = Networks(perceptual=None, recogniser=None, precision=torch.float32)  # this operator asks neither


class Colours(Adapter):
    """The least that an operator needs: codes [n, 4] to pictures of one colour."""

    name: ClassVar[str] = "colours"
    alignment: ClassVar[str] = "ffhq"

    def __init__(self) -> None:
        self.device, self.latent_shape = CPU, (4,)
        self.layer = nn.Linear(4, 3)

    @classmethod
    def match(cls, listing: RepoListing) -> None:
        return None

    @classmethod
    def load(cls, checkpoint: LocalCheckpoint, device: torch.device) -> Self:
        raise NotImplementedError

    def mean_latent(self) -> Tensor:
        return torch.zeros(1, 4)

    def sample_latents(self, n: int, rng: torch.Generator) -> Tensor:
        return torch.randn(n, 4, generator=rng)

    def synthesize(self, w: Tensor, view: Tensor | None = None) -> Synthesis:
        features = self.layer(w)
        return Synthesis(features.tanh()[:, :, None, None].expand(-1, -1, 8, 8), features)

    def trainable_parameters(self) -> Any:
        yield from self.layer.named_parameters()

    def save(self, folder: Path) -> Saved:
        raise NotImplementedError


def start(teacher: Colours, student: Colours, seed: int) -> YourNameOperator:
    operator = YourNameOperator(Settings(lr=1e-2))
    subject = Subject(torch.ones(1, 4), "code")
    operator.prepare(student, teacher, subject, NETWORKS, torch.Generator().manual_seed(seed))
    return operator


def two() -> tuple[Colours, Colours]:
    torch.manual_seed(0)
    teacher = Colours()
    student = copy.deepcopy(teacher)
    teacher.layer.requires_grad_(False)
    return teacher, student


def test_the_subject_moves_to_the_mean() -> None:
    teacher, student = two()
    before = copy.deepcopy(teacher.layer.state_dict())
    operator = start(teacher, student, seed=1)
    losses = [operator.step() for _ in range(100)]
    assert losses[-1]["forget"] < 0.5 * losses[0]["forget"]
    torch.testing.assert_close(dict(teacher.layer.state_dict()), dict(before), rtol=0, atol=0)


def test_it_goes_on_as_if_it_had_never_stopped() -> None:
    teacher, student = two()
    operator = start(teacher, student, seed=1)
    for _ in range(3):
        operator.step()
    resumed = start(teacher, copy.deepcopy(student), seed=2)
    resumed.load_state_dict(copy.deepcopy(operator.state_dict()))
    resumed.rng.set_state(operator.rng.get_state())
    assert resumed.step() == operator.step()


def test_it_is_registered() -> None:
    assert PluginHost().operator("your-name").load() is YourNameOperator
