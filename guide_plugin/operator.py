"""How an unlearning method plugs in: the operator contract, and what an operator is given."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict, Field, PositiveInt

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
        kind: where the code came from: "photo", "seed", "code", "picture" or "rehearsal".
        photos: the person's photos, the first of which `code` draws; None where there are none.
        further_codes: found for the other photos [n - 1, *latent_shape]; None where there are none.
    """

    code: Tensor
    kind: str
    photos: Photos | None = None
    further_codes: Tensor | None = None


class OperatorSettings(BaseModel):
    """Options that every operator has; a method adds its own in a subclass, with its paper's defaults."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    steps: PositiveInt = Field(1000, description="optimiser steps")


SettingsT = TypeVar("SettingsT", bound=OperatorSettings)


class Operator(ABC, Generic[SettingsT]):
    """One way to unlearn. The loop around it, its progress and its checkpoints are not its business."""

    name: ClassVar[str]
    Settings: ClassVar[type[OperatorSettings]]
    api_version: ClassVar[int] = API_VERSION
    """The version of this contract that the operator is written for; state it, the default follows the package."""

    def __init__(self, settings: SettingsT) -> None:
        self.settings = settings

    @abstractmethod
    def prepare(
        self, student: Adapter, teacher: Adapter, subject: Subject, networks: Networks, rng: torch.Generator
    ) -> None:
        """Take what the steps will work on; `student`'s trainable parameters are thawed, `teacher` stays frozen.

        Args:
            rng: the CPU generator that every draw comes from; the loop saves and restores its state.
        """

    @abstractmethod
    def step(self) -> Losses:
        """Take one optimiser step and return its loss terms."""

    @abstractmethod
    def state_dict(self) -> dict[str, Tensor]:
        """Return, as named tensors, what the next step depends on beside the student's weights and `rng`."""

    @abstractmethod
    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Take back what `state_dict` returned."""

    def pictures_per_step(self) -> int:
        """Return how many pictures a step trains on, for an estimate of its time; GUIDE's five by default."""
        return 5

    def facts(self) -> dict[str, Any]:
        """Return numbers about the prepared run that a report should quote (JSON values); none by default."""
        return {}
