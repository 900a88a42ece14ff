"""The paper's protocol on a tiny model: what it measures, what it refuses to call a number, what it never tells."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor, nn

from guide_plugin import HubError, PluginHost, Recipe, UnlearnError, UsageError, hookimpl
from guide_plugin.adapter import Synthesis, View
from guide_plugin.cli import command
from guide_plugin.evaluation import fidelity
from guide_plugin.evaluation.auxiliary import Auxiliary, find_auxiliary
from guide_plugin.evaluation.identity import Measure, identity
from guide_plugin.evaluation.protocol import evaluate
from guide_plugin.evaluation.record import Evaluation, Figure
from guide_plugin.evaluation.request import Request, shown_settings, with_published
from guide_plugin.evaluation.table import evaluation_lines
from guide_plugin.operator import Losses
from guide_plugin.vision.iresnet import CURRICULARFACE
from tests.conftest import SMALL_AUDIT

CANARY = "marie-musterfrau"


def request(model: Path, **choices: Any) -> Request:
    recipe = {"hub": str(model), "method": {"settings": {"steps": 2}}, "audit": SMALL_AUDIT}
    recipe |= choices.pop("recipe", {})
    return Request(Recipe.model_validate(recipe), **{"samples": 0, "inversion_steps": 3, **choices})


def picture(path: Path, width: int = 24, height: int = 24, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture
def person(tmp_path: Path) -> Path:
    """Return a folder whose name, and whose files' names, are the subject's."""
    for i in range(3):
        picture(tmp_path / CANARY / f"{CANARY}-{i}.png", seed=i)
    (tmp_path / CANARY / "notes.txt").write_text("no picture")
    return tmp_path / CANARY


class Colours(nn.Module):
    """A feature network in place of Inception: mean colours of the picture's halves."""

    def forward(self, images: Tensor) -> Tensor:
        return nn.functional.adaptive_avg_pool2d(images, (1, 2)).flatten(1)


@pytest.fixture
def colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fidelity, "load_inception", lambda weights, device: Colours())
    monkeypatch.setattr(fidelity, "WIDTH", 6)


@pytest.mark.usefixtures("colours")
def test_three_cases_are_measured_and_written(tiny_model: Path, person: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "real.npy", np.random.default_rng(0).uniform(size=(40, 6)))
    own = picture(tmp_path / "one.png")
    told: list[str] = []

    class Listening:
        def stage(self, text: str) -> None:
            told.append(text)

        def step(self, step: int, steps: int, losses: Losses) -> None:
            assert 1 <= step <= steps

    found, folder = evaluate(
        request(
            tiny_model,
            seed=3,
            in_domain=own,
            out_of_domain=person,
            samples=20,
            real_statistics=tmp_path / "real.npy",
        ),
        tmp_path / "out",
        display=Listening(),
    )
    assert [(case.case, case.pictures) for case in found.cases] == [
        ("random", 0),
        ("in-domain", 1),
        ("out-of-domain", 3),
    ]
    assert found == Evaluation.model_validate_json((folder / "evaluation.json").read_bytes())
    for case in found.cases:
        assert case.training is not None
        assert (folder / case.case / "report.json").is_file()
        assert case.id.value is not None
        assert -1 <= case.id.value < 1
        assert (case.id.measured_by, case.id.as_published) == ("small:judge.safetensors", False)
        assert case.fid_pre.value is not None
        assert case.fid_pre.value > 0
        assert (case.fid_pre.samples, case.fid_pre.as_published) == (20, False)
        assert case.delta_fid_real.value is not None
    random, _, out = found.cases
    assert random.reconstruction is None
    assert random.id_others.not_measured == "the subject has no other pictures in this case"
    assert out.id_others.value is not None
    assert out.id_others.pairs == 2
    assert out.reconstruction is not None
    assert len(out.reconstruction.similarity) == 3
    assert any("Finding the codes of 3 pictures" in text for text in told)
    reports = [json.loads((folder / case.case / "report.json").read_text()) for case in found.cases]
    assert [report["subject_kind"] for report in reports] == ["seed", "picture", "picture"]


