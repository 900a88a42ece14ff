"""Uploads to the loopback hub by the hub's own client: commits, large files, pull requests, branches, model cards."""

from __future__ import annotations

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any
from urllib.request import Request, urlopen

import pytest
from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi
from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, RevisionNotFoundError

from guide_plugin.testing import LoopbackHub
from tests.hub_models import FILES, WEIGHTS, anonymous, contents, member, other, send


@pytest.fixture
def api(hub: LoopbackHub) -> HfApi:
    hub.create_repo("org/model", FILES)
    return member(hub)


def add(**files: bytes) -> list[CommitOperationAdd]:
    return [CommitOperationAdd(name.replace("_", "."), content) for name, content in files.items()]


def refused(status: int, act: Any, *arguments: Any, **options: Any) -> HfHubHTTPError:
    with pytest.raises(HfHubHTTPError) as caught:
        act(*arguments, **options)
    assert caught.value.response.status_code == status
    return caught.value


def test_a_commit_adds_changes_and_deletes(hub: LoopbackHub, api: HfApi) -> None:
    before = hub.commits("org/model")[0].oid
    changes = [*add(config_json=b"[]", new_bin=b"\0\1"), CommitOperationDelete("vae/", is_folder=True)]
    made = api.create_commit(
        "org/model", changes, commit_message="Change", commit_description="All of it", parent_commit=before
    )
    latest = hub.commits("org/model")[0]
    assert (latest.oid, latest.parents) == (made.oid, (before,))
    assert (latest.title, latest.message, latest.author) == ("Change", "All of it", "alice")
    assert contents(hub) == {"README.md": FILES["README.md"], "config.json": b"[]", "new.bin": b"\0\1"}
    assert made.commit_url == f"{hub.url}/org/model/commit/{made.oid}"
    assert set(contents(hub, before)) == set(FILES)


