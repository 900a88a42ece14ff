"""From pull to push with the one command, on the real client and the loopback Hub.

The tiny random model cannot pass a real audit; the verdict alone is planted here, everything else is as users get it.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image, PngImagePlugin
from safetensors import safe_open
from safetensors.torch import save_file

from guide_plugin import HubError, Recipe, UsageError, cli, hookimpl, unlearn
from guide_plugin.adapter import LocalCheckpoint
from guide_plugin.hub.provenance import read_provenance
from guide_plugin.hub.source import find
from guide_plugin.pipeline import publish_run
from guide_plugin.plan import Silent
from guide_plugin.plugins import PluginHost
from guide_plugin.report.schema import Verdict
from guide_plugin.testing import Fault, LoopbackHub
from guide_plugin.verification import verify
from hub_adapters.stylegan2.network import Generator
from tests import checkpoint_files as files
from tests.conftest import SMALL_AUDIT, TINY, Account, write_companions

SOURCE, TARGET = "org/faces", "org/faces-redacted"
CARD = "---\nlicense: other\nlicense_name: nvidia\nlicense_link: LICENSE.txt\ntags:\n- gan\n---\n# Faces\n\nDrawn.\n"


@pytest.fixture(autouse=True)
def passing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plant the verdict."""
    monkeypatch.setattr(
        "guide_plugin.assessment.draw_verdict", lambda *args, **named: Verdict(outcome="pass", reasons=[])
    )


@pytest.fixture
def upstream(hub: LoopbackHub, account: Account, tmp_path: Path) -> str:
    """Publish a model in an official network pickle beside what often lies there; return its commit."""
    folder = tmp_path / "upstream"
    folder.mkdir()
    write_companions(folder)
    files.write_nvidia(folder / "ffhq.pkl", files.random_generator(Generator, TINY), TINY)
    (folder / "README.md").write_text(CARD)
    (folder / "LICENSE.txt").write_text("terms")
    (folder / "older.pt").write_bytes(os.urandom(20_000))
    (folder / "samples").mkdir()
    (folder / "samples" / "grid.txt").write_text("pictures")
    account.log_in()
    return hub.create_repo(SOURCE, folder)


def asked(tmp_path: Path, **release: object) -> Recipe:
    return Recipe.model_validate(
        {
            "hub": SOURCE,
            "file": "ffhq.pkl",
            "subject": {"seed": 424242},
            "audit": SMALL_AUDIT,
            "release": {"push": TARGET, **release},
        }
    )


def published(hub: LoopbackHub, repo: str = TARGET, revision: str = "main") -> dict[str, bytes]:
    found = {}
    for name, stored in hub.files(repo, revision).items():
        with stored.open() as file:
            found[name] = file.read()
    return found


