"""Everything that a run was asked to do, as one frozen record that can be written down and replayed."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt, ValidationError, model_validator

from guide_plugin.errors import UsageError

RecogniserChoice = str
"""A recogniser's name, with the file of its weights where it needs one, and that file's hash: see `NetworkFile`."""


class Part(BaseModel):
    """A part of a recipe: frozen, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class SubjectChoice(Part):
    """Who is to be unlearned; with nothing said, a random person of the generator as a rehearsal.

    Attributes:
        faces: photos of the person; the first one's code is the subject's code.
        holdout_faces: photos of the same person that only judge.
        control_faces: photos of other people, whom the recovery attack tries too.
        face_index: which face it is, counted from the left from 1, in photos that show several.
        face_box: which face it is: the one in this box (left, top, width, height in pixels).
        force: go on where the generator cannot reproduce the person.
    """

    seed: int | None = Field(default=None, ge=0, lt=2**32)
    code: Path | None = None
    faces: tuple[Path, ...] = ()
    holdout_faces: tuple[Path, ...] = ()
    control_faces: tuple[Path, ...] = ()
    face_index: PositiveInt | None = None
    face_box: tuple[float, float, float, float] | None = None
    force: bool = False

    @model_validator(mode="after")
    def _one_at_most(self) -> Self:
        if (self.seed is not None) + (self.code is not None) + bool(self.faces) > 1:
            raise ValueError("name the subject by --seed, by --code or by --face, not by several of them")
        if self.holdout_faces and not self.faces:
            raise ValueError("--holdout-face needs a --face of the same person")
        if self.face_index and self.face_box:
            raise ValueError("say which face by --face-index or by --face-box, not by both")
        if (self.face_index or self.face_box) and len(self.faces) != 1:
            raise ValueError("--face-index and --face-box say which face of one --face photo it is")
        return self


class Photos(Part):
    """How photos become codes.

    Attributes:
        crop_scale, crop_shift: how the frame of the model's training pictures differs from its family's usual one: its
            side multiplied by the one, its centre moved by the other times the side.
        encoder: a network that guesses the code, "NAME" or "NAME:FILE"; by default the search starts at the mean code.
        steps: of the search.
    """

    crop_scale: PositiveFloat = 1.0
    crop_shift: tuple[float, float] = (0.0, 0.0)
    encoder: str | None = None
    steps: PositiveInt = 200


class Method(Part):
    """How to unlearn.

    Attributes:
        operator: the operator's name.
        settings: the operator's own options; what is absent has its default.
        training_seed: where every random draw of the training starts.
        stop_below: stop early once the training recogniser's similarity of the subject before and after is lower.
    """

    operator: str = "guide"
    settings: dict[str, Any] = Field(default_factory=dict)
    training_seed: int = Field(default=0, ge=0, lt=2**32)
    stop_below: float | None = Field(default=None, gt=-1, lt=1)


class NetworkChoice(Part):
    """The frozen networks: what the loss sees, who trains the forgetting, and who judges it.

    Each is "NAME", "NAME:FILE" or "NAME:FILE#sha256=HEX". Without a judge, dlib judges where it is installed, and the
    trainer itself where it is not.
    """

    perceptual: str = "lpips-vgg"
    trainer: RecogniserChoice = "facenet"
    judge: RecogniserChoice | None = None


class Rules(Part):
    """What a pass asks for.

    Attributes:
        false_accept: the share of strangers' pairs that the recogniser's threshold lets through. The subject has to
            stay below that threshold: at their own code, nearby, in their photos, after an attack with plausible codes.
        bystander_median: how much of themselves bystanders keep, the median: 1 is unchanged, 0 is like a stranger.
        bystander_q05: the same of the twentieth who changed most.
        frechet: the highest Fréchet distance before to after in the judge's features, in multiples of the distance
            between two samples of the original.
    """

    false_accept: float = Field(default=0.001, gt=0, le=0.05)
    bystander_median: float = Field(default=0.9, gt=-1, lt=1)
    bystander_q05: float = Field(default=0.6, gt=-1, lt=1)
    frechet: PositiveFloat = 1.0


class Audit(Part):
    """How much is measured; what is None has the level's number, see `audit.effort`.

    Attributes:
        level: "quick" for minutes, "full" for a release, "off" measures nothing and passes nothing.
        bystanders: random codes drawn before and after.
        attack_steps: of each inversion in the recovery attack, in W and again in W+.
        controls: people who are attacked though nobody unlearned them.
        searched: random codes of the redacted generator that are compared with the subject.
        samples: pictures of each generator for Inception's distances.
        inception, real_statistics: files for them, see `unlearn evaluate`.
        keep_evidence: keep the subject's pictures in the run's private folder.
    """

    level: Literal["quick", "full", "off"] = "quick"
    bystanders: int | None = Field(default=None, ge=20)
    attack_steps: PositiveInt | None = None
    controls: PositiveInt | None = None
    searched: PositiveInt | None = None
    samples: int | None = Field(default=None, ge=2)
    inception: Path | None = None
    real_statistics: Path | None = None
    keep_evidence: bool = False
    rules: Rules = Rules()


class Machine(Part):
    """Where the run happens."""

    device: Literal["auto", "cuda", "mps", "cpu"] = "auto"
    precision: Literal["float32", "bf16"] = "float32"
    checkpoint_every: PositiveInt = 100


class Recipe(Part):
    """One run, whole.

    Attributes:
        hub: the model: a folder, a file, or "ORG/NAME[@REVISION]" on the Hub.
        file: which weight file of the model, where it has several.
    """

    hub: str
    file: str | None = None
    subject: SubjectChoice = SubjectChoice()
    photos: Photos = Photos()
    method: Method = Method()
    networks: NetworkChoice = NetworkChoice()
    audit: Audit = Audit()
    machine: Machine = Machine()


class Suggestion(Part):
    """What a model's owner suggests in the model's own `unlearn.toml`: method, networks, how photos are cropped."""

    photos: dict[str, Any] = Field(default_factory=dict)
    method: dict[str, Any] = Field(default_factory=dict)
    networks: dict[str, Any] = Field(default_factory=dict)


def parse(kind: type[Part], values: dict[str, Any], where: str) -> Any:
    """Validate `values` as `kind`; a `UsageError` names the first thing wrong and `where` it stands."""
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise UsageError(f"{where}: {first_problem(error)}.") from None


def first_problem(error: ValidationError) -> str:
    """Return the first of pydantic's complaints as "key: what is wrong", without the value."""
    first = error.errors(include_input=False)[0]
    key = ".".join(str(part) for part in first["loc"] if isinstance(part, str) and not set("[-") & set(part))
    message = first["msg"].removeprefix("Value error, ")
    return f"{key}: {message}" if key else message


def follow(recipe: Recipe, suggestion: Suggestion) -> Recipe:
    """Fill in what `recipe` leaves unsaid from the model owner's suggestion; what it says stays."""
    said = recipe.model_dump(exclude_unset=True)
    method = {**suggestion.method, **said.get("method", {})}
    method["settings"] = {**suggestion.method.get("settings", {}), **said.get("method", {}).get("settings", {})}
    networks = {**suggestion.networks, **said.get("networks", {})}
    photos = {**suggestion.photos, **said.get("photos", {})}
    filled = {**said, "method": method, "networks": networks, "photos": photos}
    return parse(Recipe, filled, "unlearn.toml in the model's folder")
