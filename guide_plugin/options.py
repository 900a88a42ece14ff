"""The command line's options that several commands share, and the recipe that they make."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from guide_plugin.errors import UsageError

if TYPE_CHECKING:
    from guide_plugin.plugins import PluginHost
    from guide_plugin.recipe import Recipe

FILE = click.Path(path_type=Path)
GATE_TIMEOUT = "How long a release gate may take; one that is silent longer refuses [600]."

Command = TypeVar("Command", bound=Callable[..., Any])

SUBJECT = [
    click.option("--seed", type=click.IntRange(min=0), help="The person that the generator draws from this seed."),
    click.option("--code", type=FILE, help="The person of this latent code (.safetensors, .npy, .pt)."),
    click.option("--name", help="The person that a text-to-image model knows by this name."),
    click.option("--face", "faces", type=FILE, multiple=True, help="A photo of the person; again for further ones."),
    click.option("--holdout-face", "holdout_faces", type=FILE, multiple=True, help="A photo of them that only judges."),
    click.option("--control-face", "control_faces", type=FILE, multiple=True, help="A photo of somebody else."),
    click.option("--face-index", type=click.IntRange(min=1), help="Which face of the --face photo, from the left."),
    click.option("--face-box", metavar="X,Y,W,H", help="Which face: the one in this box of pixels."),
    click.option("--inversion-steps", type=click.IntRange(min=1), help="Steps to find a photo's code [200]."),
    click.option("--encoder", metavar="NAME[:FILE]", help="A network that guesses a photo's code to start from."),
    click.option("--force", is_flag=True, help="Go on where the model cannot draw the person of the photo."),
]

NETWORKS = [
    click.option("--recogniser", metavar="NAME[:FILE]", help="The network that trains the forgetting [facenet]."),
    click.option("--recogniser-weights", metavar="FILE", help="The file of its weights; FILE#sha256=HEX checks it."),
    click.option("--judge", metavar="NAME[:FILE]", help="Another network, that judges it [dlib where installed]."),
    click.option("--perceptual", metavar="NAME[:FILE]", help="The perceptual network [lpips-vgg]."),
]

AUDIT = [
    click.option("--keep-evidence", is_flag=True, help="Keep pictures of the subject in the private folder."),
    click.option("--inception", type=FILE, help="Weights of FID's Inception [fetched by a full audit]."),
    click.option("--real-statistics", type=FILE, help="Features (.npy) or mu and sigma (.npz) of real pictures."),
]

MODEL = [
    click.option("--hub", metavar="MODEL", help="The model: ORG/NAME[@REVISION] on the Hub, a folder or a file."),
    click.option("--file", metavar="NAME", help="Which weight file of the model, where it has several."),
]

RELEASE = [
    click.option("--push", metavar="ORG/NAME", help="Push an accepted model to this repository on the Hub."),
    click.option("--public", is_flag=True, help="Make that repository public where it is new."),
    click.option("--create-pr", is_flag=True, help="Open a pull request there instead of committing."),
    click.option("--in-place", is_flag=True, help="Allow it to be the repository that the model came from."),
    click.option("--require", "required", multiple=True, metavar="PLUGIN", help="A gate that must agree; repeatable."),
]


PLUGINS = [
    click.option("--plugins", metavar="NAME,…", help="The third-party plugins to load, by name; or none [all]."),
    click.option("--trace-hooks", is_flag=True, help="Log each call of a plugin, without what it was told."),
    click.option("--strict-plugins", is_flag=True, help="End at the first error of a plugin, with its traceback."),
    click.option("--gate-timeout", type=click.FloatRange(min=0, min_open=True), metavar="SECONDS", help=GATE_TIMEOUT),
]


def with_options(*groups: list[Callable[[Command], Command]]) -> Callable[[Command], Command]:
    """Return a decorator that adds the options of these groups in their order."""

    def add(command: Command) -> Command:
        for option in reversed([option for group in groups for option in group]):
            command = option(command)
        return command

    return add


def plugin_host() -> PluginHost:
    """Return the plugins, loaded and watched as the options before the command's name say."""
    from guide_plugin.plugins import PluginHost
    from guide_plugin.standard_output import kept_for_the_result

    with kept_for_the_result():
        return PluginHost(**click.get_current_context().find_root().obj)


def supervision_from(options: dict[str, Any]) -> dict[str, Any]:
    """Return what the options say of plugins, as arguments of `PluginHost`; the environment says the rest."""
    from guide_plugin.supervision import names

    said = {
        "only": None if options["plugins"] is None else names(options["plugins"]),
        "trace": options["trace_hooks"] or None,
        "strict": options["strict_plugins"] or None,
        "gate_timeout": options["gate_timeout"],
    }
    return {name: value for name, value in said.items() if value is not None}


def recipe_from(options: dict[str, Any], host: PluginHost | None = None) -> Recipe:
    """Build the recipe from the options that were given, over the file of `--config`; the rest stays unset.

    Args:
        host: the plugins, whose operators know which of their settings are files; by default the installed ones.
    """
    from guide_plugin.recipe import Recipe, parse
    from guide_plugin.recipe_file import read_recipe

    if options.get("config"):
        return read_recipe(options["config"], said_in(options), host)
    recipe: Recipe = parse(Recipe, said_in(options), "The options")
    return recipe


def said_in(options: dict[str, Any]) -> dict[str, Any]:
    """Return what the options say, as a recipe's values; what was not given is absent."""

    def given(*names: str, **renamed: str) -> dict[str, Any]:
        wanted = {**{name: name for name in names}, **renamed}
        found = {key: options.get(option) for key, option in wanted.items()}
        return {key: value for key, value in found.items() if value is not None and value is not False and value != ()}

    settings: dict[str, Any] = given("steps", "lr", "global_weight")
    for assignment in options.get("settings") or ():
        key, equals, value = assignment.partition("=")
        if not equals:
            raise UsageError(f"--set {assignment} has no value.", "Write --set KEY=VALUE.")
        settings[key] = value
    networks = given("judge", "perceptual", trainer="recogniser")
    if options.get("recogniser_weights"):
        networks["trainer"] = _with_weights(networks.get("trainer"), options)
    subject = given("seed", "code", "name", "faces", "holdout_faces", "control_faces", "face_index", "force")
    if options.get("face_box"):
        subject["face_box"] = _box(options["face_box"])
    return {
        **given("hub", "file"),
        "subject": subject,
        "photos": given("encoder", steps="inversion_steps"),
        "method": {**given("operator", "training_seed", "stop_below"), "settings": settings},
        "networks": networks,
        "audit": given("keep_evidence", "inception", "real_statistics", level="audit"),
        "machine": given("device", "precision", "checkpoint_every"),
        "release": given("push", "public", "create_pr", "in_place", "required"),
    }


def _with_weights(trainer: str | None, options: dict[str, Any]) -> str:
    from guide_plugin.network_file import NetworkFile
    from guide_plugin.recipe import NetworkChoice

    if trainer is None and options.get("config"):
        raise UsageError("Beside a recipe, --recogniser-weights alone is not enough.", "Give --recogniser NAME:FILE.")
    name = trainer or NetworkChoice().trainer
    if NetworkFile.parse(name).file:
        raise UsageError("--recogniser and --recogniser-weights both name a file.", "Give one of them.")
    return f"{name}:{options['recogniser_weights']}"


def _box(text: str) -> tuple[float, ...]:
    try:
        x, y, width, height = (float(number) for number in text.split(","))
    except ValueError:
        raise UsageError("--face-box is not four numbers.", "Write --face-box X,Y,W,H in pixels.") from None
    return x, y, width, height
