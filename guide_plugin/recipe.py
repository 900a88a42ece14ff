"""Everything that a run was asked to do, as one frozen record that can be written down and replayed.

`unlearn init` writes these fields as a recipe file: their descriptions, and their example where they have one, else
their default.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt, ValidationError, model_validator

from guide_plugin.errors import UsageError

NETWORK, MODEL = "NAME, NAME:FILE or NAME:FILE#sha256=HEX", "FOLDER, FILE or ORG/NAME[@REVISION]"

Network = Annotated[str, NETWORK]
"""A frozen network's name, with the file of its weights where it needs one, and that file's hash: see `NetworkFile`."""

Model = Annotated[str, MODEL]
"""A generative model, on the local disk or on the Hub."""


class Part(BaseModel):
    """A part of a recipe: frozen, unknown keys refused; what stands below a field describes it."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class SubjectChoice(Part):
    """Who is to be unlearned; with nothing said, a random person of the generator as a rehearsal."""

    seed: int | None = Field(default=None, ge=0, lt=2**32, examples=[7])
    """The person that the generator draws from this seed."""
    code: Path | None = Field(default=None, examples=["code.npy"])
    """The person of this latent code: a .safetensors, .npy or .pt file."""
    name: str | None = Field(default=None, min_length=1, examples=["NAME"])
    """The person that a text-to-image model knows by this name."""
    faces: tuple[Path, ...] = Field(default=(), examples=[["photo.jpg"]])
    """Photos of the person; the first one's code is the subject's code."""
    holdout_faces: tuple[Path, ...] = Field(default=(), examples=[["another-photo.jpg"]])
    """Photos of the same person that only judge."""
    control_faces: tuple[Path, ...] = Field(default=(), examples=[["somebody-else.jpg"]])
    """Photos of other people, whom the recovery attack tries too."""
    face_index: PositiveInt | None = Field(default=None, examples=[1])
    """Which face it is, counted from the left from 1, in a photo that shows several."""
    face_box: tuple[float, float, float, float] | None = Field(default=None, examples=[[40, 30, 200, 200]])
    """Which face it is: the one in this box (left, top, width, height in pixels)."""
    force: bool = False
    """Go on where the generator cannot reproduce the person."""

    @property
    def named(self) -> bool:
        """Whether anybody is named."""
        return any(self._ways())

    def _ways(self) -> tuple[bool, ...]:
        return (self.seed is not None, self.code is not None, self.name is not None, bool(self.faces))

    @model_validator(mode="after")
    def _one_at_most(self) -> Self:
        if sum(self._ways()) > 1:
            raise ValueError("name the subject by --seed, by --code, by --name or by --face, not by several of them")
        if self.holdout_faces and not self.faces:
            raise ValueError("--holdout-face needs a --face of the same person")
        if self.face_index and self.face_box:
            raise ValueError("say which face by --face-index or by --face-box, not by both")
        if (self.face_index or self.face_box) and len(self.faces) != 1:
            raise ValueError("--face-index and --face-box say which face of one --face photo it is")
        return self


class Photos(Part):
    """How photos become codes.

    The model's training pictures may be framed otherwise than its family's usual ones; photos are cropped as they are.
    """

    crop_scale: PositiveFloat = 1.0
    """The side of the frame, in multiples of the usual one's."""
    crop_shift: tuple[float, float] = (0.0, 0.0)
    """How far the centre of the frame is moved, right and down, in multiples of the usual side."""
    encoder: Network | None = Field(default=None, examples=["NAME:FILE"])
    """A network that guesses the code, "NAME" or "NAME:FILE"; by default the search starts at the mean code."""
    steps: PositiveInt = 200
    """Steps of the search."""


class Method(Part):
    """How to unlearn."""

    operator: str = "fold"
    """The operator's name."""
    settings: dict[str, Any] = Field(default_factory=dict)
    """The operator's own options; what is absent has its default."""
    training_seed: int = Field(default=0, ge=0, lt=2**32)
    """Where every random draw of the training starts."""
    stop_below: float | None = Field(default=None, gt=-1, lt=1, examples=[0.0])
    """Stop early once the training recogniser's similarity of the subject before and after is lower."""


class NetworkChoice(Part):
    """The frozen networks, each "NAME", "NAME:FILE" or "NAME:FILE#sha256=HEX"."""

    perceptual: Network = "lpips-vgg"
    """What compares pictures in the loss."""
    trainer: Network = "facenet"
    """The recogniser that trains the forgetting."""
    judge: Network | None = Field(default=None, examples=["dlib"])
    """Another one, that judges it; by default dlib where it is installed, and the trainer itself where it is not."""


