"""`unlearn check`: hold the adapter contract against an installed adapter. Everything slow is imported inside."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path

import click

from guide_plugin.errors import AdapterError, UsageError
from guide_plugin.options import plugin_host


@click.command()
@click.argument("name")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def check(name: str, path: Path, as_json: bool) -> None:
    """Say whether the adapter NAME keeps every clause of the contract with the model at PATH.

    For authors of adapters. What is broken is told with what was expected, what was found, why it matters and how to
    mend it.
    """
    from guide_plugin.progress import Lines
    from guide_plugin.testing import check_adapter

    adapter = plugin_host().adapter(name)
    if not path.exists():
        raise UsageError(f"There is no {path}.", "Give the folder or file of a model that the adapter loads.")
    with Lines() as display:
        display.stage(f"Checking {name}")
        report = check_adapter(adapter, path, lambda done, of: display.step(done, of, {}))
    if as_json:
        results = [asdict(result) for result in report.results]
        click.echo(json.dumps({"adapter": name, "passed": report.passed, "results": results}, indent=2))
    else:
        click.echo(str(report))
    if not report.passed:
        broken = AdapterError(
            f"{name} breaks the contract: {', '.join(report.failed)}.",
            "Mend that, and check again: what was not run may be broken too.",
        )
        click.echo(f"Error: {broken}", err=True)
        sys.exit(broken.exit_code)
