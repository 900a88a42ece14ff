"""From a photo to a verdict on the demo model: bad runs fail for the right reason and say nothing of the person."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from examples.synthetic_faces.portraits import as_bytes, codes, draw
from guide_plugin import Outcome, Recipe, UsageError, unlearn
from guide_plugin.reaudit import audit_models, audit_run
from guide_plugin.report.schema import Report
from tests.conftest import DEMO_MODEL

LITTLE = {"bystanders": 60, "attack_steps": 20, "searches": 2, "controls": 1, "searched": 16}
CANARY = "jane-canary"


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Return two photos of a person whom the demo model never saw, each on a larger, grey canvas."""
    folder = tmp_path_factory.mktemp("photos")
    pictures = draw(codes(1, 2, torch.Generator().manual_seed(1000)).flatten(0, 1), 128)
    paths = []
    for i, picture in enumerate(as_bytes(pictures).permute(0, 2, 3, 1).numpy()):
        canvas = Image.new("RGB", (300, 260), (120, 125, 130))
        canvas.paste(Image.fromarray(picture), (90, 70))
        paths.append(folder / f"{CANARY}-{i}.png")
        canvas.save(paths[-1])
    return paths


def recipe(photos: list[Path], settings: dict[str, Any], search: int = 60, **parts: Any) -> Recipe:
    subject = {"faces": photos[:1], "holdout_faces": photos[1:], **parts.pop("subject", {})}
    method = {"operator": "guide", "settings": {"steps": 5, **settings}}
    audit = {**LITTLE, **parts.pop("audit", {})}
    return Recipe.model_validate(
        {
            "hub": str(DEMO_MODEL),
            "subject": subject,
            "photos": {"steps": search},
            "method": method,
            "audit": audit,
            **parts,
        }
    )


def failed(report: Report) -> set[str]:
    return {rule.name for rule in report.verdict.rules if rule.outcome == "fail"}


@pytest.fixture(scope="module")
def five_steps(photos: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """Return a run of five steps, which is far too short."""
    folder = tmp_path_factory.mktemp("runs") / "five"
    return unlearn(recipe(photos, {}, audit={"keep_evidence": True}), folder)


def test_a_person_is_found_in_the_generator_from_a_photo(five_steps: Outcome) -> None:
    inversion = five_steps.report.inversion
    assert inversion is not None
    assert inversion.similarity[0] > 0.8
    assert not inversion.vacuous


def test_five_steps_forget_nobody(five_steps: Outcome) -> None:
    report = five_steps.report
    assert report.verdict.outcome == "fail"
    wanted = {"subject's own code", "codes near the subject", "subject's photos", "hold-out photos"}
    assert wanted <= failed(report)
    assert "recovery, plausible codes" in failed(report)
    assert five_steps.model.name == "refused-model"


def test_what_a_photo_run_leaves_tells_nothing_of_the_person(five_steps: Outcome, photos: list[Path]) -> None:
    run = five_steps.folder
    assert CANARY in (run / "private" / "recipe.json").read_text()
    assert "PRIVATE" in (run / "private" / "evidence.html").read_text()
    assert (run / "private" / "evidence.html").stat().st_mode & 0o077 == 0
    told = [path for path in run.rglob("*") if path.is_file() and path.parent.name != "private"]
    assert {"report.json", "report.html", "bystanders.png"} <= {path.name for path in told}
    for path in told:
        assert CANARY.encode() not in path.read_bytes(), path


def test_a_run_without_the_global_loss_fails_on_bystanders(photos: list[Path], tmp_path: Path) -> None:
    outcome = unlearn(recipe(photos[:1], {"steps": 25, "lr": 5e-3, "global_weight": 0.0}), tmp_path / "run")
    assert outcome.report.verdict.outcome == "fail"
    assert {"bystanders, median", "bystanders, 5th percentile"} <= failed(outcome.report)
    assert "subject's own code" not in failed(outcome.report)


def test_a_person_whom_the_model_cannot_draw_stops_the_run(photos: list[Path], tmp_path: Path) -> None:
    asked = recipe(photos[:1], {}, search=1)
    with pytest.raises(UsageError, match=r"cannot draw the person.*nothing to unlearn.*--force") as error:
        unlearn(asked, tmp_path / "run")
    assert CANARY not in str(error.value)
    assert not (tmp_path / "run").exists()


def test_force_goes_on_and_the_report_keeps_saying_it(photos: list[Path], tmp_path: Path) -> None:
    asked = recipe(photos[:1], {"steps": 1}, search=1, subject={"force": True})
    report = unlearn(asked, tmp_path / "run").report
    assert report.inversion is not None
    assert report.inversion.vacuous
    assert "vacuous" in {rule.outcome for rule in report.verdict.rules if rule.name == "the original knew the person"}


def test_a_done_run_is_audited_again(five_steps: Outcome) -> None:
    again = audit_run(five_steps.folder, {"bystanders": 40})
    assert again.report.findings is not None
    assert again.report.findings.reference.people == 40
    assert again.report.training == five_steps.report.training
    written = json.loads((five_steps.folder / "report.json").read_text())
    assert written["findings"]["reference"]["people"] == 40
    assert again.model == five_steps.folder / "refused-model"


def test_two_models_are_audited_without_a_subject(five_steps: Outcome, tmp_path: Path) -> None:
    asked = Recipe.model_validate({"hub": str(DEMO_MODEL), "audit": LITTLE})
    outcome = audit_models(asked, five_steps.folder / "refused-model", tmp_path / "audit")
    assert outcome.report.verdict.outcome == "inconclusive"
    assert outcome.report.training is None
    assert {path.name for path in outcome.folder.iterdir()} == {"report.json", "report.html", "bystanders.png"}
    itself = audit_models(asked, DEMO_MODEL, tmp_path / "itself").report.findings
    assert itself is not None
    assert itself.bystanders.pixels.maximum == 0.0


def test_without_an_audit_nothing_is_released(tiny_model: Path, tmp_path: Path) -> None:
    outcome = unlearn(Recipe.model_validate({"hub": str(tiny_model), "audit": {"level": "off"}}), tmp_path / "run")
    assert outcome.report.findings is None
    assert outcome.refusals == ("nothing was measured (--audit off)",)
    assert outcome.model.name == "refused-model"
