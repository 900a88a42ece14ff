"""`unlearn audit`: measure a run again, or two models, from the command line. Everything slow is imported inside."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from guide_plugin.errors import UsageError
from guide_plugin.options import AUDIT, FILE, NETWORKS, SUBJECT, plugin_host, recipe_from, with_options


@click.command()
@click.argument("run", type=FILE, required=False)
@click.option("--before", metavar="MODEL", help="Audit two models: the original, a folder, a file, or ORG/NAME.")
@click.option("--after", metavar="MODEL", help="And the redacted one.")
@click.option("--level", type=click.Choice(["quick", "full"]), help="How much is measured [quick].")
@with_options(AUDIT, SUBJECT, NETWORKS)
@click.option("--output", type=FILE, help="The folder to make for two models [runs/audit-MODEL-DATE-TIME].")
@click.option("--device", type=click.Choice(["auto", "cuda", "mps", "cpu"]), help="Where to compute [auto].")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def audit(run: Path | None, as_json: bool, **options: Any) -> None:
    """Measure the done run in the folder RUN again, or two models: --before and --after.

    Of two models, the subject is named as for unlearning; without one, everybody else alone is measured.
    """
    from guide_plugin.cli import print_outcome
    from guide_plugin.progress import Lines
    from guide_plugin.reaudit import audit_models, audit_run

    if (run is None) == (options["before"] is None and options["after"] is None):
        raise UsageError("Nothing to audit is named.", "Give the folder of a run, or --before and --after.")
    if run is None and not (options["before"] and options["after"]):
        raise UsageError("One of the two models is missing.", "Give both --before and --after.")
    with Lines() as display:
        host = plugin_host()
        if run is not None:
            names = ("keep_evidence", "inception", "real_statistics")
            asked = {name: options[name] for name in names if options[name]}
            outcome = audit_run(run, {**asked, "level": options["level"] or "quick"}, host, display)
        else:
            recipe = recipe_from({**options, "hub": options["before"], "audit": options["level"]}, host)
            outcome = audit_models(recipe, options["after"], options["output"], host, display)
    print_outcome(outcome, as_json)
