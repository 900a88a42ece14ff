"""`unlearn compare`: several methods side by side, from the command line. Everything slow is imported inside."""

from __future__ import annotations

from typing import Any

import click

from guide_plugin.errors import UsageError
from guide_plugin.options import AUDIT, FILE, MODEL, NETWORKS, SUBJECT, plugin_host, recipe_from, with_options


@click.command()
@click.option("--methods", default="guide,baseline", show_default=True, metavar="NAME,NAME", help="Operators.")
@with_options(MODEL, SUBJECT)
@click.option("--steps", type=click.IntRange(min=1), help="Training steps of all [suggestion, or their defaults].")
@click.option("--lr", type=click.FloatRange(min=0, min_open=True), help="Learning rate [suggestion, or defaults].")
@click.option(
    "--set", "settings", multiple=True, metavar="[METHOD.]KEY=VALUE", help="A setting of all that have it, or of one."
)
@click.option("--training-seed", type=click.IntRange(min=0), help="Where the random draws start [0].")
@with_options(NETWORKS)
@click.option("--audit", type=click.Choice(["quick", "full"]), help="How much is measured [quick].")
@with_options(AUDIT)
@click.option("--output", type=FILE, help="The folder to make [runs/compare-MODEL-DATE-TIME].")
@click.option("--device", type=click.Choice(["auto", "cuda", "mps", "cpu"]), help="Where to compute [auto].")
@click.option("--precision", type=click.Choice(["float32", "bf16"]), help="How to compute [float32].")
@click.option("--checkpoint-every", type=click.IntRange(min=1), metavar="STEPS", help="How often to save [100].")
@click.option("--json", "as_json", is_flag=True, help="Print the record as JSON.")
def compare(methods: str, as_json: bool, **options: Any) -> None:
    """Unlearn one subject by several methods and print one table.

    Each method leaves a run folder of its own. A model that is refused is a result: the exit code is 0 all the same.
    """
    from guide_plugin.comparison.methods import RECORD, compare
    from guide_plugin.comparison.pictures import PICTURE
    from guide_plugin.comparison.table import comparison_lines
    from guide_plugin.progress import Lines

    if not options["hub"]:
        raise UsageError("No model is named.", "Give --hub ORG/NAME or --hub FOLDER.")
    output, recipe = options.pop("output"), recipe_from(options)
    names = [name.strip() for name in methods.split(",") if name.strip()]
    with Lines() as display:
        comparison, folder = compare(recipe, names, output, plugin_host(), display)
    if as_json:
        click.echo(comparison.model_dump_json(indent=2))
    else:
        click.echo(comparison_lines(comparison, folder / RECORD, folder / PICTURE))
