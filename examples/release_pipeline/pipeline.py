"""Redact and publish as a recipe says: `python pipeline.py recipe.toml`. Exit code 3 means that it was refused."""

import sys

from guide_plugin import UnlearnError, read_recipe, unlearn

try:
    outcome = unlearn(read_recipe(sys.argv[1]))
except UnlearnError as error:
    print(error, file=sys.stderr)
    sys.exit(error.exit_code)
print(outcome.verdict, outcome.published.url if outcome.published else "not published", *outcome.refusals, sep="\n")
sys.exit(3 if outcome.refusals else 0)
