"""`unlearn new-plugin`: a package to begin with. Everything slow is imported inside."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

KINDS = ("adapter", "recogniser", "operator", "gate")


@click.command("new-plugin")
@click.argument("name")
@click.option("--kind", "kinds", type=click.Choice(KINDS), multiple=True, help="What it brings; repeatable [adapter].")
@click.option("--output", type=click.Path(path_type=Path), help="The folder to make [NAME].")
def new_plugin(name: str, kinds: tuple[str, ...], output: Path | None) -> None:
    """Write a package NAME to begin a plugin with: it works as it is, and its tests pass."""
    from guide_plugin.new_plugin import write_plugin
    from guide_plugin.plugins import PluginHost

    folder = output or Path(name)
    write_plugin(name, kinds or ("adapter",), folder, PluginHost())
    where = shlex.quote(str(folder))
    click.echo(f"{folder} is written. It works as it is; make it yours from there:")
    click.echo(f"pip install -e {shlex.quote(f'{folder}[test]')}")
    click.echo(f"pytest {where}")
    click.echo("unlearn plugins")
