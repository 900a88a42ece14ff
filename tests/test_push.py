"""A staged release onto the Hub, with the real client over HTTP: whole or not at all, and once."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from guide_plugin import HubError, UsageError
from guide_plugin.hub.client import Address, RemoteModel, resolve
from guide_plugin.hub.provenance_record import Provenance
from guide_plugin.hub.push import Published, check_target, push
from guide_plugin.recipe import Release
from guide_plugin.testing import Fault, LoopbackHub
from guide_plugin.whole_files import json_bytes
from tests.conftest import Account
from tests.releases import release

SOURCE, TARGET = "org/faces", "org/faces-redacted"
CARD = b"---\nlicense: mit\n---\n# Faces\n"
WEIGHTS = {"model.safetensors": os.urandom(40_000), "ffhq.pkl": os.urandom(60_000)}


def written(provenance: Provenance) -> bytes:
    return json_bytes(provenance.model_dump(mode="json"))


@pytest.fixture
def staged(tmp_path: Path) -> Path:
    folder = tmp_path / "release"
    (folder / "samples").mkdir(parents=True)
    texts = {
        "README.md": CARD,
        "provenance.json": written(release()),
        "config.json": b"{}",
        "samples/one.txt": b"hello",
    }
    for name, content in {**WEIGHTS, **texts}.items():
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture
def source(hub: LoopbackHub, account: Account) -> RemoteModel:
    old = {"ffhq.pkl": os.urandom(60_000), "D.pkl": os.urandom(50_000), "README.md": CARD, "notes.txt": b"notes"}
    hub.create_repo(SOURCE, old)
    account.log_in()
    return resolve(Address(SOURCE))


def send(folder: Path, source: RemoteModel | None = None, **asked: object) -> Published:
    return push(folder, Release(**{"push": TARGET, **asked}), source, "what was done")


def contents(hub: LoopbackHub, repo: str, revision: str = "main") -> dict[str, str]:
    found = {}
    for name, stored in hub.files(repo, revision).items():
        with stored.open() as file:
            found[name] = hashlib.sha256(file.read()).hexdigest()
    return {name: digest for name, digest in found.items() if name != ".gitattributes"}


def whole(folder: Path) -> dict[str, str]:
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def exists(hub: LoopbackHub, repo: str) -> bool:
    try:
        hub.files(repo)
    except Exception:
        return False
    return True


def test_a_new_repository_is_private_and_holds_the_release_in_one_commit(
    hub: LoopbackHub, source: RemoteModel, staged: Path
) -> None:
    published = send(staged, source)
    assert contents(hub, TARGET) == whole(staged)
    newest = hub.commits(TARGET)[0]
    assert (published.revision, published.found) == (newest.oid, False)
    assert len(hub.commits(TARGET)) == 2  # its first, empty one, and the release
    assert resolve(Address(TARGET)).private is True
    assert "what was done" in newest.message


def test_public_only_where_it_is_said(hub: LoopbackHub, source: RemoteModel, staged: Path) -> None:
    send(staged, source, public=True)
    assert resolve(Address(TARGET)).private is False


def test_the_same_push_again_finds_itself(hub: LoopbackHub, source: RemoteModel, staged: Path) -> None:
    first, second = send(staged, source), send(staged, source)
    assert (second.revision, second.found) == (first.revision, True)
    assert len(hub.commits(TARGET)) == 2


def test_a_later_redaction_replaces_weights_and_leaves_other_files(
    hub: LoopbackHub, source: RemoteModel, staged: Path
) -> None:
    send(staged, source)
    hub.commit(TARGET, {"FAQ.md": b"asked often", "stale.safetensors": os.urandom(9_000)})
    (staged / "model.safetensors").write_bytes(os.urandom(40_000))
    (staged / "provenance.json").write_bytes(written(release(earlier=release(), later="0" * 64)))
    send(staged, source)
    found = contents(hub, TARGET)
    assert found.pop("FAQ.md")
    assert found == whole(staged)  # and the stale weights are gone


def test_a_redaction_that_would_bring_an_earlier_person_back_is_refused(
    hub: LoopbackHub, source: RemoteModel, staged: Path
) -> None:
    """Two people are taken out of the same original, one after the other, and sent to the same place."""
    send(staged, source)
    before = contents(hub, TARGET)
    (staged / "model.safetensors").write_bytes(os.urandom(40_000))
    (staged / "provenance.json").write_bytes(written(release(later="0" * 64)))
    for attempt in (lambda: send(staged, source), lambda: check_target(Release(push=TARGET), source, [])):
        with pytest.raises(HubError, match=r"somebody whom this one would bring back.*--hub org/faces-redacted"):
            attempt()
    assert contents(hub, TARGET) == before


def test_a_model_of_somebody_else_is_not_overwritten(hub: LoopbackHub, source: RemoteModel, staged: Path) -> None:
    hub.create_repo(TARGET, {"model.safetensors": os.urandom(9_000)})
    before = contents(hub, TARGET)
    for attempt in (lambda: send(staged, source), lambda: check_target(Release(push=TARGET), source, [])):
        with pytest.raises(HubError, match=r"holds a model that this tool did not make.*--create-pr"):
            attempt()
    assert contents(hub, TARGET) == before
    published = send(staged, source, create_pr=True)
    assert contents(hub, TARGET) == before
    assert contents(hub, TARGET, published.revision) == whole(staged)


def test_the_source_itself_only_ever_gets_a_pull_request(hub: LoopbackHub, source: RemoteModel, staged: Path) -> None:
    with pytest.raises(UsageError, match="--in-place"):
        check_target(Release(push=SOURCE), source, [])
    with pytest.raises(UsageError, match="own repository"):
        check_target(Release(push=TARGET, in_place=True), source, [])
    before = contents(hub, SOURCE)
    published = push(staged, Release(push=SOURCE, in_place=True), source, "text")
    assert contents(hub, SOURCE) == before
    proposed = contents(hub, SOURCE, published.revision)
    assert proposed.pop("notes.txt")
    assert proposed == whole(staged)  # D.pkl, which may hold the person, goes with the merge
    assert published.url.endswith("/org/faces/discussions/1")
    again = push(staged, Release(push=SOURCE, in_place=True), source, "text")
    assert (again.found, again.url) == (True, published.url)
    assert len(hub.pull_requests(SOURCE)) == 1


def test_a_commit_in_between_is_noticed(hub: LoopbackHub, source: RemoteModel, staged: Path) -> None:
    send(staged, source)
    (staged / "model.safetensors").write_bytes(os.urandom(40_000))
    hub.faults.add(
        Fault(match=f"POST /api/models/{TARGET}/commit", before=lambda: hub.commit(TARGET, {"other.txt": b"mine"}))
    )
    with pytest.raises(HubError, match=r"committed to org/faces-redacted in between.*same command again"):
        send(staged, source)
    assert "other.txt" in contents(hub, TARGET)
    assert contents(hub, TARGET)["model.safetensors"] != whole(staged)["model.safetensors"]
    assert not send(staged, source).found
    assert {"other.txt": b"mine"}.keys() | whole(staged).keys() == contents(hub, TARGET).keys()


def test_a_source_that_moved_gets_no_pull_request(hub: LoopbackHub, source: RemoteModel, staged: Path) -> None:
    hub.commit(SOURCE, {"ffhq.pkl": b"a newer model"})
    with pytest.raises(HubError, match=r"moved on since it was pulled.*same command again"):
        push(staged, Release(push=SOURCE, in_place=True), source, "text")
    assert not hub.pull_requests(SOURCE)


@pytest.mark.parametrize("by_request", [False, True])
@pytest.mark.parametrize("drop", ["request", "reply"])
def test_killed_at_each_request_and_repeated_it_is_there_once(
    hub: LoopbackHub,
    source: RemoteModel,
    staged: Path,
    drop: str,
    by_request: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whichever request fails, the release is there wholly or not at all, and the next try publishes it once."""
    unhurried = SimpleNamespace(sleep=lambda seconds: None)
    monkeypatch.setattr("huggingface_hub.utils._http.time", unhurried)
    first = f"{TARGET}-0"
    hub.forget_requests()
    send(staged, source, push=first, create_pr=by_request)
    requests = len(hub.requests)
    assert requests > 8
    failed = 0
    for k in range(requests):
        target = f"{TARGET}-{k + 1}"
        hub.faults.clear()
        hub.faults.add(Fault(match=".", skip=k, drop=drop))
        try:
            send(staged, source, push=target, create_pr=by_request)
        except HubError:
            failed += 1
        hub.faults.clear()
        if exists(hub, target):
            assert contents(hub, target) in ({}, whole(staged))
            for request in hub.pull_requests(target):
                assert contents(hub, target, f"refs/pr/{request.num}") == whole(staged)
        send(staged, source, push=target, create_pr=by_request)
        if by_request:
            assert len(hub.pull_requests(target)) == 1
            assert contents(hub, target, "refs/pr/1") == whole(staged)
        else:
            assert contents(hub, target) == whole(staged)
            assert len(hub.commits(target)) == 2
    assert failed >= requests // 2


