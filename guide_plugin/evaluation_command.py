"""`unlearn evaluate`: the paper's protocol from the command line. Everything slow is imported inside."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from guide_plugin.errors import UsageError
from guide_plugin.options import plugin_host, recipe_from

FILE = click.Path(path_type=Path)


@click.command()
@click.option("--protocol", type=click.Choice(["guide"]), default="guide", show_default=True, help="Whose evaluation.")
@click.option("--hub", metavar="FOLDER", help="The model: a local folder or file.")
@click.option("--seed", type=click.IntRange(min=0), help="Case random: the person of this seed [0 without any case].")
@click.option("--in-domain", type=FILE, help="Case in-domain: a picture of the model's training set.")
@click.option("--out-of-domain", type=FILE, metavar="FOLDER", help="Case out-of-domain: pictures of one person.")
@click.option("--redacted", type=FILE, metavar="FOLDER", help="Measure this redacted model; train none.")
@click.option("--encoder", metavar="NAME[:FILE]", help="An encoder that guesses the codes of pictures.")
@click.option(
    "--inversion-steps", type=click.IntRange(min=0), help="Steps to find a code [200, or 0 after an encoder]."
)
@click.option("--samples", type=click.IntRange(min=0), default=5000, show_default=True, help="Random people for FID.")
@click.option("--inception", type=FILE, help="The weights of FID's Inception [torch's cache, or fetched].")
@click.option("--real-statistics", type=FILE, help="Features (.npy) or mu and sigma (.npz) of real pictures.")
@click.option("--published", type=FILE, metavar="FOLDER", help="The files published with GUIDE, found by their names.")
@click.option("--output", type=FILE, help="The folder to make [runs/evaluate-MODEL-DATE-TIME].")
@click.option("--steps", type=click.IntRange(min=1), help="Training steps [the model owner's suggestion, or 1000].")
@click.option("--lr", type=click.FloatRange(min=0, min_open=True), help="Learning rate [suggestion, or 1e-4].")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Any other setting of the method.")
@click.option("--training-seed", type=click.IntRange(min=0), help="Where the random draws of the training start [0].")
@click.option("--recogniser", metavar="NAME[:FILE]", help="Trains [published arcface, suggestion, or facenet].")
@click.option("--recogniser-weights", metavar="FILE", help="The file of its weights; FILE#sha256=HEX checks it.")
@click.option("--judge", metavar="NAME[:FILE]", help="Measures ID [published curricularface, suggestion, or dlib].")
@click.option("--perceptual", metavar="NAME[:FILE]", help="The perceptual network [lpips-vgg].")
@click.option("--device", type=click.Choice(["auto", "cuda", "mps", "cpu"]), help="Where to compute [auto].")
@click.option("--precision", type=click.Choice(["float32", "bf16"]), help="How to train [float32].")
@click.option("--json", "as_json", is_flag=True, help="Print the record as JSON.")
def evaluate(protocol: str, as_json: bool, **options: Any) -> None:
    """Unlearn and measure as GUIDE's paper did, in up to three cases, with the published numbers beside."""
    from guide_plugin.evaluation.protocol import Request, evaluate
    from guide_plugin.evaluation.table import evaluation_lines
    from guide_plugin.progress import Lines

    if not options["hub"]:
        raise UsageError("No model is named.", "Give --hub FOLDER, or see `unlearn evaluate --help`.")
    asked: tuple[str, ...] = ("hub", "steps", "lr", "settings", "training_seed", "recogniser", "recogniser_weights")
    asked += ("judge", "perceptual", "device", "precision")
    own = ("seed", "in_domain", "out_of_domain", "redacted", "encoder", "inversion_steps", "samples", "inception")
    chosen = {key: options[key] for key in (*own, "real_statistics", "published")}
    with Lines() as display:
        host = plugin_host()
        asked_for = {name: options[name] for name in asked} | {"operator": protocol, "audit": "off"}
        recipe = recipe_from(asked_for, host)
        record, folder = evaluate(Request(recipe, **chosen), options["output"], host, display)
    click.echo(record.model_dump_json(indent=2) if as_json else evaluation_lines(record, folder))
