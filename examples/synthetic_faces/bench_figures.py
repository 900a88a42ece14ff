"""What the bench keeps of every run, and its table."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from guide_plugin.comparison.table import aligned
from guide_plugin.report.schema import Report


@dataclass(frozen=True)
class Figures:
    """One person's run; similarities are the judge's, and what was not measured is None.

    Attributes:
        name: "seed 3", "person 1000".
        verdict: "pass", "fail", "inconclusive", or "not run".
        why: what stands against a pass, in sentences.
        threshold: from here on two pictures count as one person.
        w, z: the highest that the counted searches with the subject's picture brought back, over W and over Z.
        holdout_w, holdout_z: the same of searches with hold-out photos.
        spare: how far the highest of these four is below the threshold; negative where it is above.
        reconstruction: of the photo, how like it the original's best picture is.
        holdouts: the highest similarity of a hold-out photo to what the redacted model makes of it.
        median, q05, lowest: of bystanders, before against after.
        ea, ra, erb: shares of pictures of the subject no longer verified, of bystanders still verified, and their
            harmonic mean, at the threshold.
        training, audit: seconds; of a run that was resumed, those since then.
    """

    name: str
    verdict: str
    why: tuple[str, ...] = ()
    threshold: float | None = None
    w: float | None = None
    z: float | None = None
    holdout_w: float | None = None
    holdout_z: float | None = None
    spare: float | None = None
    reconstruction: float | None = None
    holdouts: float | None = None
    median: float | None = None
    q05: float | None = None
    lowest: float | None = None
    ea: float | None = None
    ra: float | None = None
    erb: float | None = None
    training: float | None = None
    audit: float | None = None

    @property
    def brought_back(self) -> float | None:
        """The highest that any counted search brought back."""
        return highest(self.w, self.z, self.holdout_w, self.holdout_z)


HEADS = {
    "w": "W",
    "z": "Z",
    "holdout_w": "hold-out W",
    "holdout_z": "hold-out Z",
    "threshold": "threshold",
    "spare": "to spare",
    "reconstruction": "photo drawn",
    "holdouts": "hold-outs",
    "median": "median",
    "q05": "5 %",
    "lowest": "lowest",
    "ea": "EA",
    "ra": "RA",
    "erb": "ERB",
    "training": "training s",
    "audit": "audit s",
}
"""The columns of the table by the names of `Figures`; a column without a number is left out."""


def highest(*values: float | None) -> float | None:
    """Return the highest of those values that are not None."""
    return max((value for value in values if value is not None), default=None)


def figures_of(name: str, report: Report) -> Figures:
    """Return what the bench keeps of an audited run's report."""
    found = report.findings
    if found is None:
        return Figures(name, report.verdict.outcome, tuple(report.verdict.reasons))
    counted = [] if found.recovery is None else [attack for attack in found.recovery.attacks if attack.counted]

    def searches(who: str, codes: str) -> float | None:
        return highest(*(attack.after[-1] for attack in counted if (attack.who, attack.codes) == (who, codes)))

    back = {
        "w": searches("subject", "W"),
        "z": searches("subject", "Z"),
        "holdout_w": searches("hold-out", "W"),
        "holdout_z": searches("hold-out", "Z"),
    }
    most, threshold, others = highest(*back.values()), found.reference.threshold, found.bystanders.random
    return Figures(
        name,
        report.verdict.outcome,
        (*(() if report.verdict.outcome == "pass" else report.verdict.reasons), *report.vetoes),
        threshold,
        **back,
        spare=None if most is None else threshold - most,
        reconstruction=report.inversion.similarity[0] if report.inversion else None,
        holdouts=highest(*(max(p.after_max, p.code_after_max) for p in found.photos if p.kind == "hold-out")),
        median=others.median,
        q05=others.q05,
        lowest=others.minimum,
        ea=found.erasure.ea if found.erasure else None,
        ra=found.erasure.ra if found.erasure else None,
        erb=found.erasure.erb if found.erasure else None,
        training=report.training.seconds if report.training else None,
        audit=found.seconds,
    )


def summary(rows: list[Figures]) -> dict[str, Any]:
    """Return how many pass, and of every column the median, the lowest and the highest of the rows."""
    columns: dict[str, dict[str, float]] = {}
    for key in HEADS:
        values = [value for row in rows if (value := getattr(row, key)) is not None]
        if values:
            columns[key] = {"median": statistics.median(values), "lowest": min(values), "highest": max(values)}
    return {"people": len(rows), **counts(rows), "columns": columns}


def counts(rows: list[Figures]) -> dict[str, int]:
    """Return of how many people the verdict is pass, and of how many no search and no hold-out was above."""

    def below(row: Figures, *values: float | None) -> bool:
        most = highest(*values)
        return row.threshold is not None and most is not None and most < row.threshold

    found = {
        "passed": sum(row.verdict == "pass" for row in rows),
        "all searches below the threshold": sum(below(row, row.brought_back) for row in rows),
    }
    if any(row.holdouts is not None for row in rows):
        found["all hold-outs below the threshold"] = sum(below(row, row.holdouts) for row in rows)
        found["searches from the hold-outs below"] = sum(below(row, row.holdout_w, row.holdout_z) for row in rows)
    return found


def table(rows: list[Figures]) -> str:
    """Return a line a person, below them what they come to together, and why those that did not pass did not."""
    together = summary(rows)
    keys = [key for key in HEADS if key in together["columns"]]
    lines = [["", "verdict", *(HEADS[key] for key in keys)]]
    lines += [[row.name, row.verdict, *(_cell(key, getattr(row, key)) for key in keys)] for row in rows]
    for which in ("median", "lowest", "highest"):
        lines.append([which, "", *(_cell(key, together["columns"][key][which]) for key in keys)])
    said = [f"{text}: {n} of {len(rows)}" for text, n in counts(rows).items()]
    return "\n".join([*aligned(lines), "", *said, *_reasons(rows)]) + "\n"


def _reasons(rows: list[Figures]) -> Iterator[str]:
    refused = [row for row in rows if row.why]
    yield from [""] if refused else []
    for row in refused:
        yield f"{row.name}, {row.verdict}: {'; '.join(row.why)}"


def _cell(key: str, value: float | None) -> str:
    return "" if value is None else f"{value:.0f}" if key in ("training", "audit") else f"{value:.3f}"


def as_json(rows: list[Figures]) -> dict[str, Any]:
    """Return rows and summary as JSON values."""
    return {"rows": [dataclasses.asdict(row) for row in rows], "summary": summary(rows)}
