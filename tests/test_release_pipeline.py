"""The example of a release pipeline: a script, a workflow and a webhook, each against the loopback Hub or its word."""

from __future__ import annotations

import re
import runpy
import shlex
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
import yaml
from click.testing import CliRunner
from huggingface_hub import HfApi, WebhookPayload
from huggingface_hub.utils import httpx

from examples.release_pipeline import webhook
from guide_plugin import Recipe, UsageError, read_recipe
from guide_plugin.cli import command
from guide_plugin.report.schema import Verdict
from guide_plugin.testing import LoopbackHub
from tests.conftest import REPOSITORY, SMALL_AUDIT, Account

FOLDER = REPOSITORY / "examples" / "release_pipeline"
SOURCE, TARGET, SECRET = "org/faces", "org/faces-redacted", "a-secret"


def plant(monkeypatch: pytest.MonkeyPatch, outcome: str) -> None:
    """Plant the verdict, which a random model cannot earn."""
    reasons = [] if outcome == "pass" else ["still there"]
    monkeypatch.setattr(
        "guide_plugin.assessment.draw_verdict", lambda *args, **named: Verdict(outcome=outcome, reasons=reasons)
    )


@pytest.fixture
def upstream(
    hub: LoopbackHub, account: Account, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> str:
    """Publish a model, begin in an empty folder, and let everything pass; return the model's commit."""
    plant(monkeypatch, "pass")
    monkeypatch.chdir(tmp_path)
    account.log_in()
    return hub.create_repo(SOURCE, tiny_model)


def written_recipe(folder: Path) -> Path:
    numbers = "\n".join(f"{key} = {value}" for key, value in SMALL_AUDIT.items())
    (folder / "recipe.toml").write_text(
        f'hub = "{SOURCE}"\n[subject]\nseed = 3\n[audit]\n{numbers}\n[release]\npush = "{TARGET}"\ncreate_pr = true\n'
    )
    return folder / "recipe.toml"


def run_pipeline(monkeypatch: pytest.MonkeyPatch, recipe: Path) -> int:
    monkeypatch.setattr(sys, "argv", ["pipeline.py", str(recipe)])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(FOLDER / "pipeline.py"))
    return int(ended.value.code or 0)


