"""A dry run: everything is checked, what would be done is told, nothing is written and nothing large is fetched."""

from __future__ import annotations

import copy
import time
from pathlib import Path
from typing import Any

import torch

from guide_plugin.audit.drawing import frontal
from guide_plugin.hub.release import sort_files
from guide_plugin.hub.source import Source, candidates, claims_of, pull
from guide_plugin.plan import Display, Plan, default_output, prepare, shown
from guide_plugin.plugins import PluginHost
from guide_plugin.recipe import Recipe, Release
from guide_plugin.subject import cut_faces, find_subject

TOGETHER = 16 * 64 * 64
"""How many pixels are drawn at once to measure the speed."""


def dry_run(recipe: Recipe, host: PluginHost, display: Display, output: Path | None = None) -> dict[str, Any]:
    """Say what a run would fetch, read, train, write and publish, as JSON values.

    Of a model on the Hub that is not in the cache, only names, sizes and small files are known, and what follows from
    them is told: `lacking` then names what a run would fetch first, and what needs the model itself is absent.

    Raises:
        UnlearnError: as the run itself would, as far as it can be known.
    """
    display.stage("Looking at the model")
    source = pull(recipe.hub, recipe.file)
    if source.remote:
        from guide_plugin.hub.download import is_cached

        claimed = claims_of(source.listing, host.adapters)
        wanted = {*(claimed[0][1].files if claimed else candidates(source)), *source.companions}
        lacking = {name: source.sizes[name] for name in sorted(wanted) if not is_cached(source.remote, name)}
        if lacking:
            return {
                **_about(source),
                "adapter": claimed[0][0].name if claimed else None,
                "summary": claimed[0][1].summary if claimed else None,
                "lacking": lacking,
                "bytes_in_memory_at_least": 5 * sum(source.sizes[name] for name in wanted - {*source.companions}),
                "publishes": _publishes(recipe.release, source, wanted),
            }
    return describe(prepare(recipe, host, display), display, output)


def _about(source: Source) -> dict[str, Any]:
    remote = source.remote
    return {
        "model": source.hub if remote else str(source.folder),
        "license": remote.license if remote else None,
        "private": remote.private if remote else None,
    }


def _publishes(release: Release, source: Source, replaced: set[str]) -> dict[str, Any] | None:
    if release.push is None:
        return None
    files = sort_files(source, replaced)
    return {
        "to": release.push,
        "as": "pull request" if release.create_pr or release.in_place else "commit",
        "public_if_new": release.public,
        "kept": list(files.kept),
        "left_out": list(files.left_out),
        "unpublished": list(files.unpublished),
    }


def describe(plan: Plan, display: Display, output: Path | None = None) -> dict[str, Any]:
    """Say what a run of this plan would do; its speed is measured on some pictures."""
    choice, suggested = plan.recipe.subject, plan.suggestion
    if choice.faces:
        cut_faces(plan.recipe, plan.teacher)
    subject_kind = "photo" if choice.faces else find_subject(choice, plan.teacher).kind
    parameters = _parameters(plan)
    display.stage("Timing some pictures")
    files = {file: plan.source.sizes[file] for file in (*plan.claim.files, *plan.source.companions)}
    return {
        **_about(plan.source),
        "adapter": plan.teacher.name,
        "summary": plan.claim.summary,
        "device": str(plan.teacher.device),
        "subject_kind": subject_kind,
        "reads": files,
        "operator": plan.operator.name,
        "settings": plan.operator.settings.model_dump(mode="json"),
        "trained_parameters": plan.trained_parameters,
        "trainer": shown(plan.recipe.networks.trainer),
        "judge": shown(plan.judge_choice),
        "judge_at_hand": plan.judge_at_hand,
        "judge_is_trainer": plan.judge_is_trainer,
        "perceptual": shown(plan.recipe.networks.perceptual),
        "network_files": plan.network_files,
        "suggested_by_model": sorted({**suggested.method, **suggested.networks, **suggested.photos}),
        "writes": str(output or default_output(plan.source)),
        "bytes_written_at_most": plan.bytes_written,
        "bytes_in_memory_at_least": 4 * (2 * parameters + 3 * plan.trained_parameters)
        + plan.operator.bytes_beside(weight for _, weight in plan.teacher.trainable_parameters()),
        "seconds_of_training": _seconds_of_training(plan),
        "publishes": _publishes(plan.recipe.release, plan.source, set(files)),
    }


def _parameters(plan: Plan) -> int:
    """Return how many numbers the model holds at least: its weight files' bytes, four a number."""
    return max(plan.trained_parameters, max(plan.source.sizes[file] for file in plan.claim.files) // 4)


def _seconds_of_training(plan: Plan) -> float:
    """Time some pictures through teacher, student and networks and back, times pictures and steps: a guess."""
    student = copy.deepcopy(plan.teacher)
    for _, parameter in student.trainable_parameters():
        parameter.requires_grad_(True)
    pictures = plan.operator.pictures_per_step()

    def seconds(n: int) -> tuple[float, int]:
        begun = time.perf_counter()
        code, view = plan.teacher.mean_latent(), frontal(plan.teacher, n)
        code = code.expand(n, *code.shape[1:])
        for model, learns in ((plan.teacher, False), (student, True)):
            with torch.set_grad_enabled(learns):
                drawn = model.synthesize(code, view).image
                levels = plan.networks.perceptual.features(drawn)
                total = plan.networks.recogniser(drawn).sum() + torch.stack([level.mean() for level in levels]).sum()
        total.backward()
        if plan.teacher.device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - begun, drawn.shape[-1] ** 2

    _, pixels = seconds(1)
    together = max(1, min(pictures, TOGETHER // pixels))
    return seconds(together)[0] / together * pictures * plan.operator.settings.steps