class Rules(Part):
    """What a pass asks for."""

    false_accept: float = Field(default=0.001, gt=0, le=0.05)
    """The share of strangers' pairs that the recogniser's threshold lets through. The subject has to stay below that
    threshold: at their own code, nearby, in their photos, after an attack with plausible codes."""
    bystander_median: float = Field(default=0.9, gt=-1, lt=1)
    """How much of themselves bystanders keep, the median: 1 is unchanged, 0 is like a stranger."""
    bystander_q05: float = Field(default=0.6, gt=-1, lt=1)
    """The same of the twentieth who changed most."""
    judge_knows: float = Field(default=0.9, ge=0, le=1)
    """The share of pairs of pictures of one person that the judge has to know as such on the original; where it knows
    fewer, a pass proves nothing."""
    frechet: PositiveFloat = 1.0
    """The highest Fréchet distance before to after in the judge's features, in multiples of the distance between two
    samples of the original."""


class Audit(Part):
    """How much is measured; a number that is not set is the level's."""

    level: Literal["quick", "full", "off"] = "quick"
    """Either "quick" for minutes, or "full" for a release; "off" measures nothing and passes nothing."""
    bystanders: int | None = Field(default=None, ge=20, examples=[1000])
    """Random codes drawn before and after."""
    searches: PositiveInt | None = Field(default=None, examples=[32])
    """Searches for the subject's pictures over W, and as many over Z where the model makes codes from noise."""
    attack_steps: PositiveInt | None = Field(default=None, examples=[300])
    """Steps of each search."""
    controls: PositiveInt | None = Field(default=None, examples=[16])
    """People who are searched for though nobody unlearned them."""
    searched: PositiveInt | None = Field(default=None, examples=[10000])
    """Random codes of the redacted generator that are compared with the subject."""
    samples: int | None = Field(default=None, ge=2, examples=[2000])
    """Pictures of each generator for Inception's distances."""
    inception: Path | None = Field(default=None, examples=["inception.pth"])
    """Weights of FID's Inception; by default fetched by a full audit."""
    real_statistics: Path | None = Field(default=None, examples=["real.npz"])
    """Features (.npy) or mu and sigma (.npz) of real pictures."""
    keep_evidence: bool = False
    """Keep the subject's pictures in the run's private folder."""
    rules: Rules = Rules()


class Machine(Part):
    """Where the run happens."""

    device: Literal["auto", "cuda", "mps", "cpu"] = "auto"
    """Where to compute: "auto", "cuda", "mps" or "cpu"."""
    precision: Literal["float32", "bf16"] = "float32"
    """How to train: "float32" or "bf16"."""
    checkpoint_every: PositiveInt = 100
    """Steps from one saved checkpoint to the next."""


class Release(Part):
    """Where an accepted model goes, and who has to agree."""

    push: str | None = Field(default=None, examples=["ORG/NAME"])
    """The repository on the Hub that it is pushed to; by default it stays in the run folder."""
    public: bool = False
    """Make that repository public where it is new."""
    create_pr: bool = False
    """Open a pull request there instead of committing to its main branch."""
    in_place: bool = False
    """Allow it to be the very repository that the original came from."""
    required: tuple[str, ...] = Field(default=(), examples=[["PLUGIN"]])
    """Plugins whose gates must have spoken: where one is missing or broken, the model is refused."""

    @model_validator(mode="after")
    def _needs_a_place(self) -> Self:
        if self.push is None and (self.public or self.create_pr or self.in_place):
            raise ValueError("--public, --create-pr and --in-place need --push ORG/NAME")
        if self.push is not None and not re.fullmatch(r"[\w.-]+/[\w.-]+", self.push):
            raise ValueError("--push takes the name of one repository, ORG/NAME")
        return self


class Recipe(Part):
    """One run, whole."""

    hub: Model = Field(min_length=1)
    """The model: a folder, a file, or "ORG/NAME[@REVISION]" on the Hub."""
    file: str | None = Field(default=None, examples=["model.safetensors"])
    """Which weight file of the model, where it has several."""
    subject: SubjectChoice = SubjectChoice()
    photos: Photos = Photos()
    method: Method = Method()
    networks: NetworkChoice = NetworkChoice()
    audit: Audit = Audit()
    machine: Machine = Machine()
    release: Release = Release()


def parse(kind: type[Part], values: dict[str, Any], where: str) -> Any:
    """Validate `values` as `kind`; a `UsageError` names the first thing wrong and `where` it stands."""
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise UsageError(f"{where}: {first_problem(error)}.") from None


def first_problem(error: ValidationError) -> str:
    """Return the first of pydantic's complaints as "key: what is wrong", without the value."""
    first = error.errors(include_input=False)[0]
    key, message = problem_key(first), problem_message(first)
    return f"{key}: {message}" if key else message


def problem_key(problem: Mapping[str, Any]) -> str:
    """Return the key that one of pydantic's complaints is about, with the parts it lies in: "audit.rules.frechet"."""
    return ".".join(part for part in problem["loc"] if isinstance(part, str) and not set("[-") & set(part))


def problem_message(problem: Mapping[str, Any]) -> str:
    """Return what is wrong in one of pydantic's complaints."""
    message: str = problem["msg"]
    return message.removeprefix("Value error, ")
