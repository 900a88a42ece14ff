"""GUIDE, the paper's baseline and the naive one side by side: `python -m examples.synthetic_diffusion.compare MODEL`.

Options after the model are `seed=N` or `name=NAME` for the subject, and settings as `METHOD.KEY=VALUE`.
"""

from __future__ import annotations

import sys
from pathlib import Path

from examples.synthetic_diffusion import predict_noise
from guide_plugin import PluginHost, Recipe
from guide_plugin.comparison.methods import compare
from guide_plugin.comparison.table import comparison_lines
from guide_plugin.progress import Lines

QUICKER = {"bystanders": 100, "searched": 100, "controls": 2}
METHODS = ("guide", "baseline", predict_noise.PredictNoise.name)


def main() -> None:
    """Compare, and print the table."""
    model, *said = sys.argv[1:]
    values = dict(word.split("=", 1) for word in said)
    subject = {key: values.pop(key) for key in ("seed", "name") if key in values}
    recipe = Recipe.model_validate({"hub": model, "subject": subject, "method": {"settings": values}, "audit": QUICKER})
    with Lines() as display:
        comparison, folder = compare(recipe, METHODS, host=PluginHost(also=[predict_noise]), display=display)
    print(comparison_lines(comparison, Path(folder) / "comparison.json", Path(folder) / "comparison.png"))


if __name__ == "__main__":
    main()