def test_large_and_binary_files_become_pointers(hub: LoopbackHub, api: HfApi, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    text = "é".encode() * 300
    written = {"a.safetensors": b"text", "b.dat": b"\xff\xfe", "c.txt": text, "d.txt": b"x" * (11 << 20), "e.pt": b""}
    for name, content in written.items():
        (folder / name).write_bytes(content)
    api.upload_folder(repo_id="org/model", folder_path=folder)
    files = hub.files("org/model")
    assert {name: files[name].sha256 is not None for name in written} == {
        "a.safetensors": True,
        "b.dat": True,
        "c.txt": False,
        "d.txt": True,
        "e.pt": False,
    }
    for name, content in written.items():
        assert files[name].read_bytes() == content
        assert files[name].sha256 in (None, hashlib.sha256(content).hexdigest())


def test_what_is_there_is_not_sent_again(hub: LoopbackHub, api: HfApi) -> None:
    hub.forget_requests()
    api.upload_file(path_or_fileobj=WEIGHTS, path_in_repo="copy.safetensors", repo_id="org/model")
    api.upload_file(path_or_fileobj=FILES["config.json"], path_in_repo="config.json", repo_id="org/model")
    assert not [request for request in hub.requests if request.method == "PUT"]
    assert len([request for request in hub.requests if "/commit/" in request.path]) == 1
    assert hub.files("org/model")["copy.safetensors"].read_bytes() == WEIGHTS


def test_the_repository_says_what_is_large_and_what_is_ignored(hub: LoopbackHub, api: HfApi) -> None:
    hub.commit("org/model", {".gitattributes": b"*.txt filter=lfs -text\nkept.txt -filter\n"})
    changes = add(a_txt=b"a", kept_txt=b"b", model_onnx=b"text", skip_log=b"no")
    ignore = CommitOperationAdd(".gitignore", b"*.log\n")
    api.create_commit("org/model", [*changes, ignore], commit_message="Add")
    files = hub.files("org/model")
    assert "skip.log" not in files
    large = {name for name in ("a.txt", "kept.txt", "model.onnx") if files[name].sha256}
    assert large == {"a.txt"}


def test_a_commit_upon_another_state_is_refused(hub: LoopbackHub, api: HfApi) -> None:
    seen = api.model_info("org/model").sha
    theirs = hub.commit("org/model", {"config.json": b"theirs"}, "In between")
    error = refused(
        412, api.create_commit, "org/model", add(config_json=b"mine"), commit_message="Mine", parent_commit=seen
    )
    assert "A commit has happened since" in str(error)
    assert hub.commits("org/model")[0].oid == theirs
    assert contents(hub)["config.json"] == b"theirs"


def test_of_commits_at_once_upon_one_state_one_is_taken(hub: LoopbackHub, api: HfApi) -> None:
    seen = api.model_info("org/model").sha
    gate = Barrier(6)

    def commit(number: int, parent: str | None) -> int:
        gate.wait()
        try:
            changes = [CommitOperationAdd(f"{number}.txt", b"x")]
            api.create_commit("org/model", changes, commit_message=f"Number {number}", parent_commit=parent)
        except HfHubHTTPError as error:
            return error.response.status_code
        return 200

    with ThreadPoolExecutor(6) as pool:
        assert sorted(pool.map(commit, range(6), [seen] * 6)) == [200] + [412] * 5
        assert list(pool.map(commit, range(6), [None] * 6)) == [200] * 6
    assert {f"{number}.txt" for number in range(6)} <= set(contents(hub))
    parents = [commit.parents for commit in hub.commits("org/model")]
    assert len({parent for (parent,) in parents[:-1]}) == len(parents) - 1 >= 6


def test_commits_that_cannot_be_are_refused_whole(hub: LoopbackHub, api: HfApi) -> None:
    before = hub.commits("org/model")
    change = add(a_txt=b"a")
    with pytest.raises(EntryNotFoundError):
        api.create_commit("org/model", [*change, CommitOperationDelete("no.txt")], commit_message="Delete")
    with pytest.raises(RevisionNotFoundError):
        api.create_commit("org/model", change, commit_message="Nowhere", revision="nowhere")
    clash = [*change, CommitOperationAdd("config.json/x", b"x")]
    refused(400, api.create_commit, "org/model", clash, commit_message="Clash")
    header = {"key": "header", "value": {"summary": "Raw"}}
    never = {"path": "x.bin", "algo": "sha256", "oid": "0" * 64, "size": 3}
    wrong_size = {**never, "oid": hashlib.sha256(WEIGHTS).hexdigest()}
    large = {"path": "x.txt", "content": "x" * (11 << 20), "encoding": "utf-8"}
    for lines in (
        [header, {"key": "lfsFile", "value": never}],
        [header, {"key": "lfsFile", "value": wrong_size}],
        [header, {"key": "file", "value": large}],
        [header, {"key": "file", "value": {"path": "../x", "content": "x"}}],
        [header, {"key": "file", "value": {"path": "x", "content": "?", "encoding": "base64"}}],
        [header, {"key": "unknown", "value": {"path": "x"}}],
        [{"key": "file", "value": {"path": "x", "content": "x"}}],
        [{"key": "header", "value": {"summary": "Raw", "parentCommit": "main"}}],
        [],
    ):
        body = "\n".join(map(json.dumps, lines)).encode()
        assert send(hub, api, "POST", "/api/models/org/model/commit/main", body) == 400
    assert send(hub, api, "POST", "/api/models/org/model/commit/main", b"no json") == 400
    assert hub.commits("org/model") == before


def test_a_large_file_that_is_not_what_was_promised_is_refused(hub: LoopbackHub, api: HfApi) -> None:
    promised = hashlib.sha256(b"promised").hexdigest()
    batch = {"operation": "upload", "objects": [{"oid": promised, "size": 8}]}
    request = Request(f"{hub.url}/org/model.git/info/lfs/objects/batch", json.dumps(batch).encode(), method="POST")
    request.add_header("Authorization", f"Bearer {api.token}")
    actions = json.load(urlopen(request))["objects"][0]["actions"]
    link, verify = actions["upload"]["href"], actions["verify"]["href"]
    named = json.dumps(batch["objects"][0]).encode()
    for wrong in (b"Promised", b"promise", b"promised!"):
        assert send(hub, api, "PUT", link, wrong, token=False) == 400
        assert send(hub, api, "POST", verify, named) == 404
    assert send(hub, api, "PUT", link.replace("size=8", "size=9"), b"promised!", token=False) == 403
    assert send(hub, api, "PUT", link, b"promised", token=False) == 200
    assert send(hub, api, "POST", verify, named) == 200


def test_a_pull_request_is_opened_added_to_and_merged(hub: LoopbackHub, api: HfApi) -> None:
    start = hub.commits("org/model")[0].oid
    hub.commit("org/model", {"main.txt": b"main"}, "In between")
    stranger = other(hub)
    opened = stranger.create_commit(
        "org/model", add(new_txt=b"1"), commit_message="Proposal", create_pr=True, parent_commit=start
    )
    assert (opened.pr_num, opened.pr_revision) == (1, "refs/pr/1")
    assert opened.pr_url == f"{hub.url}/org/model/discussions/1"
    assert "new.txt" not in contents(hub)
    assert set(contents(hub, "refs/pr/1")) == {*FILES, "new.txt"}
    stranger.create_commit("org/model", add(new_txt=b"2"), commit_message="Better", revision="refs/pr/1")
    refused(403, stranger.merge_pull_request, "org/model", 1)
    details = api.get_discussion_details("org/model", 1)
    assert (details.status, details.author, details.conflicting_files) == ("open", "mallory", [])
    assert [event.summary for event in details.events if event.type == "commit"] == ["Proposal", "Better"]
    api.merge_pull_request("org/model", 1, comment="Thank you")
    assert contents(hub) == {**FILES, "main.txt": b"main", "new.txt": b"2"}
    merged = api.get_discussion_details("org/model", 1)
    assert (merged.status, merged.merge_commit_oid) == ("merged", hub.commits("org/model")[0].oid)
    assert hub.commits("org/model")[0].title == "Proposal (#1)"
    assert [(one.num, one.status) for one in hub.pull_requests("org/model")] == [(1, "merged")]
    refused(400, api.merge_pull_request, "org/model", 1)


def test_a_pull_request_with_conflicts_is_not_merged(hub: LoopbackHub, api: HfApi) -> None:
    api.create_commit("org/model", add(config_json=b"theirs"), commit_message="Proposal", create_pr=True)
    main = hub.commit("org/model", {"config.json": b"ours"})
    assert api.get_discussion_details("org/model", 1).conflicting_files == ["config.json"]
    refused(409, api.merge_pull_request, "org/model", 1)
    assert hub.commits("org/model")[0].oid == main


def test_discussions_and_drafts(hub: LoopbackHub, api: HfApi) -> None:
    talk = api.create_discussion("org/model", " About it ", description="Why?")
    draft = api.create_pull_request("org/model", "A draft")
    assert (talk.num, talk.status, draft.num, draft.status) == (1, "open", 2, "draft")
    assert talk.title == "About it"
    refused(400, api.merge_pull_request, "org/model", 2)
    assert api.change_discussion_status("org/model", 2, "open").new_status == "open"
    assert api.comment_discussion("org/model", 1, "Because.").content == "Because."
    assert api.rename_discussion("org/model", 1, "About that").new_title == "About that"
    refused(403, other(hub).change_discussion_status, "org/model", 1, "closed")
    api.change_discussion_status("org/model", 1, "closed", comment="Done")
    said = [event.content for event in api.get_discussion_details("org/model", 1).events if event.type == "comment"]
    assert said == ["Why?", "Because.", "Done"]
    listed = [(one.num, one.title, one.status) for one in anonymous(hub).get_repo_discussions("org/model")]
    assert listed == [(2, "A draft", "open"), (1, "About that", "closed")]
    of_kind = api.get_repo_discussions("org/model", discussion_type="pull_request", discussion_status="open")
    assert [one.num for one in of_kind] == [2]
    assert [one.num for one in api.get_repo_discussions("org/model", author="alice")] == [2, 1]
    refused(404, api.get_discussion_details, "org/model", 3)
    refused(400, api.create_discussion, "org/model", "ab")


def test_branches_and_tags(hub: LoopbackHub, api: HfApi) -> None:
    first = hub.commits("org/model")[0].oid
    api.create_branch("org/model", branch="dev/next")
    api.create_commit("org/model", add(config_json=b"dev"), commit_message="On dev", revision="dev/next")
    api.create_tag("org/model", tag="v1", revision="dev/next", tag_message="One")
    api.create_commit("org/model", add(config_json=b"pr"), commit_message="Proposal", create_pr=True)
    refs = api.list_repo_refs("org/model", include_pull_requests=True)
    dev = hub.commits("org/model", "dev/next")[0].oid
    assert {ref.name: ref.target_commit for ref in refs.branches} == {"dev/next": dev, "main": first}
    assert [(ref.ref, ref.target_commit) for ref in refs.tags] == [("refs/tags/v1", dev)]
    assert [ref.ref for ref in refs.pull_requests] == ["refs/pr/1"]
    assert contents(hub)["config.json"] == FILES["config.json"]
    refused(409, api.create_branch, "org/model", branch="dev/next")
    refused(409, api.create_tag, "org/model", tag="v1")
    api.create_branch("org/model", branch="dev/next", exist_ok=True)
    for name in ("refs/pr/7", "a..b", "-a", "a.lock", "0" * 40, "HEAD", "a b"):
        refused(400, api.create_branch, "org/model", branch=name)
    with pytest.raises(RevisionNotFoundError):
        api.create_tag("org/model", tag="v2", revision="nowhere")
    refused(403, api.delete_branch, "org/model", branch="main")
    api.delete_branch("org/model", branch="dev/next")
    api.delete_tag("org/model", tag="v1")
    refs = api.list_repo_refs("org/model")
    assert ([ref.name for ref in refs.branches], refs.tags) == (["main"], [])
    with pytest.raises(RevisionNotFoundError):
        api.delete_tag("org/model", tag="v1")
