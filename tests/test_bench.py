"""The bench of the demo model: its runs, its table, its picture."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from examples.synthetic_faces import bench as script
from examples.synthetic_faces.bench import bench, drawn_people, photographed_people
from examples.synthetic_faces.bench_figures import Figures, figures_of, summary, table
from examples.synthetic_faces.bench_picture import BACK, GONE, _x, chart
from guide_plugin import Recipe, UsageError
from guide_plugin.report.findings import ErasureFigures
from tests.conftest import SMALL_AUDIT
from tests.sample_reports import THRESHOLD, failed, passed


def recipe(model: Path, **method: object) -> Recipe:
    audit = {**SMALL_AUDIT, "keep_evidence": True}
    return Recipe.model_validate({"hub": str(model), "method": {"settings": {"steps": 1, **method}}, "audit": audit})


def test_two_people_are_unlearned_and_laid_side_by_side(tiny_model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "bench"
    rows = bench(recipe(tiny_model), drawn_people(range(2)), folder)
    assert [row.name for row in rows] == ["seed 0", "seed 1"]
    assert all(row.w is not None and row.training and row.audit for row in rows)
    written = json.loads((folder / "bench.json").read_text())
    assert written["rows"][1]["lowest"] == rows[1].lowest
    assert written["summary"]["people"] == 2
    assert (folder / "bench.txt").read_text() == table(rows)
    with Image.open(folder / "bench.png") as picture:
        assert picture.height > 2 * 128


def test_a_stopped_bench_goes_on(tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = bench(recipe(tiny_model), drawn_people(range(1)), tmp_path / "bench")
    begun: list[Path] = []
    unlearn = script.pipeline.unlearn
    monkeypatch.setattr(
        script.pipeline, "unlearn", lambda asked, folder, **kept: begun.append(folder) or unlearn(asked, folder, **kept)
    )
    (tmp_path / "bench" / "seed-1" / "private").mkdir(parents=True)  # killed before anything was known of the person
    again = bench(recipe(tiny_model), drawn_people(range(2)), tmp_path / "bench")
    assert begun == [tmp_path / "bench" / "seed-1"]
    assert again[0] == first[0]


def test_a_bench_of_something_else_is_left_alone(tiny_model: Path, tmp_path: Path) -> None:
    bench(recipe(tiny_model), drawn_people(range(1)), tmp_path / "bench")
    with pytest.raises(UsageError, match="another recipe or model"):
        bench(recipe(tiny_model, lr=0.5), drawn_people(range(1)), tmp_path / "bench")
    with pytest.raises(UsageError, match="nonsense"):
        bench(recipe(tiny_model, nonsense=1), drawn_people(range(1)), tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_a_person_whom_the_model_cannot_draw_is_a_row(tiny_model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "bench"
    people = photographed_people(range(1000, 1001), 4, folder / "people")
    assert [len(people[0].subject[key]) for key in ("faces", "holdout_faces")] == [4, 1]
    assert all(path.is_file() for paths in people[0].subject.values() for path in paths)
    (row,) = bench(recipe(tiny_model), people, folder)
    assert row.verdict == "not run"
    assert "cannot draw the person" in row.why[0]
    assert "person 1000, not run: This model cannot" in (folder / "bench.txt").read_text()


def test_figures_are_the_reports() -> None:
    report = passed()
    erasure = ErasureFigures(pictures=40, ea=0.95, people=200, ra=0.9, erb=0.924)
    report = report.model_copy(update={"findings": report.findings.model_copy(update={"erasure": erasure})})
    row = figures_of("seed 3", report)
    attacks = report.findings.recovery.attacks
    assert row.threshold == THRESHOLD
    assert row.w == max(a.after[-1] for a in attacks if a.who == "subject" and a.codes == "W")
    assert (row.ea, row.ra, row.erb) == (0.95, 0.9, 0.924)
    assert row.spare == pytest.approx(THRESHOLD - row.brought_back)
    assert row.brought_back == max(a.after[-1] for a in attacks if a.counted)
    assert (row.median, row.lowest) == (
        report.findings.bystanders.random.median,
        report.findings.bystanders.random.minimum,
    )
    assert row.training == report.training.seconds
    assert figures_of("seed 4", failed()).why


def test_the_summary_counts_and_takes_medians() -> None:
    rows = [
        Figures("a", "pass", threshold=0.5, w=0.1, z=0.3, spare=0.2, holdouts=0.4),
        Figures("b", "fail", ("it failed",), threshold=0.5, w=0.2, z=0.6, spare=-0.1, holdouts=0.1),
        Figures("c", "not run", ("nobody",)),
    ]
    found = summary(rows)
    assert (found["people"], found["passed"], found["all searches below the threshold"]) == (3, 1, 1)
    assert found["all hold-outs below the threshold"] == 2
    assert found["columns"]["z"] == {"median": pytest.approx(0.45), "lowest": 0.3, "highest": 0.6}
    assert "ea" not in found["columns"]
    lines = table(rows).splitlines()
    assert lines[2].split() == ["b", "fail", "0.200", "0.600", "0.500", "-0.100", "0.100"]
    assert "passed: 1 of 3" in lines
    assert lines[-2:] == ["b, fail: it failed", "c, not run: nobody"]


def test_the_chart_marks_what_came_back() -> None:
    image = chart([Figures("a", "fail", threshold=0.5, w=0.2, z=0.6)])
    middle = image.height - 44 - 11
    assert image.getpixel((round(_x(0.2)), middle)) == GONE
    assert image.getpixel((round(_x(0.6)) - 5, middle)) == BACK
    assert image.getpixel((round(_x(0.6)), middle)) != BACK  # a ring
