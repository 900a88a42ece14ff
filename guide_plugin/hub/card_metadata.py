"""A card's metadata: what the source's card says, and what a release adds to it.

Its keys and their rules: https://github.com/huggingface/hub-docs/blob/main/modelcard.md
"""

from __future__ import annotations

from typing import Any

from huggingface_hub import CardData, EvalResult, ModelCardData

from guide_plugin.hub.card_figures import card_figures
from guide_plugin.hub.provenance_record import SourceModel
from guide_plugin.report.findings import Findings

TAGS = ("machine-unlearning", "identity-unlearning")

# The Hub refuses a dataset's type with a blank in it, and a task's that it does not know.
TASK, TASK_NAME = "unconditional-image-generation", "Unconditional Image Generation"
DATASET, DATASET_NAME = "guide-plugin-audit", "Faces drawn by the original and by the redacted model"

METRICS = {
    "subject_similarity_max": "Similarity to the removed person, highest",
    "recovery_similarity_max": "Similarity to the removed person after searching plausible codes, highest",
    "bystander_similarity_median": "Similarity of other people to themselves before, median",
    "bystander_similarity_q05": "Similarity of other people to themselves before, 5th percentile",
    "erasing_accuracy": "EA: share of the person's pictures that are no longer verified",
    "retaining_accuracy": "RA: share of other people who are still verified",
    "erasing_retaining_balance": "ERB: harmonic mean of EA and RA",
    "frechet_distance_recogniser": "Fréchet distance to the original in the recogniser's features",
}


def annotate(data: CardData, source: SourceModel, found: Findings | None, repo: str) -> None:
    """Add to a card's metadata: its base model, tags and measured results; nothing else changes, no licence is set.

    Raises:
        ValueError: `tags` or `model-index` are not what the Hub takes.
    """
    _mend_norwegian(data)
    if source.repo is not None and source.repo != repo:
        data["base_model"] = source.repo
        data["base_model_relation"] = "finetune"
    held = data.get("tags") or []
    tags = [held] if isinstance(held, str) else held
    if not isinstance(tags, list):
        raise ValueError("tags is no list")
    data["tags"] = [tag for i, tag in enumerate([*tags, *TAGS]) if tag not in [*tags, *TAGS][:i]]
    index = _with_results(data.get("model-index") or [], found, repo.rpartition("/")[2])
    if index:
        data["model-index"] = index


def _with_results(index: Any, found: Findings | None, name: str) -> list[dict[str, Any]]:
    """Return the index with this release's results in the place of an earlier one's."""
    entries: list[Any] = index if isinstance(index, list) else [index]
    if not all(isinstance(entry, dict) and isinstance(entry.get("results", []), list) for entry in entries):
        raise ValueError("model-index is no list of results")
    kept = [{**entry, "results": [r for r in entry.get("results", []) if not _is_ours(r)]} for entry in entries]
    measured = _results(found, name)
    if not kept and measured:
        return [{"name": name, "results": measured}]
    if kept:
        kept[0]["results"] += measured
    return [entry for entry in kept if entry["results"]]


def _is_ours(result: Any) -> bool:
    dataset = result.get("dataset") if isinstance(result, dict) else None
    return isinstance(dataset, dict) and dataset.get("type") == DATASET


def _results(found: Findings | None, name: str) -> list[dict[str, Any]]:
    results = [
        EvalResult(
            task_type=TASK,
            task_name=TASK_NAME,
            dataset_type=DATASET,
            dataset_name=DATASET_NAME,
            metric_type=figure.metric,
            metric_name=METRICS[figure.metric],
            metric_value=figure.after,
        )
        for figure in card_figures(found)
        if figure.metric is not None
    ]
    if not results:
        return []
    held: list[dict[str, Any]] = ModelCardData(model_name=name, eval_results=results).to_dict()["model-index"]
    return list(held[0]["results"])


def _mend_norwegian(data: CardData) -> None:
    """Write the language "no" as text again: the Hub reads YAML 1.2, where it is no truth value."""
    language = data.get("language")
    if isinstance(language, list):
        data["language"] = ["no" if one is False else one for one in language]
    elif language is False:
        data["language"] = "no"