def test_nothing_tells_who_the_subject_is(
    tiny_model: Path, person: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "out").mkdir()
    arguments = ["evaluate", "--hub", str(tiny_model), "--out-of-domain", str(person), "--samples", "0"]
    arguments += ["--in-domain", str(person / f"{CANARY}-1.png"), "--inversion-steps", "2", "--steps", "1"]
    done = CliRunner().invoke(command, [*arguments, "--output", str(tmp_path / "out")], catch_exceptions=False)
    assert done.exit_code == 0
    assert "out-of-domain, 3 pictures" in done.output
    said = done.output + done.stderr + "".join(capsys.readouterr())
    files = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert len(files) > 10
    assert CANARY not in said
    for path in files:
        assert CANARY.encode() not in path.read_bytes(), path
        assert CANARY not in path.relative_to(tmp_path / "out").as_posix()
    code = load_file(tmp_path / "out" / "in-domain" / "private" / "subject.safetensors")["w"]
    published = [path.read_text() for path in files if path.suffix == ".json" and path.parent.name != "private"]
    assert len(published) == 3 + 2  # the record, and of each run the report and the model's configuration
    for number in code.flatten().tolist():
        assert not any(repr(number)[:8] in text for text in published)


def spoil(person: Path) -> Path:
    (person / f"{CANARY}-1.png").write_bytes(b"\x89PNG broken")
    return person


def stretch(person: Path) -> Path:
    picture(person / f"{CANARY}-2.png", width=30)
    return person


def empty(person: Path) -> Path:
    for path in person.glob("*.png"):
        path.unlink()
    return person


