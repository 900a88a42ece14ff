"""Methods side by side: each run is what `unlearn` makes of it, and the table is what the runs measured."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor

from guide_plugin import Operator, OperatorSettings, PluginHost, Recipe, UsageError, unlearn
from guide_plugin.audit import effort
from guide_plugin.comparison.methods import compare
from guide_plugin.comparison.plans import share_out
from guide_plugin.comparison.record import Comparison, MethodRun, Row
from guide_plugin.comparison.table import comparison_lines
from guide_plugin.errors import PluginError
from guide_plugin.operator import Losses
from guide_plugin.recipe_suggestion import Suggestion, meant_for
from guide_plugin.report.schema import Report
from tests.conftest import SMALL_AUDIT, Run
from tests.test_plugins import plugin

CELL = 128


class Vandal(Operator[OperatorSettings]):
    """A third party's method that does nothing to the student, and damages the teacher."""

    name: ClassVar[str] = "vandal"
    Settings = OperatorSettings
    fails: ClassVar[UsageError | None] = None

    def prepare(self, student: Any, teacher: Any, *given: object) -> None:
        for _, parameter in teacher.trainable_parameters():
            parameter.data *= 1.5

    def step(self) -> Losses:
        if self.fails:
            raise self.fails
        return {"total": torch.zeros(())}

    def state_dict(self) -> dict[str, Tensor]:
        return {}

    def load_state_dict(self, state: dict[str, Tensor]) -> None: ...


class Failing(Vandal):
    name: ClassVar[str] = "failing"
    fails = UsageError("It broke.", "Mend it.")


@pytest.fixture
def host() -> PluginHost:
    return hosting(Vandal, Failing)


def hosting(*operators: type[Vandal]) -> PluginHost:
    def register_all(register: Any) -> None:
        for operator in operators:
            register(operator.name, lambda operator=operator: operator, "a third party's")

    return PluginHost(also=[plugin("theirs", unlearn_register_operators=register_all)])


def recipe(model: Path, settings: Mapping[str, Any] | None = None, **parts: Any) -> Recipe:
    said = {"hub": str(model), "subject": {"seed": 3}, "audit": SMALL_AUDIT, "method": {"settings": settings or {}}}
    return Recipe.model_validate({**said, **parts})


@pytest.fixture(scope="module")
def compared(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Comparison, Path]:
    """Compare three methods, the third party's first, and keep evidence."""
    settings, audit = {"steps": 6, "guide.steps": 5, "identity_weight": 0.2}, {**SMALL_AUDIT, "keep_evidence": True}
    asked = recipe(tiny_model, settings, audit=audit)
    return compare(asked, ("vandal", "guide", "baseline"), tmp_path_factory.mktemp("compared") / "out", hosting(Vandal))


def report(folder: Path, method: str) -> Report:
    return Report.model_validate_json((folder / method / "report.json").read_bytes())


def test_each_run_is_what_unlearn_makes_alone(
    compared: tuple[Comparison, Path], tiny_model: Path, tmp_path: Path
) -> None:
    """Neither a method before it, nor what the model's owner suggests for another one, changes a method's run."""
    _, folder = compared
    for method, steps in {"guide": 5, "baseline": 6}.items():
        asked = recipe(tiny_model, method={"operator": method, "settings": {"steps": steps, "identity_weight": 0.2}})
        alone = unlearn(asked, tmp_path / method, PluginHost())
        model = folder / method / alone.model.name
        ours, theirs = (load_file(made / "model.safetensors") for made in (model, alone.model))
        assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
        found, expected = (
            r.findings.model_dump(exclude={"seconds": True, "recovery": {"cost": {"seconds"}}})
            for r in (report(folder, method), alone.report)
        )
        assert found == expected