def test_the_pipeline_publishes_what_passes(
    hub: LoopbackHub, upstream: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_pipeline(monkeypatch, written_recipe(tmp_path)) == 0
    assert capsys.readouterr().out == f"pass\n{hub.url}/{TARGET}/discussions/1\n"
    assert len(hub.pull_requests(TARGET)) == 1


def test_the_pipeline_stops_at_a_refused_model_and_at_an_error(
    hub: LoopbackHub, upstream: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plant(monkeypatch, "fail")
    assert run_pipeline(monkeypatch, written_recipe(tmp_path)) == 3
    assert capsys.readouterr().out == "fail\nnot published\nstill there\n"
    assert TARGET not in hub.repositories
    assert run_pipeline(monkeypatch, tmp_path / "none.toml") == 2
    assert "There is no recipe" in capsys.readouterr().err


def test_the_pipeline_is_short() -> None:
    code = [line for line in (FOLDER / "pipeline.py").read_text().splitlines() if line and not line.startswith('"""')]
    assert len(code) <= 12


def test_the_examples_recipe_is_valid() -> None:
    recipe = read_recipe(FOLDER / "recipe.toml")
    assert recipe.subject.faces == (FOLDER / "face.jpg",)
    assert not (FOLDER / "face.jpg").exists()
    webhook.application(recipe, SECRET)


@pytest.fixture
def workflow() -> dict[str, Any]:
    told = yaml.safe_load((FOLDER / "redact.yml").read_text())
    assert set(told[True]) == {"workflow_dispatch"}  # YAML 1.1 reads `on` as true, GitHub does not
    return told


def steps(workflow: dict[str, Any]) -> list[dict[str, Any]]:
    return workflow["jobs"]["redact"]["steps"]


def test_the_workflows_command_is_ours(workflow: dict[str, Any]) -> None:
    (line,) = (step["run"] for step in steps(workflow) if "unlearn " in step.get("run", ""))
    words = shlex.split(line)
    helped = CliRunner().invoke(command, ["--help"]).output
    options = [word for word in words if word.startswith("--")]
    assert {"--config", "--hub", "--face", "--push", "--json"} <= set(options)
    for option in options:
        assert re.search(rf"^ +{option}\b", helped, re.MULTILINE), option
    assert words[-2] == ">"
    assert "|| true" not in line
    assert not any("continue-on-error" in step for step in steps(workflow))


def test_the_workflow_keeps_private_what_is(workflow: dict[str, Any]) -> None:
    uploads = [step for step in steps(workflow) if "upload" in step.get("uses", "")]
    assert [upload["with"]["path"] for upload in uploads] == ["${{ runner.temp }}/run/report.html"]
    assert workflow["permissions"] == {"contents": "read"}
    lines = [step["run"] for step in steps(workflow) if "run" in step]
    assert not any("${{" in line for line in lines)  # an input put into a shell line could be a command
    wiped = steps(workflow)[-1]
    assert wiped["if"] == "always()"
    assert {"$RUNNER_TEMP/face.jpg", "$RUNNER_TEMP/run"} <= set(shlex.split(wiped["run"]))
    secrets = [value for step in steps(workflow) for value in step.get("env", {}).values() if "secrets." in value]
    assert sorted(secrets) == ["${{ secrets.FACE_PHOTO }}", "${{ secrets.HF_TOKEN }}"]


def test_the_workflows_actions_are_pinned(workflow: dict[str, Any]) -> None:
    used = [step["uses"] for step in steps(workflow) if "uses" in step]
    assert len(used) == 3
    for action in used:
        assert re.fullmatch(r"actions/[\w-]+@[0-9a-f]{40}", action), action


def test_the_workflows_other_commands_run(workflow: dict[str, Any], tmp_path: Path) -> None:
    """The photo arrives as it was, and nothing is left of it."""
    lines = {step["name"]: step["run"] for step in steps(workflow) if "run" in step}
    environment = {"PATH": "/usr/bin:/bin", "RUNNER_TEMP": str(tmp_path), "PHOTO": "/9j/AA=="}
    for name in ("Take the photo out of the secret", "Leave nothing on the runner"):
        subprocess.run(["bash", "-e", "-c", lines[name]], env=environment, check=True)
        if (tmp_path / "face.jpg").exists():
            assert (tmp_path / "face.jpg").read_bytes() == b"\xff\xd8\xff\x00"
            (tmp_path / "run").mkdir()
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def watching(upstream: str, tmp_path: Path) -> Iterator[str]:
    """Run the webhook, whose pull requests go to the watched model itself; return its address."""
    recipe = read_recipe(written_recipe(tmp_path), {"release": {"push": SOURCE, "create_pr": False, "in_place": True}})
    config = uvicorn.Config(webhook.application(recipe, SECRET), port=0, log_level="error", ws="none", lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/"
    server.should_exit = True
    thread.join()


def event(commit: str | None, ref: str = "refs/heads/main", repo: str = SOURCE, kind: str = "model") -> dict[str, Any]:
    """Return what the Hub sends when a reference has moved, in the words of its documentation."""
    return {
        "event": {"action": "update", "scope": "repo.content"},
        "repo": {
            "type": kind,
            "name": repo,
            "id": "6366c000a2abcdf2fd69a080",
            "private": False,
            "url": {"web": f"https://huggingface.co/{repo}", "api": f"https://huggingface.co/api/models/{repo}"},
            "headSha": commit,
            "tags": ["license:other"],
            "owner": {"id": "61d2000c3c2083e1c08af22d"},
        },
        "updatedRefs": [{"ref": ref, "oldSha": None, "newSha": commit}],
        "webhook": {"id": "6390e855e30d9209411de93b", "version": 3},
    }


def request_opened(num: int) -> dict[str, Any]:
    """Return what the Hub sends when a pull request was opened."""
    told = event(None)
    del told["updatedRefs"]
    url = {"web": f"https://huggingface.co/{SOURCE}/discussions/{num}"}
    told |= {
        "event": {"action": "create", "scope": "discussion"},
        "discussion": {
            "id": "6399f58518721fdd27fc9ca9",
            "title": "Remove one identity",
            "url": url,
            "status": "open",
            "author": {"id": "61d2f90c3c2083e1c08af22d"},
            "num": num,
            "isPullRequest": True,
            "changes": {"base": "refs/heads/main"},
        },
        "comment": {
            "id": "6399f58518721fdd27fc9caa",
            "author": {"id": "61d2f90c3c2083e1c08af22d"},
            "content": "One identity was removed",
            "hidden": False,
            "url": url,
        },
    }
    return told


def send(address: str, told: object, secret: str | bytes | None = SECRET) -> int:
    headers = {} if secret is None else {"X-Webhook-Secret": secret}
    return int(httpx.post(address, json=told, headers=headers).status_code)


def waited_for(capsys: pytest.CaptureFixture[str], commit: str) -> str:
    """Return what the webhook says of a commit once it has dealt with it."""
    heard = ""
    for _ in range(1200):
        heard += capsys.readouterr().out
        if found := re.search(rf"^{SOURCE}@{commit}: (.*)\n", heard, re.MULTILINE):
            return found[1]
        time.sleep(0.05)
    raise AssertionError(f"The webhook said nothing of {commit}: {heard}")


def test_a_new_revision_is_answered_with_one_pull_request(
    hub: LoopbackHub, upstream: str, watching: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert send(watching, event(upstream)) == 202
    assert waited_for(capsys, upstream) == f"pass: {hub.url}/{SOURCE}/discussions/1"
    (request,) = hub.pull_requests(SOURCE)
    assert (request.num, request.status) == (1, "open")
    assert "provenance.json" in hub.files(SOURCE, "refs/pr/1")
    assert "provenance.json" not in hub.files(SOURCE)
    opened = hub.commits(SOURCE, "refs/pr/1")[0].oid
    assert [send(watching, told) for told in (event(opened, "refs/pr/1"), request_opened(1))] == [200, 200]

    HfApi().merge_pull_request(SOURCE, 1)
    merged = hub.commits(SOURCE)[0].oid
    assert send(watching, event(merged)) == 202
    assert waited_for(capsys, merged) == "a pull request of ours was merged"
    assert send(watching, event(upstream)) == 202
    assert waited_for(capsys, upstream) == "main has moved on"
    assert len(hub.pull_requests(SOURCE)) == 1

    back = hub.commit(SOURCE, {"model.safetensors": b"other weights" * 1000})
    assert not webhook.made_here(SOURCE, back)


def test_nothing_else_is_answered(hub: LoopbackHub, upstream: str, watching: str, tmp_path: Path) -> None:
    hub.forget_requests()
    assert send(watching, event(upstream), None) == 401
    assert send(watching, event(upstream), "a-guess") == 403
    assert send(watching, event(upstream), "\xe4".encode()) == 403
    for told in (
        event(upstream, repo="org/other"),
        event(upstream, repo="org/faces-2"),
        event(upstream, kind="dataset"),
        event(upstream, "refs/heads/dev"),
        event(upstream, "refs/tags/v1"),
        event(upstream, "refs/pr/7"),
        event(None),
        event("../../other/model"),
        request_opened(1),
    ):
        assert send(watching, told) == 200
    for broken in ([], {"event": "push"}, "text"):
        assert send(watching, broken) == 400
    assert httpx.get(watching).status_code == 405
    time.sleep(0.2)
    assert hub.requests == ()
    assert not (tmp_path / "runs").exists()


def test_a_failure_is_told_and_the_next_event_answered(
    hub: LoopbackHub, upstream: str, watching: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch, "fail")
    assert send(watching, event(upstream)) == 202
    assert waited_for(capsys, upstream) == "refused: still there"
    broken = hub.commit(SOURCE, {"model.safetensors": None, "unlearn.toml": None})
    assert send(watching, event(broken)) == 202
    assert waited_for(capsys, broken).startswith("org/faces has several weight files")
    assert hub.pull_requests(SOURCE) == ()


def test_the_hubs_own_example_is_understood() -> None:
    payload = WebhookPayload.model_validate(event("5" * 40))
    assert webhook.new_commit(payload, SOURCE) == "5" * 40
    assert webhook.new_commit(payload, "org/other") is None


@pytest.mark.parametrize(
    ("values", "secret", "sentence"),
    [
        ({"hub": SOURCE, "release": {"push": TARGET, "create_pr": True}}, "", "no secret"),
        ({"hub": f"{SOURCE}@v1", "release": {"push": TARGET, "create_pr": True}}, SECRET, "without a revision"),
        ({"hub": "/models/faces", "release": {"push": TARGET, "create_pr": True}}, SECRET, "not one on the Hub"),
        ({"hub": SOURCE, "release": {"push": TARGET}}, SECRET, "commit unasked"),
        ({"hub": SOURCE}, SECRET, "commit unasked"),
    ],
)
def test_a_webhook_that_could_do_harm_does_not_start(values: dict[str, Any], secret: str, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        webhook.application(Recipe.model_validate(values), secret)