@pytest.mark.parametrize(
    ("option", "prepare", "told"),
    [
        ("in_domain", lambda person: person / "gone.png", "picture does not exist"),
        ("in_domain", lambda person: person / "notes.txt", "cannot be read as a picture"),
        ("out_of_domain", spoil, "Picture 2 of 3 in the --out-of-domain folder cannot be read"),
        ("out_of_domain", stretch, "Picture 3 of 3 in the --out-of-domain folder is 30×24, not square"),
        ("out_of_domain", empty, "holds no pictures"),
        ("out_of_domain", lambda person: person / "gone", "folder does not exist"),
    ],
)
def test_pictures_that_cannot_be_used_are_told_without_their_names(
    option: str, prepare: Callable[[Path], Path], told: str, tiny_model: Path, person: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=told) as error:
        evaluate(request(tiny_model, **{option: prepare(person)}), tmp_path / "out")
    assert CANARY not in str(error.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("choices", "told"),
    [
        ({"redacted": Path("a")}, "on one subject alone"),
        ({"samples": 1}, "at least two samples"),
        ({"inversion_steps": 0, "in_domain": True}, "Without an encoder"),
        ({"encoder": "goae:a.pt", "in_domain": True}, "no encoder named goae"),
        ({"real_statistics": Path("gone.npy"), "samples": 2}, "no file gone.npy"),
        ({"published": Path("gone")}, "There is no folder gone"),
    ],
)
@pytest.mark.usefixtures("colours")
def test_what_cannot_be_asked_for_is_told(choices: dict[str, Any], told: str, tiny_model: Path, tmp_path: Path) -> None:
    if choices.get("in_domain"):
        choices = {**choices, "in_domain": picture(tmp_path / "one.png")}
    with pytest.raises(UsageError, match=told):
        evaluate(request(tiny_model, **choices), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_in_use_is_not_written_into(tiny_model: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match="not empty"):
        evaluate(request(tiny_model, seed=3), tmp_path)


def test_one_picture_measures_no_others_and_a_trainer_alone_measures_nothing(tiny_model: Path, tmp_path: Path) -> None:
    trainer = f"small:{tiny_model / 'trainer.safetensors'}"
    recipe = {"networks": {"trainer": trainer, "judge": trainer}}
    picture(tmp_path / "folder" / "one.png")
    found, folder = evaluate(request(tiny_model, out_of_domain=tmp_path / "folder", recipe=recipe), tmp_path / "out")
    case = found.cases[0]
    assert case.id.value is None
    assert "no recogniser but the one that trained" in (case.id.not_measured or "")
    assert "no other pictures" in (case.id_others.not_measured or "")
    table = evaluation_lines(found, folder)
    assert table.count("not measured [") == 4
    assert "[1] not measured: no recogniser but the one that trained" in table


def test_an_existing_redacted_model_is_measured_without_training(tiny_model: Path, tmp_path: Path) -> None:
    first, folder = evaluate(request(tiny_model, seed=3), tmp_path / "first")
    redacted = next(path for path in (folder / "random").iterdir() if path.name.endswith("model"))
    again, second = evaluate(request(tiny_model, seed=3, redacted=redacted), tmp_path / "second")
    assert again.cases[0].training is None
    assert again.cases[0].id == first.cases[0].id
    assert [path.name for path in second.iterdir()] == ["evaluation.json"]
    same, _ = evaluate(request(tiny_model, seed=3, redacted=tiny_model), tmp_path / "same")
    assert same.cases[0].id.value == pytest.approx(1, abs=1e-5)


@pytest.mark.usefixtures("colours")
def test_a_model_that_did_not_change_has_no_distance(tiny_model: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "real.npy", np.random.default_rng(0).uniform(size=(40, 6)))
    statistics = {"samples": 30, "real_statistics": tmp_path / "real.npy"}
    found, _ = evaluate(request(tiny_model, seed=3, redacted=tiny_model, **statistics), tmp_path / "out")
    assert found.cases[0].fid_pre.value == pytest.approx(0, abs=1e-9)
    assert found.cases[0].delta_fid_real.value == pytest.approx(0, abs=1e-9)


def test_an_inception_that_is_missing_is_a_reason_unless_it_was_named(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError("no network")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)
    unchanged = {"seed": 3, "redacted": tiny_model, "samples": 10}
    found, _ = evaluate(request(tiny_model, **unchanged), tmp_path / "out")
    assert "cannot be fetched" in (found.cases[0].fid_pre.not_measured or "")
    assert found.cases[0].fid_pre.value is None
    torch.save({}, tmp_path / "inception.pth")
    with pytest.raises(HubError, match=r"inception\.pth does not hold"):
        evaluate(request(tiny_model, **unchanged, inception=tmp_path / "inception.pth"), tmp_path / "named")
    monkeypatch.setitem(sys.modules, "pytorch_fid", None)
    found, _ = evaluate(request(tiny_model, **unchanged), tmp_path / "without")
    assert "pip install 'guide-plugin[fid]'" in (found.cases[0].fid_pre.not_measured or "")


def test_an_encoders_codes_are_taken_as_they_are(tiny_model: Path, person: Path, tmp_path: Path) -> None:
    w = torch.randn(6, 8, generator=torch.Generator().manual_seed(0))

    def unlearn_register_encoders(register: Any) -> None:
        register("toy", lambda weights, device: lambda images: w.expand(len(images), -1, -1), "a toy")

    module = ModuleType("toy")
    module.unlearn_register_encoders = hookimpl(unlearn_register_encoders)  # type: ignore[attr-defined]
    asked = request(tiny_model, out_of_domain=person, encoder="toy", inversion_steps=None)
    found, folder = evaluate(asked, tmp_path / "out", PluginHost(also=[module]))
    assert torch.equal(load_file(folder / "out-of-domain" / "private" / "subject.safetensors")["w"][0], w)
    assert found.encoder == "toy"
    assert found.cases[0].reconstruction is not None
    assert found.cases[0].reconstruction.steps == 0


class Turning:
    """A generator with three views whose picture before and after has a known angle in every view."""

    def __init__(self, angles: list[float]) -> None:
        self.angles = torch.tensor(angles)
        self.views = torch.tensor([[0.0], [1.0], [2.0]])

    def audit_views(self) -> View | None:
        return self.views

    def synthesize(self, w: Tensor, view: View | None = None) -> Synthesis:
        assert view is not None
        angle = self.angles[view[:, 0].long()] + w[:, 0]
        colour = torch.stack([angle.cos(), angle.sin(), torch.zeros_like(angle)], dim=1)
        image = colour[..., None, None].expand(-1, -1, 2, 2)
        return Synthesis(image, image)


def test_identity_is_the_mean_cosine_over_codes_and_views() -> None:
    def colour(images: Tensor) -> tuple[Tensor, Tensor]:
        return nn.functional.normalize(images[:, :2, 0, 0], dim=1), torch.ones(len(images), dtype=torch.bool)

    def only_red(images: Tensor) -> tuple[Tensor, Tensor]:
        found = images[:, 0, 0, 0] > 0.1
        return nn.functional.normalize(images[found, :2, 0, 0], dim=1), found

    before, after = Turning([0.0, 0.0, 0.0]), Turning([0.0, torch.pi / 3, torch.pi / 2])
    codes, told = torch.tensor([[0.0], [0.3], [-0.3]]), []
    found = identity(before, after, codes, Measure("toy", False, colour), lambda *done: told.append(done))  # type: ignore[arg-type]
    assert found.value == pytest.approx((1 + 0.5 + 0) / 3, abs=0.01)
    assert (found.pairs, found.pairs_measured) == (9, 9)
    assert told == [(8, 9), (9, 9)]
    partly = identity(before, after, codes[:1], Measure("toy", True, only_red), lambda *_: None)  # type: ignore[arg-type]
    assert partly.value == pytest.approx(0.75, abs=0.01)
    assert (partly.pairs, partly.pairs_measured, partly.as_published) == (3, 2, True)
    blind = Turning([torch.pi] * 3)
    none = identity(before, blind, codes[:1], Measure("toy", True, only_red), lambda *_: None)  # type: ignore[arg-type]
    assert none.value is None
    assert "in none of 3 pairs" in (none.not_measured or "")


def test_published_files_are_found_by_name_and_options_win(tmp_path: Path) -> None:
    names = ["w_avg_big.pt", "w_avg_small.pt", "ffhq_real_feat.npy", "model_ir_se50.pth", CURRICULARFACE.file]
    for name in names:
        (tmp_path / name).touch()
    found = find_auxiliary(tmp_path, "small")
    assert found.w_avg == tmp_path / "w_avg_small.pt"
    assert found.real_statistics == tmp_path / "ffhq_real_feat.npy"
    assert found.inception is None
    with pytest.raises(UsageError, match=r"w_avg_big\.pt, w_avg_small\.pt.*--set w_avg=FILE"):
        find_auxiliary(tmp_path, "other")
    filled = with_published(Recipe(hub="m"), found)
    assert filled.networks.trainer == f"arcface:{tmp_path / 'model_ir_se50.pth'}"
    assert filled.networks.judge == f"curricularface:{tmp_path / CURRICULARFACE.file}"
    assert shown_settings(filled) == {"w_avg": "w_avg_small.pt"}
    said = {"networks": {"trainer": "facenet"}, "method": {"settings": {"w_avg": "/a/mine.pt", "lr": 1.0}}}
    filled = with_published(Recipe.model_validate({"hub": "m", **said}), found)
    assert filled.networks.trainer == "facenet"
    assert filled.networks.judge is not None
    assert shown_settings(filled) == {"w_avg": "mine.pt", "lr": 1.0}
    assert with_published(Recipe(hub="m"), Auxiliary()) == Recipe(hub="m")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="none of the published files"):
        find_auxiliary(tmp_path / "empty", "other")


