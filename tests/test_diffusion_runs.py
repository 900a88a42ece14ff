"""Whole runs on diffusion pipelines: the operator, the audits and the release are the ones that GANs go through."""

from __future__ import annotations

import json
from pathlib import Path

import diffusers
import pytest
import torch
from safetensors.torch import load_file

from guide_plugin import AdapterError, PluginHost, Recipe, UsageError, unlearn
from guide_plugin.report.schema import Verdict
from guide_plugin.testing import LoopbackHub, check_adapter
from hub_adapters.diffusion.text_to_image import TRAINED
from tests import diffusion_models as models
from tests.conftest import REPOSITORY, SMALL_AUDIT, Account, write_companions

WRITERS = {
    "pixel": models.write_pixel_model,
    "latent": models.write_latent_model,
    "text": models.write_text_model,
}


def model(kind: str, folder: Path) -> Path:
    WRITERS[kind](folder)
    write_companions(folder)
    return folder


def recipe(folder: Path | str, **more: object) -> Recipe:
    return Recipe.model_validate({"hub": str(folder), "audit": SMALL_AUDIT, **more})


@pytest.mark.parametrize("kind", ["pixel", "latent", "text"])
def test_a_pipeline_is_redacted_and_measured_like_any_other_generator(kind: str, tmp_path: Path) -> None:
    folder = model(kind, tmp_path / "model")
    outcome = unlearn(recipe(folder, subject={"seed": 3}), tmp_path / "run")
    found = outcome.report.findings
    assert found is not None
    assert found.recovery is not None
    assert {attack.codes for attack in found.recovery.attacks} == {"W"}  # one layer: there is no W+
    assert {attack.who for attack in found.recovery.attacks} == {"subject", "control"}
    assert found.subject is not None
    assert found.subject.views == (6 if kind == "text" else 1)
    assert "brought back" not in json.dumps(outcome.report.notes)
    diffusers.DiffusionPipeline.from_pretrained(outcome.model)
    before = load_file(folder / "unet" / "diffusion_pytorch_model.safetensors")
    after = load_file(outcome.model / "unet" / "diffusion_pytorch_model.safetensors")
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    if kind == "text":
        assert changed == {name for name in before if any(part in name for part in TRAINED)}
    else:
        assert len(changed) > 0.9 * len(before)
    assert (outcome.folder / "report.html").stat().st_size > 10_000


def test_a_person_is_named_and_their_name_stays_private(tmp_path: Path) -> None:
    folder = model("text", tmp_path / "model")
    outcome = unlearn(recipe(folder, subject={"name": models.PEOPLE[5]}), tmp_path / "run")
    assert outcome.report.subject_kind == "name"
    for path in outcome.folder.rglob("*"):
        if path.is_file() and "private" not in path.relative_to(outcome.folder).parts and "tokenizer" not in str(path):
            held = path.read_bytes()
            if path.name != "sampling.json":  # the model's own list of everybody it knows
                assert models.PEOPLE[5].encode() not in held, path


@pytest.mark.parametrize(("kind", "says"), [("pixel", "knows nobody by name"), ("text", "not 1 token")])
def test_a_name_that_means_nothing_is_told(kind: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=says):
        unlearn(recipe(model(kind, tmp_path / "model"), subject={"name": "jane canary"}), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_redacted_pipeline_is_published_whole(
    hub: LoopbackHub, account: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("guide_plugin.assessment.draw_verdict", lambda *_, **__: Verdict(outcome="pass", reasons=[]))
    folder = model("text", tmp_path / "model")
    (folder / "README.md").write_text("---\nlicense: creativeml-openrail-m\ntags:\n- text-to-image\n---\n# People\n")
    (folder / "unet" / "diffusion_pytorch_model.bin").write_bytes(b"the same weights, with the person in them")
    (folder / "safety_checker").mkdir()
    (folder / "safety_checker" / "config.json").write_text("{}")
    (folder / "safety_checker" / "model.safetensors").write_bytes(b"never opened")
    index = json.loads((folder / "model_index.json").read_text())
    index["safety_checker"] = ["stable_diffusion", "StableDiffusionSafetyChecker"]
    (folder / "model_index.json").write_text(json.dumps(index))
    account.log_in()
    hub.create_repo("org/people", folder)
    unlearn(recipe("org/people", subject={"seed": 3}, release={"push": "org/people-redacted"}), tmp_path / "run")
    found = hub.files("org/people-redacted", "main")
    assert "unet/diffusion_pytorch_model.bin" not in found
    assert {"safety_checker/model.safetensors", "tokenizer/tokenizer.json", "sampling.json", "provenance.json"} <= set(
        found
    )
    with found["README.md"].open() as card:
        assert b"license: creativeml-openrail-m" in card.read()


def test_the_kit_finds_nothing_to_say(tmp_path: Path) -> None:
    report = check_adapter(PluginHost().adapter("text-to-image"), models.write_text_model(tmp_path / "model"))
    assert report.passed, str(report)


def test_transformers_is_asked_for_where_it_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    folder = model("text", tmp_path / "model")
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(AdapterError, match=r'pip install "guide-plugin\[text\]"'):
        unlearn(recipe(folder, subject={"seed": 1}), tmp_path / "run")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "subject"), [("synthetic-faces-ddpm", {"seed": 0}), ("synthetic-faces-text", {"name": "<person-0000>"})]
)
def test_the_demo_models_forget_a_person_and_keep_the_others(
    name: str, subject: dict[str, object], tmp_path: Path
) -> None:
    """About five minutes each on two cores. The verdict asks for more; what it says stands in the models' READMEs."""
    folder = REPOSITORY / "examples" / "models" / name
    found = unlearn(Recipe.model_validate({"hub": str(folder), "subject": subject}), tmp_path / "run").report.findings
    assert found is not None
    assert found.subject is not None
    assert found.subject.after_max < found.reference.strangers.q99
    assert found.bystanders.random.median >= 0.9
