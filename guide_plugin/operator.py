"""How an unlearning method plugs in: the operator contract, and what an operator is given.

Around every operator there is one loop, which copies the model, counts steps, saves checkpoints and stops early. It
calls `prepare` once and `step` up to `settings.steps` times. A run that goes on from a checkpoint does the same in a
new process: `prepare` with equal arguments, then the saved weights are put into the student, `load_state_dict` follows,
`rng` is set to where it stood, and the next `step` has to be the one that would have come, to the last bit.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt

from guide_plugin.adapter import API_VERSION

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from guide_plugin.adapter import Adapter, View

Losses = dict[str, "Tensor"]
"""The named scalar terms of one step, still on the device; "total" is what was minimised."""


class Embedder(Protocol):
    """A recogniser at work: images [n, 3, H, W] in [-1, 1] to unit embeddings [n, D]."""

    def __call__(self, images: Tensor) -> Tensor: ...


class Encoder(Protocol):
    """An encoder at work: images [n, 3, H, W] in [-1, 1] to the codes [n, *latent_shape] that it takes them for."""

    def __call__(self, images: Tensor) -> Tensor: ...


class PerceptualFeatures(Protocol):
    """A perceptual network at work: its weighted, channel-normalised feature maps of images in [-1, 1]."""

    def features(self, images: Tensor) -> list[Tensor]: ...


@dataclass(frozen=True)
class Networks:
    """The frozen networks that look at pictures while an operator trains.

    Attributes:
        precision: the autocast type that generator and networks run their forward passes in.
    """

    perceptual: PerceptualFeatures
    recogniser: Embedder
    precision: torch.dtype


@dataclass(frozen=True)
class Photos:
    """Photos of people, cropped as the backbone's training pictures are, on the adapter's device.

    Attributes:
        images: [n, 3, H, W] in [-1, 1], of the generator's size.
        views: the views that they show [n, …]; None where the backbone has none.
    """

    images: Tensor
    views: View | None = None


@dataclass(frozen=True)
class Subject:
    """The person to be unlearned, as an operator may know them: hold-out photos are not among what it is given.

    Attributes:
        code: `w_u` [1, *latent_shape].
        kind: where the code came from: "photo", "seed", "code", "name", "picture" or "rehearsal".
        photos: the person's photos, the first of which `code` draws; None where there are none.
        further_codes: found for the other photos [n - 1, *latent_shape]; None where there are none.
    """

    code: Tensor
    kind: str
    photos: Photos | None = None
    further_codes: Tensor | None = None


class OperatorSettings(BaseModel):
    """Options that every operator has; a method adds its own in a subclass, with its paper's defaults.

    The options of this class and of `AdamSettings` suit a model rather than a method: what a model's owner suggests of
    them is followed by every operator that has them, any other suggestion by the operator alone that it is written for.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    steps: PositiveInt = Field(1000, description="optimiser steps")


class AdamSettings(OperatorSettings):
    """Options of an operator that changes the weights with Adam."""

    lr: PositiveFloat = Field(1e-4, description="Adam's learning rate")


def options_of_any(settings: type[OperatorSettings]) -> set[str]:
    """Return those of an operator's options that suit a model, whatever the method."""
    shared = [part for part in (OperatorSettings, AdamSettings) if issubclass(settings, part)]
    return {name for part in shared for name in part.model_fields}


SettingsT = TypeVar("SettingsT", bound=OperatorSettings)


class Operator(ABC, Generic[SettingsT]):
    """One way to unlearn. The loop around it, its progress and its checkpoints are not its business.

    It learns of the subject only through `Subject`, sees pictures only through `Networks`, and draws random numbers
    only from `rng`: never from torch's or Python's own, which no checkpoint holds. It writes no files.
    """

    name: ClassVar[str]
    """The name that it is registered under."""
    Settings: ClassVar[type[OperatorSettings]]
    """What `settings` is validated with; `--set KEY=VALUE` sets one."""
    api_version: ClassVar[int] = API_VERSION
    """The version of this contract that the operator is written for; state it, the default follows the package."""

    def __init__(self, settings: SettingsT) -> None:
        self.settings = settings

    @abstractmethod
    def prepare(
        self, student: Adapter, teacher: Adapter, subject: Subject, networks: Networks, rng: torch.Generator
    ) -> None:
        """Take what the steps will work on, and do what is done once; only `pictures_per_step` may be asked before.

        Equal arguments must lead to an equal state, since a resumed run prepares anew.

        Args:
            student: what the steps change, equal to `teacher` at first: the parameters that its `trainable_parameters`
                names are thawed, and nothing else of it may change, since nothing else is saved.
            teacher: the original; stays frozen, and as it is.
            subject: whom to unlearn, all codes and photos on the adapters' device.
            networks: frozen; forward passes belong under autocast where their `precision` is not float32.
            rng: a CPU generator.

        Raises:
            UsageError: this subject cannot be unlearned from this model with these settings, and what to change.
        """

    @abstractmethod
    def step(self) -> Losses:
        """Take one optimiser step and return its loss terms: scalars, the same names in the same order every time.

        Terms that become NaN or Inf end the run at its next checkpoint. Reading a term here would wait for the device.

        Raises:
            torch.OutOfMemoryError: not even one picture at a time fits, nor after `student.save_memory()`.
        """

    @abstractmethod
    def state_dict(self) -> dict[str, Tensor]:
        """Return, as named tensors, what the next step depends on beside `prepare`, the student's weights and `rng`.

        For example an optimiser's moments and the number of steps done; no two of the tensors may share memory.
        Called between steps.
        """

    @abstractmethod
    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Take back what `state_dict` returned; called after `prepare`, the tensors on the CPU."""

    def finished(self) -> bool:
        """Say whether further steps would be for nothing; asked after each step. By default all steps are taken."""
        return False

    def pictures_per_step(self) -> int:
        """Return how many pictures a step trains on, for an estimate of its time; GUIDE's five by default.

        Called without `prepare`: it knows the settings alone.
        """
        return 5

    def bytes_beside(self, weights: Iterable[Tensor]) -> int:
        """Return how many bytes it holds beside the model, its gradients and two moments of each; none by default.

        Called without `prepare`.

        Args:
            weights: what it will train.
        """
        return 0

    def notes(self) -> tuple[str, ...]:
        """Return sentences about the training that whoever reads a report should not miss; none by default.

        Called after the last step. As with `facts`, nothing here may say who the subject is.
        """
        return ()

    def facts(self) -> dict[str, Any]:
        """Return numbers about the prepared run that a report should quote (JSON values); none by default.

        Called after the last step. The report may be published: nothing here may say who the subject is.
        """
        return {}
