"""A release gate: this one asks more of what happens to everybody else than the verdict does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from guide_plugin import hookimpl

if TYPE_CHECKING:
    from guide_plugin import RunRecord

AT_MOST_LOST = 0.05
"""The share of random people who may count as somebody else afterwards."""


@hookimpl
def unlearn_gate(run: RunRecord) -> str | None:
    """Return one sentence to refuse the release, None to let it pass; asked about every model, of any adapter.

    Args:
        run: `run.report` is what `report.json` holds, `run.release` the folder of what will be published, if anything.
    """
    findings = run.report and run.report["findings"]
    if not findings:
        return "nothing was measured"
    bystanders = findings["bystanders"]
    lost, people = bystanders["lost"], bystanders["random"]["n"]
    if lost > AT_MOST_LOST * people:
        return f"{lost} of {people} random people became somebody else"
    return None
