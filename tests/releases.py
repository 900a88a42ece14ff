"""A made-up release, for tests of what is published with a model. Nothing here was measured."""

from __future__ import annotations

from pathlib import Path

from guide_plugin.hub.provenance import provenance_of
from guide_plugin.hub.provenance_record import Provenance, Rechecked, SourceModel
from guide_plugin.recipe import Audit, Method, NetworkChoice, Recipe, SubjectChoice
from guide_plugin.report.schema import Report
from tests.sample_reports import digest, passed

CANARY = "quentin-canary"
HOME = f"/home/{CANARY}"
SOURCE = SourceModel(
    repo="org/faces", commit="3f" * 20, files={"config.json": digest(3), "model.safetensors": digest(5)}
)
SUBJECTS = {
    "seed": SubjectChoice(seed=424242),
    "photos": SubjectChoice(
        faces=(Path(HOME, "zebra.jpg"),), holdout_faces=(Path(HOME, "zebra-2.jpg"),), control_faces=(Path("okapi.jpg"),)
    ),
    "code": SubjectChoice(code=Path(HOME, "zebra.npy")),
}
SECRETS = (CANARY, "zebra", "okapi", "424242", "/home")


def recipe(subject: SubjectChoice = SUBJECTS["photos"], home: str = HOME, **settings: object) -> Recipe:
    """Return a recipe full of what must not be published."""
    return Recipe(
        hub=f"{home}/model",
        subject=subject,
        method=Method(settings={"steps": 250, "w_avg": f"{home}/w_avg.npy", **settings}),
        networks=NetworkChoice(trainer=f"small:{home}/trainer.safetensors#sha256={digest(7)}"),
        audit=Audit(inception=Path(home, "inception.pt")),
    )


def report_of_a_careless_run() -> Report:
    """Return a report that names folders everywhere where a string may be a path."""
    return passed().model_copy(
        update={
            "model": CANARY,
            "settings": {"steps": 250, "w_avg": f"{HOME}/w_avg.npy", "nested": [{"where": f"C:\\{CANARY}\\x.pt"}]},
            "facts": {"subject_distance": 8.424242},
            "trainer": f"small:{HOME}/trainer.safetensors",
            "judge": f"small:{HOME}/judge.safetensors",
            "perceptual": f"conv:{HOME}/perceptual.safetensors",
            "network_files": {f"small:{HOME}/trainer.safetensors": digest(1)},
        }
    )


def release(
    report: Report | None = None,
    source: SourceModel = SOURCE,
    earlier: Provenance | None = None,
    rechecked: dict[str, Rechecked] | None = None,
    **files: str,
) -> Provenance:
    """Return where a release comes from."""
    report = report or passed()
    return provenance_of(report, recipe(), source, {**report.model_files, **files}, ["old.pkl"], earlier, rechecked)
