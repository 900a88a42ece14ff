"""Redactions stack: is somebody who was taken out earlier still out of the model that comes now?

They are looked for at their own code, and in who stands in the new subject's place.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import torch

from guide_plugin.adapter import Adapter
from guide_plugin.audit.drawing import embeddings, under_all_views
from guide_plugin.earlier import reopened, run_that_made
from guide_plugin.errors import UnlearnError
from guide_plugin.hub.provenance import release_id
from guide_plugin.hub.provenance_record import Provenance, Rechecked
from guide_plugin.hub.weight_files import holds_weights
from guide_plugin.operator import Subject
from guide_plugin.plan import Display
from guide_plugin.plugins import PluginHost
from guide_plugin.report.schema import Report
from guide_plugin.run_dir import RunDir


def recheck_earlier(
    earlier: Provenance,
    redacted: Adapter,
    subject: Subject,
    places: Collection[Path],
    host: PluginHost,
    display: Display,
) -> dict[str, Rechecked]:
    """Measure those who were taken out earlier on the model that comes now, where their runs are at hand.

    Args:
        earlier: the provenance of the model that this redaction starts from.
        subject: who was taken out now.
        places: folders that may be those runs.

    Returns:
        by release id, of every earlier redaction.
    """
    found = {}
    for one in (*earlier.history, earlier):
        weights = [digest for name, digest in one.files.items() if holds_weights(name)]
        run = run_that_made(weights, places)
        if run is None:
            found[release_id(one)] = _unmeasured("its run is not at hand")
            continue
        display.stage("Looking whether somebody who was taken out earlier is still out")
        try:
            found[release_id(one)] = _measure(run, redacted, subject, host, display)
        except UnlearnError:
            found[release_id(one)] = _unmeasured("its run could not be opened")
    return found


def _measure(run: RunDir, redacted: Adapter, subject: Subject, host: PluginHost, display: Display) -> Rechecked:
    """Compare what the redacted model draws with the picture that the earlier run's original drew of its subject."""
    report = Report.model_validate_json(run.report.read_bytes())
    plan, case = reopened(run, {}, host, display)
    if report.findings is None:
        return _unmeasured("its run was not audited")
    if redacted.latent_shape != plan.teacher.latent_shape:
        return _unmeasured("its run was on a generator of another shape")
    known = embeddings(plan.teacher, *under_all_views(plan.teacher, case.subject.code), plan.centring.of(plan.judge))
    drawn = torch.cat(
        [
            embeddings(redacted, *under_all_views(redacted, code), plan.centring.of(plan.judge))
            for code in (case.subject.code, subject.code)
        ]
    )
    highest, limit = (drawn @ known.T).max().item(), report.findings.reference.threshold
    return Rechecked(measured=highest, limit=limit, outcome="pass" if highest < limit else "fail")


def _unmeasured(why: str) -> Rechecked:
    return Rechecked(measured=None, limit=None, outcome="not measured", why=why)