@pytest.mark.parametrize(
    ("status", "says"), [(503, r"The Hub failed \(503\)"), (429, "fewer requests"), (413, "too large")]
)
def test_what_the_hub_answers_is_said_in_one_sentence(
    hub: LoopbackHub, source: RemoteModel, staged: Path, status: int, says: str
) -> None:
    hub.faults.add(Fault(match="POST /api/models/.*/commit", times=None, status=status))
    with pytest.raises(HubError, match=says):
        send(staged, source)
    assert contents(hub, TARGET) == {}


def test_a_large_file_that_does_not_get_through_is_said_in_one_sentence(
    hub: LoopbackHub, source: RemoteModel, staged: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.utils._http.time", SimpleNamespace(sleep=lambda seconds: None))
    hub.faults.add(Fault(match="PUT /storage", times=None, status=500))
    with pytest.raises(HubError, match=r"Sending to org/faces-redacted failed.*same command again"):
        send(staged, source)
    assert contents(hub, TARGET) == {}


def test_who_may_not_write_is_told_before_anything_is_computed(
    hub: LoopbackHub, account: Account, source: RemoteModel, staged: Path
) -> None:
    account.log_in(role="read")
    with pytest.raises(HubError, match=r"token can only read.*may write"):
        check_target(Release(push=TARGET), source, [])
    account.monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(HubError, match=r"not logged in|not accept your token"):
        check_target(Release(push=TARGET), source, [])
    account.monkeypatch.setenv("HF_TOKEN", hub.token("stranger"))
    for attempt in (lambda: send(staged, source), lambda: check_target(Release(push=TARGET), source, [])):
        with pytest.raises(HubError, match=r"may not write to org/faces-redacted"):
            attempt()
    account.go_offline()
    with pytest.raises(HubError, match="offline and cannot publish"):
        check_target(Release(push=TARGET), source, [])


def test_a_card_that_the_hub_does_not_accept_publishes_nothing(
    hub: LoopbackHub, source: RemoteModel, staged: Path
) -> None:
    (staged / "README.md").write_bytes(b"---\nlicense: my-own\n---\n")
    with pytest.raises(HubError, match=r"does not accept the model card.*licence ids"):
        send(staged, source)
    assert contents(hub, TARGET) == {}


PUSH_AND_MEASURE = """
import resource, sys
from pathlib import Path
from guide_plugin.hub.provenance_record import Provenance
from guide_plugin.hub.push import push
from guide_plugin.recipe import Release

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

folder, small = map(Path, sys.argv[1:])
push(small, Release(push="org/small"), None, "text")
before = peak()
push(folder, Release(push="org/large"), None, "text")
print((peak() - before) // 1024)
"""


def test_200_mb_are_pushed_with_flat_memory(hub: LoopbackHub, staged: Path, tmp_path: Path) -> None:
    large = tmp_path / "large"
    shutil.copytree(staged, large)
    with (large / "model.safetensors").open("wb") as file:
        for _ in range(200):
            file.write(os.urandom(1 << 20))
    environment = {**os.environ, "HF_ENDPOINT": hub.url, "HF_TOKEN": hub.token("alice", "write", ("org",))}
    command = [sys.executable, "-c", PUSH_AND_MEASURE, str(large), str(staged)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert contents(hub, "org/large") == whole(large)
    assert int(done.stdout) < 60  # MB
