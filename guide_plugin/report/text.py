"""A run in a few lines of text."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from guide_plugin.adapter import Inspection
from guide_plugin.report.findings import Findings
from guide_plugin.report.schema import Report
from guide_plugin.report.summary import summary_rows

if TYPE_CHECKING:
    from guide_plugin.hub.push import Published
    from guide_plugin.verification import Verification

LABEL = 46
TITLE = "similarity to the original's picture"


def outcome_lines(report: Report, folder: Path, model: Path, published: Published | None = None) -> str:
    """Return the result as the terminal shows it."""
    trained, found = report.training, report.findings
    facts: dict[str, str] = {"verdict": report.verdict.outcome}
    if trained is None:
        facts["networks"] = f"{report.judge} judged"
    else:
        pace = f", {trained.seconds_per_step:.2f} s each" if trained.seconds_per_step else ""
        early = " (stopped early)" if trained.stopped_early else ""
        at_hand = f" ({report.judge_note})" if report.judge_note else ""
        facts["networks"] = f"{report.trainer} trained, {report.judge} judged{at_hand}"
        facts["training"] = f"{trained.steps} steps{early}{pace}"
    if report.inversion is not None:
        facts["photo"] = (
            f"found in the generator at {report.inversion.similarity[0]:.3f}, {report.inversion.steps} steps in "
            f"{report.inversion.seconds:.0f} s"
        )
    if found is not None:
        facts["audit"] = f"{found.level}, {found.seconds:.0f} s"
    facts |= {"model": str(model), "report": str(folder / "report.html"), "picture": str(folder / "bystanders.png")}
    if found is not None and found.subject is not None and found.subject.views > 1:
        facts["views"] = str(folder / "views.png")
    if report.notes:
        facts["note"] = "; ".join(report.notes)
    if published is not None:
        facts["published"] = f"{published.url}{' (by an earlier try)' if published.found else ''}"
    return "\n".join(["", *([] if found is None else [*_table(found), ""]), _facts(facts)])


def _table(found: Findings) -> Iterator[str]:
    yield f"{TITLE:<{LABEL}}{'before':>8}{'after':>8}"
    for row in summary_rows(found):
        after = "" if row.after is None else f"{row.after:.3f}"
        yield f"{row.label:<{LABEL}}{row.before:>8.3f}{after:>8}".rstrip()


def plan_lines(plan: dict[str, Any]) -> str:
    """Return a dry run's findings (`dry_run.dry_run`) as the terminal shows them."""
    facts = {"model": f"{plan['summary']}, in {plan['model']}" if plan["summary"] else plan["model"]}
    if plan["license"]:
        facts["licence"] = plan["license"]
    if "lacking" in plan:
        unknown = "" if plan["adapter"] else "; the file itself says which adapter reads it"
        facts["fetches"] = _sizes(plan["lacking"]) + unknown
        facts["memory"] = f"about {size_in_words(plan['bytes_in_memory_at_least'])}, and what the pictures take"
    else:
        settings = ", ".join(f"{key} {value}" for key, value in plan["settings"].items() if value is not None)
        suggested = ", ".join(plan["suggested_by_model"])
        facts |= {
            "reads": _sizes(plan["reads"]),
            "subject": "a random person (rehearsal)" if plan["subject_kind"] == "rehearsal" else plan["subject_kind"],
            "trains": f"{plan['trained_parameters']:,} parameters with {plan['operator']} on {plan['device']}",
            "settings": settings,
            "suggested": f"{suggested} (by the model's unlearn.toml)" if suggested else "nothing",
            "networks": f"{plan['trainer']} trains, {plan['judge']} judges, {plan['perceptual']} compares",
            "time": f"about {plan['seconds_of_training'] / 60:.1f} minutes of training, judged by a few pictures",
            "memory": f"about {size_in_words(plan['bytes_in_memory_at_least'])}, and what the pictures take",
            "writes": f"{plan['writes']} (at most {size_in_words(plan['bytes_written_at_most'])})",
        }
    publishes = plan["publishes"]
    if publishes:
        kind = "public" if publishes["public_if_new"] else "private"
        facts["publishes"] = (
            f"a {publishes['as']} to {publishes['to']}, which is made {kind} where it is new: the redacted model, "
            "README.md, provenance.json"
        )
        for key, label in (("kept", "keeps"), ("left_out", "leaves out"), ("unpublished", "not sent")):
            if publishes[key]:
                facts[label] = ", ".join(publishes[key])
    return _facts(facts) + "\nNothing was written."


def _sizes(files: dict[str, int]) -> str:
    return ", ".join(f"{file} ({size_in_words(size)})" for file, size in files.items())


def verification_lines(found: Verification) -> str:
    """Return what was found of a published model, as the terminal shows it."""
    made = found.provenance
    source = f"{made.source.repo} at {made.source.commit}" if made.source.repo else "a local folder"
    facts = {
        "model": found.name,
        "made": f"{made.date} with {made.operator}, unlearn {made.package_version}, from {source}",
        "verdict": f"{made.verdict.outcome}, when it was made",
        "removed": f"{len(made.history) + 1} identities" if made.history else "one identity",
        "files": f"{len(made.files)} listed",
        "wrong": "; ".join(found.wrong) or "nothing",
        "edited": "; ".join(found.changed) or "nothing",
    }
    if found.unchecked:
        facts["unchecked"] = "; ".join(found.unchecked)
    return _facts(facts)


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