def test_the_whole_command_from_a_pickle_on_the_hub_to_a_private_repository(
    hub: LoopbackHub, upstream: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = tmp_path / "recipe.toml"
    numbers = "\n".join(f"{key} = {value}" for key, value in SMALL_AUDIT.items())
    recipe.write_text(f"[audit]\n{numbers}\n")
    line = f"unlearn --config {recipe} --hub {SOURCE}@main --file ffhq.pkl --seed 424242 --push {TARGET}"
    monkeypatch.setattr(sys, "argv", [*line.split(), "--output", str(tmp_path / "run")])
    cli.main()
    told = capsys.readouterr().out
    assert f"published  {hub.url}/{TARGET}" in told
    found = published(hub)
    assert set(found) == {
        ".gitattributes",
        *("README.md", "LICENSE.txt", "samples/grid.txt", "provenance.json", "unlearn.toml"),
        *("config.json", "model.safetensors", "ffhq.pkl"),
        *("perceptual.safetensors", "trainer.safetensors", "judge.safetensors"),
    }
    card = found["README.md"].decode()
    for kept in ("license: other", "license_name: nvidia", "- gan", "Drawn.", f"base_model: {SOURCE}", upstream):
        assert kept in card
    source, adapter, claim = find(TARGET, None, PluginHost().adapters)
    again = adapter.load(LocalCheckpoint(source.folder, claim.files), torch.device("cpu"))
    ours = adapter.load(LocalCheckpoint(tmp_path / "run" / "model", claim.files), torch.device("cpu"))
    code = ours.sample_latents(2, torch.Generator().manual_seed(0))
    assert torch.equal(again.synthesize(code).image, ours.synthesize(code).image)
    made = json.loads(found["provenance.json"])
    assert (made["source"]["repo"], made["source"]["commit"]) == (SOURCE, upstream)
    assert made["left_out"] == ["older.pt"]


def test_the_same_command_again_trains_nothing_and_publishes_nothing_twice(
    hub: LoopbackHub, upstream: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    hub.faults.add(Fault(match=f"POST /api/models/{TARGET}/commit", drop="request"))
    with pytest.raises(HubError, match=r"connection to the Hub broke.*same command again"):
        unlearn(asked(tmp_path))
    (run,) = (tmp_path / "runs").iterdir()
    trained = (run / "model" / "model.safetensors").stat().st_mtime_ns
    second = unlearn(asked(tmp_path))
    assert (second.folder.resolve(), second.published.found) == (run, False)
    third = unlearn(asked(tmp_path))
    assert third.published.found
    assert (run / "model" / "model.safetensors").stat().st_mtime_ns == trained
    assert len(hub.commits(TARGET)) == 2
    assert len(list((tmp_path / "runs").iterdir())) == 1


def test_a_lost_download_of_what_is_kept_costs_no_training(hub: LoopbackHub, upstream: str, tmp_path: Path) -> None:
    hub.faults.add(Fault(match=r"GET .*resolve.*LICENSE\.txt", times=None, status=500))
    with pytest.raises(HubError, match="failed"):
        unlearn(asked(tmp_path), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_pull_requests_and_the_source_itself(hub: LoopbackHub, upstream: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--in-place"):
        unlearn(asked(tmp_path, push=SOURCE), tmp_path / "refused")
    outcome = unlearn(asked(tmp_path, push=SOURCE, in_place=True), tmp_path / "run")
    before, after = published(hub, SOURCE), published(hub, SOURCE, outcome.published.revision)
    assert "provenance.json" not in before
    assert "older.pt" in before
    assert "older.pt" not in after
    assert after["ffhq.pkl"] != before["ffhq.pkl"]
    assert "still holds the original" in after["README.md"].decode()


def test_a_refused_model_is_never_published(
    hub: LoopbackHub, upstream: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "guide_plugin.assessment.draw_verdict", lambda *args, **named: Verdict(outcome="fail", reasons=["still there"])
    )
    outcome = unlearn(asked(tmp_path), tmp_path / "run")
    assert (outcome.refusals, outcome.published) == (("still there",), None)
    assert not any(TARGET in served.path and served.method != "GET" for served in hub.requests)
    with pytest.raises(Exception, match="still there"):
        publish_run(tmp_path / "run", {})


def test_a_gate_sees_the_release_and_stops_it(hub: LoopbackHub, upstream: str, tmp_path: Path) -> None:
    class LicenceOffice:
        seen: list[str]

        @hookimpl
        def unlearn_gate(self, run):
            self.seen = sorted(path.name for path in run.release.iterdir())
            return "the licence does not allow it"

    office = LicenceOffice()
    outcome = unlearn(asked(tmp_path), tmp_path / "run", PluginHost([office]))
    assert "LICENSE.txt" in office.seen
    assert "README.md" in office.seen
    assert outcome.published is None
    assert "the licence does not allow it" in outcome.refusals[0]
    assert not (tmp_path / "run" / "release").exists()


def test_what_is_staged_is_measured_again(
    hub: LoopbackHub, upstream: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Something on the way changes the weights: the release is refused, and nothing reaches the Hub."""
    from guide_plugin import publication

    def careless(folder: Path, origin: Path, names: object) -> None:
        publication_copy(folder, origin, names)
        if (folder / "model.safetensors").exists():
            with safe_open(folder / "model.safetensors", "pt") as file:
                weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            changed = {name: tensor * (1.5 if name.endswith("torgb.weight") else 1) for name, tensor in weights.items()}
            save_file(changed, folder / "model.safetensors")

    publication_copy = publication.copy_into
    monkeypatch.setattr(publication, "copy_into", careless)
    outcome = unlearn(asked(tmp_path), tmp_path / "run")
    assert any("not the file that was measured" in refusal for refusal in outcome.refusals)
    assert any("in the audit" in refusal for refusal in outcome.refusals)
    assert outcome.published is None


def test_nothing_about_the_subject_is_published(
    hub: LoopbackHub, account: Account, upstream: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everything that reaches the Hub is searched for what was planted: names, paths, users, codes, pictures, seeds."""
    home = tmp_path / "home-of-quentin" / "zebra-person"
    home.mkdir(parents=True)
    monkeypatch.chdir(home)
    monkeypatch.setenv("USER", "quentin-canary")
    code = torch.randn(1, 6, 8, generator=torch.Generator().manual_seed(1))
    save_file({"w": code}, home / "mallory-latent.safetensors", {"person": "mallory-metadata"})
    information = PngImagePlugin.PngInfo()
    information.add_text("Author", "quentin-png-chunk")
    Image.new("RGB", (64, 64)).save(home / "portrait-canary.png", pnginfo=information)
    recipe = asked(tmp_path).model_copy(
        update={
            "subject": asked(tmp_path).subject.model_copy(
                update={"seed": None, "code": home / "mallory-latent.safetensors"}
            )
        }
    )
    outcome = unlearn(recipe, home / "run-canary")
    assert outcome.published is not None
    unlearn(asked(tmp_path, create_pr=True), home / "run-canary-2")
    request = hub.pull_requests(TARGET)[0]
    texts = [published(hub), published(hub, TARGET, f"refs/pr/{request.num}")]
    everything = b"\n".join(name.encode() + b"\n" + content for one in texts for name, content in one.items())
    everything += "\n".join(f"{commit.title} {commit.message}" for commit in hub.commits(TARGET)).encode()
    everything += f"{request.title} {request.events}".encode()
    assert b"One identity was removed" in everything
    for canary in (
        *("quentin", "zebra", "mallory", "portrait-canary", "run-canary", "424242", str(tmp_path), "hf_"),
        *(f"{value:.6f}"[:7] for value in code.flatten()[:4].tolist()),
    ):
        assert canary.encode() not in everything, canary
    for row in code.reshape(-1, 8):
        assert row.numpy().tobytes() not in everything
    for one in texts:
        (tmp_path / "weights").write_bytes(one["model.safetensors"])
        with safe_open(tmp_path / "weights", "pt") as file:
            assert set(file.metadata() or {}) <= {"format"}


@pytest.mark.parametrize(("threshold", "outcome"), [(2.0, "pass"), (-2.0, "fail")])
def test_redactions_stack_and_the_earlier_person_is_looked_for_again(
    hub: LoopbackHub, upstream: str, tmp_path: Path, threshold: float, outcome: str
) -> None:
    """Random networks tell nobody apart: what counts as the earlier person is planted in their run's report."""
    unlearn(asked(tmp_path), tmp_path / "runs" / "first")
    report = tmp_path / "runs" / "first" / "report.json"
    found = json.loads(report.read_bytes())
    found["findings"]["reference"]["threshold"] = threshold
    report.write_text(json.dumps(found))
    second = tmp_path / "runs" / "second"
    recipe = {
        "hub": TARGET,
        "subject": {"seed": 7},
        "audit": SMALL_AUDIT,
        "release": {"push": "org/faces-redacted-twice"},
    }
    done = unlearn(Recipe.model_validate(recipe), second)
    if outcome == "fail":
        assert done.refusals == ("release: somebody who was taken out earlier is back",)
        assert done.published is None
        return
    assert done.published is not None
    (first,) = read_provenance(second / "release" / "provenance.json").history
    assert (first.source.repo, first.rechecked.outcome, first.rechecked.limit) == (SOURCE, "pass", threshold)
    assert -1 <= first.rechecked.measured <= 1


def test_an_earlier_person_whose_run_is_gone_is_not_said_to_be_gone(
    hub: LoopbackHub, upstream: str, tmp_path: Path
) -> None:
    unlearn(asked(tmp_path), tmp_path / "elsewhere" / "first")
    recipe = {"hub": TARGET, "audit": SMALL_AUDIT, "release": {"push": "org/faces-redacted-twice"}}
    unlearn(Recipe.model_validate(recipe), tmp_path / "runs" / "second")
    (first,) = read_provenance(tmp_path / "runs" / "second" / "release" / "provenance.json").history
    assert (first.rechecked.outcome, first.rechecked.why) == ("not measured", "its run is not at hand")


def test_verify_finds_what_was_changed_afterwards(hub: LoopbackHub, upstream: str, tmp_path: Path) -> None:
    unlearn(asked(tmp_path), tmp_path / "run")
    found = verify(TARGET, Silent())
    assert (found.wrong, found.changed, found.unchecked) == ((), (), ())
    assert verify(str(tmp_path / "run" / "release"), Silent()).wrong == ()
    hub.commit(TARGET, {"README.md": published(hub)["README.md"] + b"\nMore.\n"})
    edited = verify(TARGET, Silent())
    assert edited.wrong == ()
    assert "README.md is not the released file" in edited.changed[0]
    hub.commit(TARGET, {"model.safetensors": os.urandom(9_000), "back.pt": os.urandom(9_000)})
    wrong = " ".join(verify(TARGET, Silent()).wrong)
    assert "model.safetensors is not the released file" in wrong
    assert "back.pt may hold weights" in wrong
    with pytest.raises(UsageError, match=r"has no provenance\.json"):
        verify(SOURCE, Silent())


def test_verify_asks_the_source(hub: LoopbackHub, upstream: str, tmp_path: Path) -> None:
    unlearn(asked(tmp_path), tmp_path / "run")
    hub.faults.add(Fault(match=f"GET /api/models/{SOURCE}/revision", status=404))
    found = verify(TARGET, Silent())
    assert found.wrong == ()
    assert "the source" in found.unchecked[0]
    made = json.loads(published(hub)["provenance.json"])
    made["source"]["files"]["ffhq.pkl"] = "0" * 64
    hub.commit(TARGET, {"provenance.json": json.dumps(made).encode()})
    assert "ffhq.pkl of org/faces" in verify(TARGET, Silent()).wrong[0]