def test_the_record_holds_what_the_runs_measured(compared: tuple[Comparison, Path]) -> None:
    comparison, folder = compared
    assert comparison == Comparison.model_validate_json((folder / "comparison.json").read_bytes())
    assert [run.method for run in comparison.methods] == ["vandal", "guide", "baseline"]
    assert (comparison.schema_version, comparison.subject_kind, comparison.level) == (1, "seed", "quick")
    suggested = {"lr": 1e-3, "identity_weight": 0.2}
    assert [run.settings for run in comparison.methods] == [
        {"steps": 6},
        {"steps": 5, **suggested, "d": "data", "alpha_max": "data"},
        {"steps": 6, **suggested},
    ]
    rows = {row.key: row for row in comparison.rows}
    for run in comparison.methods:
        made = report(folder, run.method)
        found, ratio = made.findings, next(rule for rule in made.verdict.rules if rule.name == "pictures as a whole")
        assert (run.verdict, run.refusals) == (made.verdict.outcome, made.verdict.reasons)
        assert (run.steps, run.seconds) == (made.training.steps, made.training.seconds)
        assert rows["subject"].after[run.method] == found.subject.after_max
        assert rows["subject_nearby"].before[run.method] == found.subject.nearby_before_mean
        assert rows["bystanders_minimum"].after[run.method] == found.bystanders.random.minimum
        assert rows["frechet_ratio"].after[run.method] == ratio.measured
    assert {"recovered_w", "recovered_w_plus", "bystanders_median", "bystanders_q05"} <= rows.keys()
    assert rows["recovered_w"].before["guide"] == rows["recovered_w"].before["baseline"]
    codes = [load_file(folder / run.method / "private" / "subject.safetensors")["w"] for run in comparison.methods]
    assert all(torch.equal(code, codes[0]) for code in codes)


def test_the_picture_shows_bystanders_and_another_one_the_subject(compared: tuple[Comparison, Path]) -> None:
    _, folder = compared
    with Image.open(folder / "comparison.png") as ours, Image.open(folder / "guide" / "bystanders.png") as theirs:
        assert ours.width == theirs.width
        rows = [row(ours, i) for i in range(4)]
        assert [rows[0], rows[2]] == [row(theirs, 0), row(theirs, 1)]  # the original's, and those of guide's model
        with Image.open(folder / "private" / "comparison.png") as private:
            assert private.width == ours.width + CELL
    assert (folder / "private" / "comparison.png").stat().st_mode & 0o077 == 0


def row(sheet: Image.Image, i: int) -> bytes:
    """Return the pixels of a sheet's row of pictures, without its label."""
    top = i * (CELL + 28) + 28
    return sheet.crop((0, top, sheet.width, top + CELL)).tobytes()


@pytest.mark.parametrize(
    ("methods", "settings", "told"),
    [
        (("guide", "gide"), {}, r"no operator named gide\. Known: baseline, failing, fold, guide, vandal"),
        (("guide",), {}, "several methods"),
        (("guide", "guide"), {}, "each once"),
        (("guide", "baseline"), {"neighbors": 3}, "setting neighbors.*guide has steps, lr, d.*baseline has steps, lr"),
        (("guide", "baseline"), {"vandal.steps": 3}, r"setting vandal\.steps"),
        (("guide", "baseline"), {"baseline.neighbours": 3}, r"setting baseline\.neighbours"),
        (("guide", "baseline"), {"baseline.steps": "many"}, "Setting steps.*of baseline"),
    ],
)
def test_what_cannot_be_compared_is_told_before_anything_is_made(
    methods: tuple[str, ...], settings: dict[str, Any], told: str, tiny_model: Path, tmp_path: Path, host: PluginHost
) -> None:
    with pytest.raises(UsageError, match=told):
        compare(recipe(tiny_model, settings), methods, tmp_path / "out", host)
    assert not (tmp_path / "out").exists()


def test_a_comparison_publishes_nothing_and_measures_something(tiny_model: Path) -> None:
    with pytest.raises(UsageError, match="publishes nothing"):
        compare(recipe(tiny_model, release={"push": "org/name"}), ("guide", "baseline"))
    with pytest.raises(UsageError, match="nothing to compare"):
        compare(recipe(tiny_model, audit={"level": "off"}), ("guide", "baseline"))


def test_what_was_done_before_a_failure_is_kept(tiny_model: Path, tmp_path: Path, host: PluginHost) -> None:
    with pytest.raises(UsageError, match="It broke"):
        compare(recipe(tiny_model, {"steps": 1}), ("baseline", "failing"), tmp_path / "out", host)
    left = Comparison.model_validate_json((tmp_path / "out" / "comparison.json").read_bytes())
    assert [run.method for run in left.methods] == ["baseline"]
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"comparison.json", "baseline"}
    with pytest.raises(UsageError, match="It broke"):
        compare(recipe(tiny_model, {"steps": 1}), ("failing", "baseline"), tmp_path / "nothing", host)
    assert not (tmp_path / "nothing").exists()


def test_a_setting_for_one_method_goes_before_one_for_all() -> None:
    known = {"a": ("steps", "lr"), "b": ("steps",)}
    assert share_out({"a.steps": 1, "steps": 2, "lr": 3}, known) == {"a": {"steps": 1, "lr": 3}, "b": {"steps": 2}}


