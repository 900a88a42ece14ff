"""An evaluation as the terminal shows it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from guide_plugin.evaluation.record import PAPERS_SAMPLES, Case, Evaluation, Figure

COLUMNS = {"id": "ID", "id_others": "ID_others", "fid_pre": "FID_pre", "delta_fid_real": "ΔFID_real"}
LABEL, CELL = 46, 19


def evaluation_lines(evaluation: Evaluation, folder: Path) -> str:
    """Return the table: ours, the publication's beside it, and why a number is missing or not comparable."""
    notes: list[str] = []
    head = "".join(f"{name:>{CELL}}" for name in COLUMNS.values())
    table = [f"{evaluation.model:<{LABEL}}{head}"]
    for case in evaluation.cases:
        cells = "".join(f"{_cell(getattr(case, key), notes):>{CELL}}" for key in COLUMNS)
        table.append(f"{_label(case):<{LABEL}}{cells}")
    for row in evaluation.published:
        label = f"published, other model and person: {row.row}"
        cells = f"{row.id:>{CELL}.4f}{row.id_others:>{CELL}.4f}{row.fid_pre:>{CELL}.3f}{row.delta_fid_real:>{CELL}.3f}"
        table.append(f"{label:<{LABEL}}{cells}")
    numbered = [f"[{i}] {note}" for i, note in enumerate(notes, start=1)]
    return "\n".join(["", *table, "", *numbered, *_facts(evaluation), f"record: {folder / 'evaluation.json'}"])


def _label(case: Case) -> str:
    return f"{case.case}, {case.pictures} picture{'s' * (case.pictures > 1)}" if case.pictures else case.case


def _cell(figure: Figure, notes: list[str]) -> str:
    """Return the number, with what it was measured by where that is not as published, or the number of a note."""
    if figure.value is None:
        return f"not measured [{_number(f'not measured: {figure.not_measured}', notes)}]"
    if figure.samples is not None:
        amount = "" if figure.as_published else f" (N={figure.samples})"
        return f"{figure.value:.3f}{amount}"
    network, by, remarks = str(figure.measured_by), "", []
    if not figure.as_published:
        by = f" ({network.partition(':')[0]})"
        remarks.append(f"measured by {network}, not by CurricularFace: not comparable with the published row")
    if figure.pairs_measured != figure.pairs:
        remarks.append(f"faces were found in {figure.pairs_measured} of {figure.pairs} pairs of pictures")
    mark = f" [{_number('; '.join(remarks), notes)}]" if remarks else ""
    return f"{figure.value:.4f}{by}{mark}"


def _number(note: str, notes: list[str]) -> int:
    if note not in notes:
        notes.append(note)
    return notes.index(note) + 1


def _facts(evaluation: Evaluation) -> Iterator[str]:
    amounts = {case.fid_pre.samples for case in evaluation.cases if case.fid_pre.samples}
    if amounts - {PAPERS_SAMPLES}:
        yield f"N: random people of each generator; the published row used {PAPERS_SAMPLES}, fewer give larger values"
    for case in evaluation.cases:
        found, trained = case.reconstruction, case.training
        if found:
            lowest, first = min(found.similarity), found.similarity[0]
            how = f"{found.steps} steps" if found.steps else "the encoder's guess"
            yield (
                f"{case.case}: the code found draws the subject at similarity {first:.3f} "
                f"(lowest of all pictures {lowest:.3f}; {found.judge}; {how}, {found.seconds:.0f} s)"
            )
        if trained:
            yield (
                f"{case.case}: {trained.steps} steps in {trained.seconds:.0f} s, {trained.trainer} trained, "
                f"run {trained.run}/"
            )
