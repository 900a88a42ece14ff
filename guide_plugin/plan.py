"""Before a run: everything that its recipe asks for is found, checked and loaded, and nothing is written."""

from __future__ import annotations

import datetime
import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import torch
from pydantic import ValidationError

from guide_plugin.adapter import Adapter, LocalCheckpoint, Match
from guide_plugin.audit.drawing import how_alike
from guide_plugin.audit.effort import effort
from guide_plugin.device import PRECISIONS, choose_device
from guide_plugin.errors import AdapterError, PluginError, Refused, UnlearnError, UsageError
from guide_plugin.hub.source import Source, find
from guide_plugin.network_file import NetworkFile, checked_sha256, same_network
from guide_plugin.operator import Embedder, Encoder, Losses, Networks, Operator, OperatorSettings, options_of_any
from guide_plugin.plugins import PluginHost
from guide_plugin.random_streams import stream_seed
from guide_plugin.recipe import Recipe, first_problem
from guide_plugin.recipe_suggestion import Suggestion, follow, meant_for
from guide_plugin.vision import dlib_recogniser
from guide_plugin.vision.centring import Centring
from guide_plugin.vision.perceptual import load_perceptual

REPORT_AND_PICTURE = 2_000_000

T = TypeVar("T")


class Display(Protocol):
    """Where a run tells how far it is."""

    def stage(self, text: str) -> None:
        """Say what is being done now."""

    def step(self, step: int, steps: int, losses: Losses) -> None:
        """Say that a step of the stage is done; losses may be none, and reading one waits for the device."""


class Silent:
    """A display that shows nothing."""

    def stage(self, text: str) -> None: ...

    def step(self, step: int, steps: int, losses: Losses) -> None: ...


@dataclass(frozen=True)
class Plan:
    """Everything that a run needs, found, checked and loaded.

    Attributes:
        suggestion: what the model's owner suggests, as far as it is meant for this operator.
        judge_choice: who judges: the recipe's judge, else dlib where it is at hand, else the trainer.
        judge_at_hand: whether dlib was chosen because it was at hand; the recipe named no judge.
        judge_is_trainer: whether the judge is the network that trains, by the hash of its weights.
        network_files: SHA-256 of the weights of "trainer", "judge" and "perceptual"; None where a network has no file
            or does not say which.
    """

    recipe: Recipe
    source: Source
    suggestion: Suggestion
    claim: Match
    teacher: Adapter
    operator: Operator[OperatorSettings]
    networks: Networks
    judge: Embedder
    judge_choice: str
    judge_at_hand: bool
    judge_is_trainer: bool
    network_files: dict[str, str | None]

    @functools.cached_property
    def centring(self) -> Centring:
        """How alike random people look to the judge; measured once, every similarity is `centring.of(judge)`'s."""
        people, seed = effort(self.recipe.audit).bystanders, self.recipe.method.training_seed
        return how_alike(self.teacher, self.judge, people, stream_seed("centring", seed))

    @property
    def trained_parameters(self) -> int:
        return sum(parameter.numel() for _, parameter in self.teacher.trainable_parameters())

    @property
    def bytes_read(self) -> int:
        return sum(self.source.sizes[file] for file in (*self.claim.files, *self.source.companions))

    @property
    def bytes_written(self) -> int:
        """What the run folder takes at its fullest: the model, and a checkpoint being replaced by the next one."""
        checkpoint = 3 * 4 * self.trained_parameters  # weights and Adam's two moments, float32
        return self.bytes_read + 2 * checkpoint + REPORT_AND_PICTURE


def prepare(recipe: Recipe, host: PluginHost, display: Display) -> Plan:
    """Find, check and load everything that the run needs; nothing is written.

    Raises:
        Refused: a required gate is missing or broken: told before hours of training, not after them.
        UnlearnError: something cannot be had or used.
    """
    missing = host.missing_gates(recipe.release.required)
    if missing:
        raise Refused(missing, "Install or mend its plugin, or do not require it; `unlearn plugins` lists them.")
    display.stage("Looking at the model")
    source, adapter, claim = find(recipe.hub, recipe.file, host.adapters)
    recipe, suggestion, operator = choose_operator(recipe, source, host)
    device = choose_device(recipe.machine.device)
    display.stage(f"Loading {claim.summary}")
    teacher = load_model(adapter, LocalCheckpoint(source.folder, claim.files), device)
    chosen = recipe.networks
    judge_at_hand = chosen.judge is None and dlib_recogniser.NAME in host.recognisers and dlib_recogniser.at_hand()
    judge_choice = chosen.judge or (dlib_recogniser.NAME if judge_at_hand else chosen.trainer)
    trainer = load_recogniser(chosen.trainer, host, device, trains=True)
    if judge_at_hand:
        display.stage("Loading dlib, which judges: no other judge is named, and it is at hand")
    judge = trainer if judge_choice == chosen.trainer else load_recogniser(judge_choice, host, device)
    perceptual = load_perceptual(chosen.perceptual, device)
    files = {
        "trainer": weights_sha256(chosen.trainer, trainer),
        "judge": weights_sha256(judge_choice, judge),
        "perceptual": weights_sha256(chosen.perceptual, perceptual),
    }
    judge_is_trainer = judge is trainer or same_network(
        NetworkFile.parse(chosen.trainer), files["trainer"], NetworkFile.parse(judge_choice), files["judge"]
    )
    networks = Networks(perceptual, trainer, PRECISIONS[recipe.machine.precision])
    return Plan(
        recipe,
        source,
        suggestion,
        claim,
        teacher,
        operator,
        networks,
        judge,
        judge_choice,
        judge_at_hand,
        judge_is_trainer,
        files,
    )