def test_a_suggestion_is_for_the_operator_it_was_written_for() -> None:
    settings = {"steps": 400, "lr": 2e-3, "bystanders": 10}
    for_guide = Suggestion(
        method={"operator": "guide", "settings": settings, "training_seed": 5}, networks={"judge": "small:a"}
    )
    assert meant_for("guide", {"steps", "lr"}, for_guide) == for_guide
    followed = meant_for("other", {"steps", "lr"}, for_guide)
    assert followed.method == {**for_guide.method, "settings": {"steps": 400, "lr": 2e-3}}
    assert followed.networks == for_guide.networks
    for_other = Suggestion(method={"operator": "other", "settings": settings})
    assert meant_for("other", {"steps"}, for_other) == for_other
    assert meant_for("guide", {"steps"}, for_other).method["settings"] == {"steps": 400}
    for_the_default = Suggestion(method={"settings": settings})
    assert meant_for("fold", {"steps"}, for_the_default) == for_the_default


TABLE = """
similarity to the original's picture             before     guide   baseline
the subject                                       1.000     0.010      0.200
brought back with a plausible code (W)   0.990 to 0.994     0.500      0.600
for comparison: two strangers, median            -0.011
Fréchet distance; two samples: 1                            0.900     30.000
seconds of training, all steps                                 20          5
verdict                                                   refused       fail

guide      400 steps, lr 0.002, d data
           refused: licences: not asked
baseline   1000 steps, its defaults
           refused: bystanders changed; somebody else too
subject    a person made up by the generator, given by a seed
networks   a trained, b judged
record     x/comparison.json
picture    x/comparison.png"""


def test_the_table_puts_methods_side_by_side() -> None:
    def line(key: str, label: str, *sides: tuple[float, ...]) -> Row:
        before, after = (dict(zip(("guide", "baseline"), side, strict=True)) if side else {} for side in sides)
        return Row(key=key, label=label, before=before, after=after)

    comparison = Comparison(
        **dict.fromkeys(("date", "package_version", "torch_version", "device", "model", "adapter", "perceptual"), ""),
        **{"level": "quick", "subject_kind": "seed", "inversion": None, "judge_is_trainer": False},
        **{"trainer": "a", "judge": "b"},
        methods=[
            MethodRun(
                method="guide",
                settings={"steps": 400, "lr": 0.002, "d": "data"},
                verdict="pass",
                refusals=["licences: not asked"],
                steps=400,
                seconds=20.2,
            ),
            MethodRun(
                method="baseline",
                settings={},
                verdict="fail",
                refusals=["bystanders changed", "somebody else too"],
                steps=1000,
                seconds=4.8,
            ),
        ],
        rows=[
            line("subject", "the subject", (1, 1), (0.01, 0.2)),
            line("recovered_w", "brought back with a plausible code (W)", (0.994, 0.99), (0.5, 0.6)),
            line("strangers_median", "for comparison: two strangers, median", (-0.011, -0.011), ()),
            line("frechet_ratio", "Fréchet distance; two samples: 1", (), (0.9, 30)),
        ],
    )
    assert comparison_lines(comparison, Path("x/comparison.json"), Path("x/comparison.png")) == TABLE


def test_the_command_ends_well_though_models_are_refused(
    tiny_model: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        effort, "QUICK", replace(effort.QUICK, bystanders=20, nearby=4, attack_steps=1, controls=1, searched=8)
    )
    asked = ("compare", "--hub", tiny_model, "--steps", 2, "--set", "guide.neighbours=1")
    said = run(*asked)
    assert said.code == 0, said.err
    assert "a random made-up person, as a rehearsal" in said.out
    assert "\nverdict " in said.out
    assert all(f"{method}: Unlearning" in said.err for method in ("guide", "baseline"))
    (made,) = Path("runs").glob("compare-tiny*")
    assert {path.name for path in made.iterdir()} == {"comparison.json", "comparison.png", "guide", "baseline"}
    said = run(*asked, "--output", "second", "--json")
    record = Comparison.model_validate(json.loads(said.out))
    assert [entry.settings["steps"] for entry in record.methods] == [2, 2]
    assert record.methods[0].settings["neighbours"] == 1
    said = run(*asked, "--output", "second")
    assert (said.code, "second exists already" in said.err) == (2, True)


def test_an_operator_that_cannot_be_loaded_is_told_with_its_plugin(tiny_model: Path, tmp_path: Path) -> None:
    lazy = plugin("lazy", unlearn_register_operators=lambda register: register("slow", lambda: 1 / 0, "slow"))
    with pytest.raises(PluginError, match="lazy failed to load the operator slow"):
        compare(recipe(tiny_model), ("guide", "slow"), tmp_path / "out", PluginHost(also=[lazy]))
