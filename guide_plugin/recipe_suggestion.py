"""What a model's owner suggests, and how a recipe follows it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from pydantic import Field

from guide_plugin.recipe import Method, Part, Recipe, parse


class Suggestion(Part):
    """What a model's owner suggests in the model's own `unlearn.toml`: method, networks, how photos are cropped."""

    photos: dict[str, Any] = Field(default_factory=dict)
    method: dict[str, Any] = Field(default_factory=dict)
    networks: dict[str, Any] = Field(default_factory=dict)


def meant_for(operator: str, shared: Collection[str], suggestion: Suggestion) -> Suggestion:
    """Return what of a suggestion goes for an operator.

    Settings are suggested for one operator, that of the suggestion or else the default one; another operator takes
    only those that are `shared`.
    """
    if suggestion.method.get("operator", Method().operator) == operator:
        return suggestion
    settings = {key: value for key, value in suggestion.method.get("settings", {}).items() if key in shared}
    return suggestion.model_copy(update={"method": {**suggestion.method, "settings": settings}})


def follow(recipe: Recipe, suggestion: Suggestion) -> Recipe:
    """Fill in what `recipe` leaves unsaid from the model owner's suggestion; what it says stays."""
    said = recipe.model_dump(exclude_unset=True)
    method = {**suggestion.method, **said.get("method", {})}
    method["settings"] = {**suggestion.method.get("settings", {}), **said.get("method", {}).get("settings", {})}
    networks = {**suggestion.networks, **said.get("networks", {})}
    photos = {**suggestion.photos, **said.get("photos", {})}
    filled = {**said, "method": method, "networks": networks, "photos": photos}
    return parse(Recipe, filled, "unlearn.toml in the model's folder")