def weights_sha256(choice: str, network: object) -> str | None:
    """Return the SHA-256 of a loaded network's weights: of the file in the choice, or the one that it found itself."""
    file = NetworkFile.parse(choice).file or getattr(network, "weights_file", None)
    return checked_sha256(file, None) if isinstance(file, Path) else None


def load_model(adapter: type[Adapter], checkpoint: LocalCheckpoint, device: torch.device) -> Adapter:
    """Load a model; whatever goes wrong in the adapter is an `AdapterError` that names it."""
    try:
        return adapter.load(checkpoint, device)
    except AdapterError as error:
        raise AdapterError(f"{adapter.name}: {error.problem}", error.remedy) from error
    except UnlearnError:
        raise
    except Exception as error:
        raise AdapterError(f"The adapter {adapter.name} failed to load the model: {error!r}.") from error


def choose_operator(
    recipe: Recipe, source: Source, host: PluginHost
) -> tuple[Recipe, Suggestion, Operator[OperatorSettings]]:
    """Make the operator that recipe and suggestion name; a wrong setting is a `UsageError`.

    Returns:
        The recipe with what was suggested for this operator filled in, that suggestion, and the operator.
    """
    recipe = recipe.model_copy(update={"hub": source.hub})
    name = follow(recipe, source.suggestion).method.operator
    suggestion = meant_for(name, options_of_any(operator_class(name, host).Settings), source.suggestion)
    recipe = follow(recipe, suggestion)
    return recipe, suggestion, make_operator(recipe, host)


def operator_class(name: str, host: PluginHost) -> type[Operator[Any]]:
    """Return the operator of this name; a name that nobody registered is a `UsageError`."""
    registered = host.operator(name)
    return _from_plugin(registered.plugin, f"load the operator {registered.name}", registered.load)


def make_operator(recipe: Recipe, host: PluginHost) -> Operator[OperatorSettings]:
    """Return the recipe's operator with its settings; a wrong setting is a `UsageError`."""
    operator = operator_class(recipe.method.operator, host)
    try:
        return operator(operator.Settings.model_validate(recipe.method.settings))
    except ValidationError as error:
        known = ", ".join(operator.Settings.model_fields)
        raise UsageError(f"Setting {first_problem(error)}.", f"Settings of {operator.name}: {known}.") from None


def load_recogniser(choice: str, host: PluginHost, device: torch.device, trains: bool = False) -> Embedder:
    """Load a recogniser from "NAME", "NAME:FILE" or "NAME:FILE#sha256=HEX"; a file that differs is refused unread."""
    chosen = NetworkFile.parse(choice)
    name = chosen.name
    registered = host.recogniser(name)
    if trains and not registered.differentiable:
        raise UsageError(f"The recogniser {name} has no gradient and can only judge.", "Name another --recogniser.")
    chosen.check()
    return _from_plugin(registered.plugin, f"load the recogniser {name}", lambda: registered.load(chosen.file, device))


def load_encoder(choice: str, host: PluginHost, device: torch.device, latent_shape: tuple[int, ...]) -> Encoder:
    """Load an encoder, named as a recogniser is; what it raises or returns wrongly is told with its plugin's name."""
    chosen = NetworkFile.parse(choice)
    name = chosen.name
    registered = host.encoder(name)
    chosen.check()
    encode = _from_plugin(registered.plugin, f"load the encoder {name}", lambda: registered.load(chosen.file, device))

    def checked(images: torch.Tensor) -> torch.Tensor:
        codes = _from_plugin(registered.plugin, f"encode pictures with {name}", lambda: encode(images))
        shape, wanted = tuple(getattr(codes, "shape", ())), (len(images), *latent_shape)
        if shape != wanted or not torch.isfinite(codes).all():
            raise PluginError(
                f"The encoder {name} of plugin {registered.plugin} gave codes of shape {shape} or with NaN or Inf, "
                f"finite ones of {wanted} are needed.",
                "Name an encoder that was trained for this generator.",
            )
        return codes.detach().float()

    return checked


def _from_plugin(plugin: str, purpose: str, call: Callable[[], T]) -> T:
    """Call into a plugin; what it raises that is none of our errors becomes a `PluginError` that names it."""
    try:
        return call()
    except UnlearnError:
        raise
    except Exception as error:
        raise PluginError(f"Plugin {plugin} failed to {purpose}: {error!r}.", "Mend or remove the plugin.") from error


def default_output(source: Source, what: str = "") -> Path:
    """Return `runs/MODEL-DATE-TIME`, or `runs/WHAT-MODEL-DATE-TIME`."""
    now = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
    return Path("runs") / "-".join(filter(None, (what, source.name.rpartition("/")[2], now)))


def shown(choice: str) -> str:
    """Return a network choice without the folders of its file."""
    return NetworkFile.parse(choice).shown
