"""Model cards: the YAML at the top of README.md, read and held against what the Hub accepts."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import yaml

from guide_plugin.testing.hub.licences import LICENCES
from guide_plugin.testing.hub.names import checked_repo_id
from guide_plugin.testing.hub.refusal import HubRefusal

RELATIONS = ("adapter", "merge", "quantized", "finetune")
_FRONT_MATTER = re.compile(r"\A(?:\ufeff)?\s*---[ \t]*\r?\n(.*?)(?:\r?\n)?^---[ \t]*$", re.DOTALL | re.MULTILINE)
_SINGLE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}")


class CardError(ValueError):
    """The YAML at the top of a model card cannot be read."""


def metadata(readme: bytes) -> dict[str, Any]:
    """Return what the YAML at the top of a model card says; empty where there is none.

    Raises:
        CardError: it is no YAML, or no mapping.
    """
    found = _FRONT_MATTER.match(readme.decode("utf-8", "replace"))
    if not found:
        return {}
    try:
        value = yaml.safe_load(found[1])
    except yaml.YAMLError as error:
        where = getattr(error, "problem_mark", None)
        line = f" in line {where.line + 2}" if where else ""
        raise CardError(f"Invalid YAML{line}: {getattr(error, 'problem', None) or error}.") from error
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise CardError("The metadata must be a mapping.")
    return value


def problems(readme: bytes) -> list[str]:
    """Return why the Hub would refuse a model card, one sentence each; none if it would not."""
    try:
        card = metadata(readme)
    except CardError as error:
        return [str(error)]
    found: list[str] = []
    for licence in _listed(card.get("license", [])):
        if licence not in LICENCES:
            found.append(f'"license" must be one of the licence ids that the Hub knows, not {licence!r}.')
    for base in _listed(card.get("base_model", [])):
        if not _is_repo_id(base):
            found.append(f'"base_model" must be the id of a model or a list of them, not {base!r}.')
    relation = card.get("base_model_relation")
    if "base_model_relation" in card and relation not in RELATIONS:
        found.append(f'"base_model_relation" must be one of {", ".join(RELATIONS)}, not {relation!r}.')
    for key in ("tags", "datasets", "metrics"):
        if key in card and not all(isinstance(item, str) for item in _listed(card[key])):
            found.append(f'"{key}" must be a list of words.')
    for key in ("library_name", "pipeline_tag", "license_name", "license_link"):
        if key in card and not isinstance(card[key], str):
            found.append(f'"{key}" must be a word.')
    if "model-index" in card:
        found += _index_problems(card["model-index"])
    return found


def warnings(readme: bytes) -> list[str]:
    """Return what the Hub would remark on in a model card that it accepts."""
    return [] if metadata(readme) else ["empty or missing yaml metadata in repo card"]


def tags(card: dict[str, Any]) -> list[str]:
    """Return the tags that the Hub derives from a model card."""
    found = [card["library_name"]] if isinstance(card.get("library_name"), str) else []
    found += [tag for tag in _listed(card.get("tags", [])) if isinstance(tag, str)]
    found += [f"license:{licence}" for licence in _listed(card.get("license", []))]
    for base in _listed(card.get("base_model", [])):
        found.append(f"base_model:{base}")
        if relation := card.get("base_model_relation"):
            found.append(f"base_model:{relation}:{base}")
    return list(dict.fromkeys(found))


def _index_problems(index: Any) -> Iterable[str]:
    if not isinstance(index, list) or not all(isinstance(model, dict) for model in index):
        yield '"model-index" must be a list of models.'
        return
    for place, model in enumerate(index):
        here = f"model-index[{place}]"
        if not isinstance(model.get("name"), str):
            yield f'"{here}.name" is required.'
        results = model.get("results")
        if not isinstance(results, list) or not all(isinstance(result, dict) for result in results):
            yield f'"{here}.results" must be a list.'
            continue
        for number, result in enumerate(results):
            for key, needed in (("task", ("type",)), ("dataset", ("type", "name"))):
                if not _has(result.get(key), needed):
                    yield f'"{here}.results[{number}].{key}" must have {" and ".join(needed)}.'
            metrics = result.get("metrics")
            whole = isinstance(metrics, list) and metrics
            if not whole or not all(_has(metric, ("type",)) and "value" in metric for metric in metrics):
                yield f'"{here}.results[{number}].metrics" must be a list; each must have type and value.'


def _has(value: Any, keys: tuple[str, ...]) -> bool:
    return isinstance(value, dict) and all(isinstance(value.get(key), str) for key in keys)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _is_repo_id(value: Any) -> bool:
    if not isinstance(value, str):
        return False
    if "/" not in value:
        return bool(_SINGLE_NAME.fullmatch(value))
    try:
        return bool(checked_repo_id(value))
    except HubRefusal:
        return False
