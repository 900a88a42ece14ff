"""What the audits of several methods found, line by line."""

from __future__ import annotations

from collections.abc import Mapping

from guide_plugin.audit.picture_distances import JUDGE
from guide_plugin.comparison.record import Row
from guide_plugin.report.findings import Findings
from guide_plugin.report.summary import SummaryRow, summary_rows


def rows_of(found: Mapping[str, Findings]) -> list[Row]:
    """Return the lines of a run's summary and the Fréchet ratio, each with the numbers of every method."""
    lines: dict[str, dict[str, SummaryRow]] = {}
    for method, findings in found.items():
        for row in summary_rows(findings):
            lines.setdefault(row.key, {})[method] = row
    rows = [
        Row(
            key=key,
            label=next(iter(line.values())).label,
            before={method: row.before for method, row in line.items()},
            after={method: row.after for method, row in line.items() if row.after is not None},
        )
        for key, line in lines.items()
    ]
    return [*rows, _frechet(found)]


def _frechet(found: Mapping[str, Findings]) -> Row:
    ratios = {
        method: figures.ratio
        for method, findings in found.items()
        for figures in findings.fidelity
        if figures.network == JUDGE and figures.ratio is not None
    }
    return Row(key="frechet_ratio", label="Fréchet distance; two samples: 1", before={}, after=ratios)
