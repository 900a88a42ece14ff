"""`report.json` as one self-contained page: no script, no request, nothing about the subject that the report lacks."""

from __future__ import annotations

import base64
import functools
import struct
from collections.abc import Mapping

from jinja2 import Environment, PackageLoader, StrictUndefined

from guide_plugin.report import figures, numbers, recovery_words, verdict_words
from guide_plugin.report.attack_groups import NAMES, grouped
from guide_plugin.report.limits import limits
from guide_plugin.report.schema import Report

PUBLISHED = {
    "bystanders.png": "Other people before, after, and what changed",
    "views.png": "One of them from every side: before, after, and what changed",
}
"""The pictures that a page for others may show, with their captions; whatever else it is given stays out."""

SECTIONS = {
    "rules": "What was asked",
    "person": "The person",
    "others": "Everybody else",
    "recovery": "Can the person be brought back?",
    "fidelity": "The pictures as a whole",
    "leak": "What both models together give away",
    "training": "How it was trained",
    "made": "What it was made with",
    "limits": "What this does not prove",
}


def page(report: Report, pictures: Mapping[str, bytes]) -> str:
    """Return the report as HTML for anybody to read.

    Args:
        pictures: PNG files by name; only those in `PUBLISHED` are shown, so that none of the subject slips in.
    """
    shown = {name: embedded(pictures[name]) for name in PUBLISHED if name in pictures}
    found = report.findings
    return (
        _environment()
        .get_template("report.html.jinja")
        .render(
            report=report,
            found=found,
            pictures=shown,
            captions=PUBLISHED,
            people=NAMES,
            sections=SECTIONS,
            headline=verdict_words.headline(report),
            limits=limits(report),
            versions={
                "guide-plugin": report.package_version,
                "torch": report.torch_version,
                "device": report.device,
                "report schema": report.schema_version,
                **report.versions,
            },
            groups={
                codes: grouped(found.recovery.attacks if found and found.recovery else [], codes)
                for codes in ("W", "Z", "W+")
            },
            figures=figures,
            words=verdict_words,
            recovery=recovery_words,
        )
    )


def evidence_page(report: Report, pictures: Mapping[str, bytes]) -> str:
    """Return pictures of the subject as HTML for the owner of the run alone; never publish it.

    Args:
        pictures: PNG files by their captions, in the order in which they are shown.
    """
    shown = {caption: embedded(png) for caption, png in pictures.items()}
    return (
        _environment()
        .get_template("evidence.html.jinja")
        .render(report=report, pictures=shown, headline=verdict_words.headline(report))
    )


def embedded(png: bytes) -> dict[str, str | int]:
    """Return a PNG as the attributes of an `img`: source, width and height in pixels.

    Raises:
        ValueError: it is no PNG.
    """
    if png[:8] != b"\x89PNG\r\n\x1a\n" or png[12:16] != b"IHDR":
        raise ValueError("A picture for the report is no PNG.")
    width, height = struct.unpack(">II", png[16:24])
    return {"src": f"data:image/png;base64,{base64.b64encode(png).decode()}", "width": width, "height": height}


@functools.cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("guide_plugin", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for kind in (
        numbers.three,
        numbers.two,
        numbers.share,
        numbers.count,
        numbers.duration,
        numbers.plain,
        numbers.minus,
    ):
        environment.filters[kind.__name__] = kind
    return environment
