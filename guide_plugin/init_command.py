"""`unlearn init`: a recipe file to begin with. Everything slow is imported inside."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from guide_plugin.errors import UsageError


@click.command()
@click.argument("file", type=click.Path(path_type=Path), default="recipe.toml")
def init(file: Path) -> None:
    """Write a recipe with every option, explained, to FILE [recipe.toml]."""
    from guide_plugin.operators.guide.settings import GuideSettings
    from guide_plugin.recipe_template import recipe_template

    text = recipe_template(GuideSettings)
    try:
        with file.open("x", encoding="utf-8") as written:
            written.write(text)
    except FileExistsError:
        raise UsageError(f"{file} exists already.", "Name another file, or remove that one.") from None
    except OSError as error:
        raise UsageError(f"{file} cannot be written: {error.strerror}.", "Name another file.") from None
    click.echo(f"{file} is written. Name the model in its line `hub`, then look at what would be done:")
    click.echo(f"unlearn --config {shlex.quote(str(file))} --dry-run")
