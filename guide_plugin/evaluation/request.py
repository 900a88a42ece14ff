"""What an evaluation is asked to do, and what the published files add to it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from guide_plugin.evaluation.auxiliary import Auxiliary
from guide_plugin.recipe import Recipe, parse


@dataclass(frozen=True)
class Request:
    """What to evaluate.

    Attributes:
        recipe: model, method, networks and machine; its subject does not count.
        seed, in_domain, out_of_domain: the subjects of the three cases, each a case of its own where it is given.
        redacted: an existing redacted model to measure instead of training one; for one case alone.
        encoder: "NAME" or "NAME:FILE"; its guess is where the search for a code starts.
        inversion_steps: of that search; by default none after an encoder, as published, and 200 without.
        samples: random people of each generator for FID; 0 leaves it out.
        published: a folder with the files published with GUIDE; whatever is named otherwise wins.
    """

    recipe: Recipe
    seed: int | None = None
    in_domain: Path | None = None
    out_of_domain: Path | None = None
    redacted: Path | None = None
    encoder: str | None = None
    inversion_steps: int | None = None
    samples: int = 5000
    inception: Path | None = None
    real_statistics: Path | None = None
    published: Path | None = None


def with_published(recipe: Recipe, found: Auxiliary) -> Recipe:
    """Fill in the published files where the recipe itself names nothing."""
    said = recipe.model_dump(exclude_unset=True)
    networks, method = dict(said.get("networks", {})), dict(said.get("method", {}))
    if found.arcface:
        networks.setdefault("trainer", f"arcface:{found.arcface}")
    if found.curricularface:
        networks.setdefault("judge", f"curricularface:{found.curricularface}")
    if found.w_avg:
        method["settings"] = {"w_avg": str(found.w_avg), **method.get("settings", {})}
    return parse(Recipe, {**said, "networks": networks, "method": method, "subject": {}}, "The options")


def shown_settings(recipe: Recipe) -> dict[str, Any]:
    """Return the settings that were asked for, files without their folders."""
    settings = recipe.method.settings
    return {key: Path(str(value)).name if key == "w_avg" else value for key, value in settings.items()}
