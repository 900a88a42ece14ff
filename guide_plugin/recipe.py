"""Everything that a run was asked to do, as one frozen record that can be written down and replayed."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, ValidationError, model_validator

from guide_plugin.errors import UsageError

RecogniserChoice = str
"""A recogniser's name, with the file of its weights where it needs one, and that file's hash: see `NetworkFile`."""


class Part(BaseModel):
    """A part of a recipe: frozen, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class SubjectChoice(Part):
    """Who is to be unlearned; with neither, a random person of the generator as a rehearsal."""

    seed: int | None = Field(default=None, ge=0, lt=2**32)
    code: Path | None = None

    @model_validator(mode="after")
    def _one_at_most(self) -> Self:
        if self.seed is not None and self.code is not None:
            raise ValueError("name the subject by --seed or by --code, not by both")
        return self


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


class Audit(Part):
    """How much is measured, and what a pass asks for.

    Attributes:
        bystanders: random codes drawn before and after.
        nearby: codes around the subject's.
        bystander_median: the lowest median similarity of bystanders before and after that passes.
    """

    bystanders: int = Field(default=200, ge=20)
    nearby: PositiveInt = 32
    bystander_median: float = Field(default=0.9, gt=-1, lt=1)


class Machine(Part):
    """Where the run happens."""

    device: Literal["auto", "cuda", "mps", "cpu"] = "auto"
    precision: Literal["float32", "bf16"] = "float32"
    checkpoint_every: PositiveInt = 100


class Recipe(Part):
    """One run, whole.

    Attributes:
        hub: a local folder with the model.
    """

    hub: str
    subject: SubjectChoice = SubjectChoice()
    method: Method = Method()
    networks: NetworkChoice = NetworkChoice()
    audit: Audit = Audit()
    machine: Machine = Machine()


class Suggestion(Part):
    """What a model's owner suggests in the model's own `unlearn.toml`: method and networks, nothing else."""

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
    return parse(Recipe, {**said, "method": method, "networks": networks}, "unlearn.toml in the model's folder")
