"""The one shape that every generator has for the rest of the code: the adapter contract.

Importing this module imports no torch, so that an adapter can be listed and matched without it: adapters import
their networks inside `load`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self, TypeAlias

if TYPE_CHECKING:
    import torch
    from torch import Tensor
    from torch.nn import Parameter

API_VERSION = 1

View: TypeAlias = "Tensor"
"""What may vary while the code stays, one row per picture [n, …]: cameras for EG3D. Its meaning is the adapter's."""


class Synthesis(NamedTuple):
    """What one forward pass gives: `image` [n, 3, H, W] float32 RGB in [-1, 1], and the `features` it came from.

    `features` [n, …] is an inner tensor of that pass, of the adapter's choice, that the code decides and the picture is
    made from: what the last block draws from, EG3D's planes. Methods compare it between student and teacher.
    """

    image: Tensor
    features: Tensor


class SampledNoise(NamedTuple):
    """What random codes are made from, one row a code, and the map that makes them.

    Attributes:
        z: standard normal numbers [n, z_dim].
        labels: what else the map is given for each row [n, …], such as a class; None where there is nothing.
        to_codes: the differentiable map from (z, labels) to codes [n, *latent_shape].
    """

    z: Tensor
    labels: Tensor | None
    to_codes: Callable[[Tensor, Tensor | None], Tensor]


@dataclass(frozen=True)
class RepoListing:
    """What is known of a model before anything large is read.

    Attributes:
        files: size in bytes of every file, by its POSIX path inside the repository.
        documents: the content of its small JSON files, by path; a file that is not valid JSON is absent.
        folder: where the files lie, if they are here already: an adapter may then look into a weight file, without
            torch and without running anything, where names say too little.
    """

    files: Mapping[str, int]
    documents: Mapping[str, Any]
    folder: Path | None = None


@dataclass(frozen=True)
class Match:
    """An adapter's claim on a model: the files that `load` will read, and a few words for people."""

    files: tuple[str, ...]
    summary: str


@dataclass(frozen=True)
class LocalCheckpoint:
    """A model on the local disk: its folder, and the matched files relative to it."""

    folder: Path
    files: tuple[str, ...]


@dataclass(frozen=True)
class Saved:
    """What `save` wrote; `notes` say what a report should tell of it, such as other networks that were emptied."""

    files: tuple[Path, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Inspection:
    """What a weight file is, found out without loading its weights or running anything.

    Attributes:
        format: of the file: "network pickle", "torch file", "safetensors".
        contents: what it holds, in words.
        parameters: how many numbers its tensors hold.
        globals: every global that its pickles name, with how often; empty where there is no pickle.
        forbidden: those of them that reading weights does not need; a careful person does not open such a file.
    """

    format: str
    contents: str
    parameters: int
    globals: Mapping[str, int]
    forbidden: tuple[str, ...]


class Adapter(ABC):
    """One generator behind one shape. Codes are [n, *latent_shape] float32 on the adapter's device.

    An adapter comes from `load` in evaluation mode with every parameter frozen; whoever trains it thaws what
    `trainable_parameters` names. A deep copy of an adapter is independent of it.
    """

    name: ClassVar[str]
    api_version: ClassVar[int] = API_VERSION
    """The version of this contract that the adapter is written for; state it, the default follows the package."""
    alignment: ClassVar[str]
    """The face crop that the backbone was trained on: "ffhq", "eg3d"."""
    experimental: ClassVar[bool] = False
    """Whether what unlearning means for this backbone is our analogy and not established; listings say so."""
    standard_normal: ClassVar[bool] = False
    """Whether random codes are independent standard normal numbers, so that their distribution need not be measured."""

    latent_shape: tuple[int, ...]
    device: torch.device

    @classmethod
    @abstractmethod
    def match(cls, listing: RepoListing) -> Match | None:
        """Say whether this adapter can load the model, from names, sizes and small JSON alone; imports no torch."""

    @classmethod
    @abstractmethod
    def load(cls, checkpoint: LocalCheckpoint, device: torch.device) -> Self:
        """Read the checkpoint without running anything in it.

        Raises:
            AdapterError: the files do not hold what they should; names file and tensor.
        """

    @abstractmethod
    def mean_latent(self) -> Tensor:
        """Return the mean code `w_avg` [1, *latent_shape]."""

    @abstractmethod
    def sample_latents(self, n: int, rng: torch.Generator) -> Tensor:
        """Draw `n` random codes [n, *latent_shape] with a CPU generator, the same ones on every device."""

    def sample_noise(self, n: int, rng: torch.Generator) -> SampledNoise | None:
        """Draw what `sample_latents` makes the same codes from; None where a code is not made from anything.

        For backbones with a mapping network: who searches for a person then searches there too.
        """
        return None

    def sample_views(self, n: int, rng: torch.Generator) -> View | None:
        """Draw `n` views to train with; None where the backbone has none.

        A view to train with may ask for less than a finished picture, such as a diffusion model's estimate after some
        of its steps.
        """
        return None

    def sample_finished_views(self, n: int, rng: torch.Generator) -> View | None:
        """Draw `n` random views of finished pictures; None where the backbone needs none for them."""
        return self.sample_views(n, rng)

    def audit_views(self) -> View | None:
        """Return the fixed views under which a code is judged; None where the backbone has none."""
        return None

    def view_from_pose(self, yaw: float, pitch: float) -> View | None:
        """Return the view from which a head looks as in a photo; None where the backbone has none.

        Args:
            yaw, pitch: from where the photo sees the head, in radians, 0 in front and level. Positive yaw is the side
                that lies to the right in a picture from the front (the nose then points to the left of the picture),
                negative pitch is above.
        """
        return None

    def invert(
        self,
        images: Tensor,
        view: View | None,
        start: Tensor,
        steps: int,
        rng: torch.Generator,
        on_step: Callable[[int], None],
    ) -> Tensor | None:
        """Find the codes [n, *latent_shape] of pictures; None where they are to be sought by comparing pictures.

        For backbones with a way of their own: running a diffusion backwards, textual inversion.

        Args:
            images: [n, 3, H, W] in [-1, 1], of the generator's size.
            view: the views that they show [n, …]; None where the backbone has none.
            start: codes to begin at [n, *latent_shape].
            steps: the budget of a search.
            on_step: told how many of its steps are done.
        """
        return None

    def code_of_name(self, name: str) -> Tensor | None:
        """Return the code [1, *latent_shape] of a person whom the model knows by name; None where it knows no names.

        Raises:
            UsageError: it knows names, and this is none that it could.
        """
        return None

    def use_released_views(self) -> bool:
        """From now on give the views of the released GUIDE code; return whether they are others than the backbone's."""
        return False

    @abstractmethod
    def synthesize(self, w: Tensor, view: View | None = None) -> Synthesis:
        """Draw the codes `w` in one deterministic forward pass (constant noise), with gradients where enabled."""

    def save_memory(self) -> bool:
        """From now on trade time for memory in passes with gradients; return whether anything was left to trade."""
        return False

    @abstractmethod
    def trainable_parameters(self) -> Iterator[tuple[str, Parameter]]:
        """Name the parameters that unlearning may change, in a fixed order.

        All of them take part in `synthesize`; what makes codes, such as a mapping network, is not among them.
        """

    @abstractmethod
    def save(self, folder: Path) -> Saved:
        """Write the model into an existing folder so that `load` reads it back: ours, and the format it came in."""
