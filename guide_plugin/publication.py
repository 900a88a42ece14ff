"""From an accepted run to the Hub: stage the release, load it from there, measure it again, push it."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterator
from pathlib import Path

import torch
from torch import Tensor

from guide_plugin.adapter import Adapter, LocalCheckpoint, View
from guide_plugin.assessment import all_files, hashes
from guide_plugin.audit.audit import audited_people
from guide_plugin.audit.drawing import embeddings, frontal, under_all_views
from guide_plugin.errors import Refused, UsageError
from guide_plugin.hub.card import model_card
from guide_plugin.hub.provenance import provenance_of, read_provenance, release_id
from guide_plugin.hub.provenance_record import SourceModel
from guide_plugin.hub.push import Published, check_target, push
from guide_plugin.hub.release import CARD, PROVENANCE, Sorted, copy_into, sort_files
from guide_plugin.hub.source import Source, find
from guide_plugin.plan import Display, Plan, load_model
from guide_plugin.plugins import PluginHost
from guide_plugin.random_streams import stream_seed
from guide_plugin.recheck import recheck_earlier
from guide_plugin.recipe import Release
from guide_plugin.report.schema import Report
from guide_plugin.run_dir import RunDir
from guide_plugin.subject import Case
from guide_plugin.whole_files import json_bytes, sha256, writing

SAME = 1e-3
"""How far a number measured again may be from the audit's: other layouts of a file round otherwise."""


def prepare_publication(plan: Plan) -> None:
    """Find out before hours of training what would stand against publishing, and have upstream's other files here.

    Raises:
        UsageError, HubError: it will not be possible; nothing was written to the Hub.
    """
    source, _ = _with_upstream_files(plan, (*plan.claim.files, *plan.source.companions))
    earlier = read_provenance(source.folder / PROVENANCE) if PROVENANCE in source.sizes else None
    line = [release_id(one) for one in (*earlier.history, earlier)] if earlier else []
    check_target(plan.recipe.release, plan.source.remote, line)


def _with_upstream_files(plan: Plan, replaced: Collection[str]) -> tuple[Source, Sorted]:
    upstream = sort_files(plan.source, replaced)
    return plan.source.fetched((*upstream.kept, *({CARD, PROVENANCE} & plan.source.sizes.keys()))), upstream


def stage_release(
    plan: Plan, case: Case, run: RunDir, model: Path, report: Report, host: PluginHost, display: Display
) -> Path:
    """Build the release of the redacted model in `model`, load it from there, and measure it again.

    Returns:
        the folder with every file that will be published.

    Raises:
        Refused: what was measured on the release is not what the audit measured, or the redacted model brings back
            somebody who was taken out earlier.
    """
    display.stage("Putting the release together")
    source, upstream = _with_upstream_files(plan, report.model_files)
    there = plan.source.sizes.keys()
    earlier = read_provenance(source.folder / PROVENANCE) if PROVENANCE in there else None
    shutil.rmtree(run.release, ignore_errors=True)
    with writing(run.folder):
        run.release.mkdir()
        copy_into(run.release, model, report.model_files)
        copy_into(run.release, source.folder, upstream.kept)
    display.stage("Loading the release and measuring it again")
    _, adapter, claim = find(str(run.release), None, {plan.teacher.name: type(plan.teacher)})
    redacted = load_model(adapter, LocalCheckpoint(run.release, claim.files), plan.teacher.device)
    problems = [
        f"{name} of the release is not the file that was measured"
        for name, digest in report.model_files.items()
        if sha256(run.release / name) != digest
    ]
    problems += measured_otherwise(plan, case, redacted, report)
    rechecked = recheck_earlier(earlier, redacted, case.subject, _beside(run), host, display) if earlier else {}
    problems += [
        "somebody who was taken out earlier is back" for found in rechecked.values() if found.outcome == "fail"
    ]
    if problems:
        shutil.rmtree(run.release)
        raise Refused(problems, f"The model is kept in {run.folder}.")
    remote = plan.source.remote
    provenance = provenance_of(
        report,
        plan.recipe,
        SourceModel(
            repo=remote.repo if remote else None, commit=remote.commit if remote else None, files=report.source_files
        ),
        hashes(run.release, all_files(run.release)),
        upstream.left_out,
        earlier,
        rechecked,
    )
    text = (source.folder / CARD).read_bytes().decode("utf-8", "replace") if CARD in there else None
    with writing(run.folder):
        card = model_card(text, provenance, report, str(plan.recipe.release.push))
        (run.release / CARD).write_bytes(card.encode())
        files = {**provenance.files, CARD: sha256(run.release / CARD)}
        provenance = provenance.model_copy(update={"files": files})
        (run.release / PROVENANCE).write_bytes(json_bytes(provenance.model_dump(mode="json")))
    return run.release


def _beside(run: RunDir) -> list[Path]:
    return [folder for folder in run.folder.absolute().parent.iterdir() if folder.is_dir()]


def measured_otherwise(plan: Plan, case: Case, redacted: Adapter, report: Report) -> Iterator[str]:
    """Say which of the verdict's key numbers are others on the model as it was loaded from the release."""
    findings = report.findings
    assert findings is not None
    assert findings.subject is not None

    judge = plan.centring.of(plan.judge)

    def kept(codes: Tensor, views: View | None) -> Tensor:
        before, after = (embeddings(model, codes, views, judge) for model in (plan.teacher, redacted))
        return (before * after).sum(dim=1)

    seed = stream_seed("audit", plan.recipe.method.training_seed)
    people = audited_people(plan.teacher, plan.recipe.audit, torch.Generator().manual_seed(seed))
    subject = kept(*under_all_views(plan.teacher, case.subject.code)).max().item()
    bystanders = kept(people, frontal(plan.teacher, len(people))).quantile(0.5).item()
    for name, now, audited in (
        ("the subject's highest similarity", subject, findings.subject.after_max),
        ("the bystanders' median", bystanders, findings.bystanders.random.median),
    ):
        if not abs(now - audited) <= SAME:
            yield f"{name} is {now:.4f} on the release and was {audited:.4f} in the audit"


def publish(run: RunDir, release: Release, plan: Plan, display: Display) -> Published:
    """Push the staged release of a run.

    Raises:
        HubError: nothing was published; the same call goes on where this one failed.
        UsageError: the staged release was changed.
    """
    display.stage(f"Publishing to {release.push}")
    provenance = read_provenance(run.release / PROVENANCE)
    if hashes(run.release, all_files(run.release)).items() - {(PROVENANCE, sha256(run.release / PROVENANCE))} != (
        provenance.files.items()
    ):
        raise UsageError(
            f"The staged release in {run.release} was changed.", "Run the same command with a new --output."
        )
    remote = plan.source.remote
    origin = f"from {remote.repo} at {remote.commit}" if remote else "from a local model"
    text = (
        f"One identity was removed {origin} with {provenance.operator} (unlearn {provenance.package_version}). "
        f"Verdict: {provenance.verdict.outcome}. What was measured is in README.md and provenance.json."
    )
    published = push(run.release, release, remote, text)
    run.write_json(run.folder / "published.json", vars(published))
    return published
