"""`unlearn push` and `unlearn verify`: publish a done run, and check a published model. All slow imports are inside."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from guide_plugin.errors import Refused
from guide_plugin.options import FILE, plugin_host


@click.command()
@click.argument("run", type=FILE)
@click.option("--to", "push", metavar="REPO", help="The repository [as the run was asked].")
@click.option("--public", is_flag=True, help="Make a new repository public.")
@click.option("--create-pr", is_flag=True, help="Open a pull request instead of committing.")
@click.option("--in-place", is_flag=True, help="Allow a pull request on the model's own repository.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def push(run: Path, as_json: bool, **options: Any) -> None:
    """Publish the accepted model of the done run in the folder RUN, or go on where publishing it failed."""
    from guide_plugin.cli import print_outcome
    from guide_plugin.pipeline import publish_run
    from guide_plugin.progress import Lines

    with Lines() as display:
        release = {key: value for key, value in options.items() if value}
        outcome = publish_run(run, release, plugin_host(), display)
    print_outcome(outcome, as_json)


@click.command()
@click.argument("model")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def verify(model: str, as_json: bool) -> None:
    """Compare MODEL, a folder or ORG/NAME[@REVISION], with what its provenance.json says of it."""
    from guide_plugin.progress import Lines
    from guide_plugin.report.text import verification_lines
    from guide_plugin.verification import verify as check

    with Lines() as display:
        found = check(model, display)
    if as_json:
        told = {**vars(found), "provenance": found.provenance.model_dump(mode="json")}
        click.echo(json.dumps(told, indent=2))
        sys.exit(Refused.exit_code if found.wrong else 0)
    click.echo(verification_lines(found))
    if found.wrong:
        raise Refused(list(found.wrong), "Do not use it; tell whoever published it.")
