"""A run in a few lines of text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from guide_plugin.adapter import Inspection
from guide_plugin.report.schema import Report

LABEL = 44


def outcome_lines(report: Report, folder: Path, model: Path) -> str:
    """Return the result as the terminal shows it."""
    found = report.findings
    subject, strangers, bystanders = found.subject, found.strangers, found.bystanders
    most_alike = f", most alike of {subject.views} views" if subject.views > 1 else ""
    table = [
        ("similarity to the original's picture", "before", "after"),
        (f"the subject{most_alike}", f"{subject.before:.3f}", f"{subject.after_max:.3f}"),
        ("codes near the subject, mean", f"{subject.nearby_before_mean:.3f}", f"{subject.nearby_after_mean:.3f}"),
        (f"{bystanders.n} bystanders, median", "1.000", f"{bystanders.median:.3f}"),
        ("  the 5 % that changed most, at most", "1.000", f"{bystanders.q05:.3f}"),
        ("  the one that changed most", "1.000", f"{bystanders.minimum:.3f}"),
        ("for comparison: two strangers, median", f"{strangers.median:.3f}", ""),
        ("  1 % of strangers score more than", f"{strangers.q99:.3f}", ""),
    ]
    trained = report.training
    pace = f", {trained.seconds_per_step:.2f} s each" if trained.seconds_per_step else ""
    early = " (stopped early)" if trained.stopped_early else ""
    facts = {
        "verdict": report.verdict.outcome,
        "networks": f"{report.trainer} trained, {report.judge} judged",
        "training": f"{trained.steps} steps{early}{pace}",
        "model": str(model),
        "report": str(folder / "report.json"),
        "picture": str(folder / "bystanders.png"),
        **({"views": str(folder / "views.png")} if subject.views > 1 else {}),
        **({"note": "; ".join(report.notes)} if report.notes else {}),
    }
    return "\n".join(
        ["", *(f"{label:<{LABEL}}{before:>8}{after:>8}".rstrip() for label, before, after in table), "", _facts(facts)]
    )


def plan_lines(plan: dict[str, Any]) -> str:
    """Return a dry run's findings (`pipeline.describe`) as the terminal shows them."""
    settings = ", ".join(f"{key} {value}" for key, value in plan["settings"].items() if value is not None)
    suggested = ", ".join(plan["suggested_by_model"])
    facts = {
        "model": f"{plan['summary']}, in {plan['model']}",
        "reads": ", ".join(f"{file} ({size_in_words(size)})" for file, size in plan["reads"].items()),
        "subject": "a random person (rehearsal)" if plan["subject_kind"] == "rehearsal" else plan["subject_kind"],
        "trains": f"{plan['trained_parameters']:,} parameters with {plan['operator']} on {plan['device']}",
        "settings": settings,
        "suggested": f"{suggested} (by the model's unlearn.toml)" if suggested else "nothing",
        "networks": f"{plan['trainer']} trains, {plan['judge']} judges, {plan['perceptual']} compares",
        "writes": f"{plan['writes']} (at most {size_in_words(plan['bytes_written_at_most'])})",
    }
    return _facts(facts) + "\nNothing was written."


def inspection_lines(file: str, inspection: Inspection) -> str:
    """Return what a weight file is, as the terminal shows it."""
    verdict = "safe: reading it calls none of these" if inspection.globals else "safe: nothing in it can run"
    if inspection.forbidden:
        verdict = f"UNSAFE: {', '.join(inspection.forbidden)} would run where others open it; it is refused here"
    facts = {
        "file": file,
        "format": inspection.format,
        "holds": inspection.contents,
        "numbers": f"{inspection.parameters:,}",
        "globals": ", ".join(f"{name} ({count})" for name, count in inspection.globals.items()) or "none",
        "verdict": verdict,
    }
    return _facts(facts)


def size_in_words(size: int) -> str:
    """Return a number of bytes for people."""
    return f"{size / 1e6:.1f} MB" if size >= 50_000 else f"{size / 1e3:.1f} kB"


def _facts(facts: dict[str, str]) -> str:
    return "\n".join(f"{name:<11}{text}" for name, text in facts.items())