def test_a_number_says_what_it_was_measured_by(tiny_model: Path, tmp_path: Path) -> None:
    found, folder = evaluate(request(tiny_model, seed=3, redacted=tiny_model), tmp_path / "out")
    assert "1.0000 (small) [1]" in evaluation_lines(found, folder)
    assert "[1] measured by small:judge.safetensors, not by CurricularFace: not comparable" in evaluation_lines(
        found, folder
    )
    as_published = Figure(
        value=0.0183, measured_by="curricularface:a.pth", as_published=True, pairs=11, pairs_measured=9
    )
    few = Figure(value=7.5, measured_by="Inception", samples=100)
    many = Figure(value=8.5, measured_by="Inception", samples=5000, as_published=True)
    case = found.cases[0].model_copy(update={"id": as_published, "fid_pre": few, "delta_fid_real": many})
    table = evaluation_lines(found.model_copy(update={"cases": [case]}), folder)
    assert "0.0183 [1]" in table
    assert "[1] faces were found in 9 of 11 pairs of pictures" in table
    assert "7.500 (N=100)" in table
    assert "8.500\n" in table
    assert "fewer give larger values" in table
    assert "published, other model and person: GUIDE" in table


def test_errors_are_one_sentence_on_the_command_line(tiny_model: Path) -> None:
    with pytest.raises(UnlearnError, match="No model is named"):
        CliRunner().invoke(command, ["evaluate"], catch_exceptions=False, standalone_mode=False)
