"""The loopback hub through the hub's own client: what is listed, what is handed out."""

from __future__ import annotations

import hashlib
from pathlib import Path
from urllib.request import urlopen

import pytest
from huggingface_hub import HfApi, get_hf_file_metadata, hf_hub_download, hf_hub_url, snapshot_download
from huggingface_hub.errors import (
    EntryNotFoundError,
    HfHubHTTPError,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from guide_plugin.testing import HubRefusal, LoopbackHub
from tests.hub_models import CARD, FILES, WEIGHTS, anonymous, member


@pytest.fixture
def api(hub: LoopbackHub) -> HfApi:
    return member(hub)


def git_id(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def test_model_info_says_what_is_in_the_repository(hub: LoopbackHub, api: HfApi) -> None:
    commit = hub.create_repo("org/model", FILES)
    info = api.model_info("org/model", files_metadata=True)
    assert (info.id, info.sha, info.private, info.gated, info.author) == ("org/model", commit, False, False, "org")
    assert (info.card_data.license, info.card_data.base_model) == ("mit", "org/base")
    assert {"license:mit", "base_model:org/base", "base_model:finetune:org/base", "guide-plugin"} <= set(info.tags)
    assert info.library_name == "guide-plugin"
    files = {file.rfilename: file for file in info.siblings}
    assert files.keys() == {".gitattributes", *FILES}
    assert (files["config.json"].blob_id, files["config.json"].size) == (git_id(FILES["config.json"]), 8)
    large = files["vae/model.safetensors"]
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize 10240\n"
    pointer %= hashlib.sha256(WEIGHTS).hexdigest().encode()
    assert (large.size, large.blob_id) == (10240, git_id(pointer))
    assert large.lfs == {"size": 10240, "sha256": hashlib.sha256(WEIGHTS).hexdigest(), "pointer_size": len(pointer)}
    assert all(file.size is None for file in api.model_info("org/model").siblings)


@pytest.mark.parametrize("page_size", [1, 2, 1000])
def test_the_tree_is_whole_however_many_pages(page_size: int, tmp_path: Path) -> None:
    with LoopbackHub(tmp_path / "hub", page_size=page_size) as hub:
        hub.create_repo("org/model", FILES)
        api = anonymous(hub)
        everything = {".gitattributes", "vae", *FILES}
        assert [entry.path for entry in api.list_repo_tree("org/model", recursive=True)] == sorted(everything)
        assert len(hub.requests) == -(-len(everything) // page_size)
        top = {entry.path for entry in api.list_repo_tree("org/model")}
        assert top == {".gitattributes", "README.md", "config.json", "vae"}
        below = {entry.path for entry in api.list_repo_tree("org/model", "vae")}
        assert below == {"vae/model.safetensors", "vae/config.json"}
        with pytest.raises(EntryNotFoundError):
            list(api.list_repo_tree("org/model", "va"))


def test_paths_info_leaves_out_what_is_not_there(hub: LoopbackHub) -> None:
    hub.create_repo("org/model", FILES)
    found = anonymous(hub).get_paths_info("org/model", ["config.json", "vae", "no", "vae/model.safetensors"])
    assert [entry.path for entry in found] == ["config.json", "vae", "vae/model.safetensors"]
    assert found[2].lfs.sha256 == hashlib.sha256(WEIGHTS).hexdigest()
    assert anonymous(hub).get_paths_info("org/model", "README.md")[0].size == len(CARD)


def test_a_snapshot_is_what_was_stored(hub: LoopbackHub, tmp_path: Path) -> None:
    commit = hub.create_repo("org/model", FILES)
    folder = Path(snapshot_download("org/model", endpoint=hub.url, cache_dir=tmp_path / "cache", token=False))
    assert folder.name == commit
    found = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert {name: content for name, content in found.items() if name != ".gitattributes"} == FILES


def test_downloads_carry_commit_and_hash(hub: LoopbackHub) -> None:
    commit = hub.create_repo("org/model", FILES)
    small = get_hf_file_metadata(hf_hub_url("org/model", "config.json", endpoint=hub.url), token=False)
    assert (small.commit_hash, small.etag, small.size) == (commit, git_id(FILES["config.json"]), 8)
    large = get_hf_file_metadata(hf_hub_url("org/model", "vae/model.safetensors", endpoint=hub.url), token=False)
    assert (large.commit_hash, large.etag) == (commit, hashlib.sha256(WEIGHTS).hexdigest())
    assert large.size == len(WEIGHTS)
    assert not large.location.startswith(hub.url)
    assert not any(name.lower().startswith("x-xet") for name in urlopen(large.location).headers)


def test_revisions_are_branches_tags_commits_and_pull_requests(hub: LoopbackHub, api: HfApi, tmp_path: Path) -> None:
    first = hub.create_repo("org/model", {"v": b"1"})
    api.create_tag("org/model", tag="v1.0")
    api.create_branch("org/model", branch="next/one", revision=first)
    hub.commit("org/model", {"v": b"2"}, "Two")
    hub.commit("org/model", {"v": b"3"}, revision="next/one")
    api.create_pull_request("org/model", "A proposal")
    cases = {"main": b"2", "v1.0": b"1", first: b"1", "next/one": b"3", "refs/pr/1": b"2", "refs/heads/main": b"2"}
    for revision, content in cases.items():
        path = hf_hub_download("org/model", "v", revision=revision, endpoint=hub.url, cache_dir=tmp_path, token=False)
        assert Path(path).read_bytes() == content
        assert hub.files("org/model", revision)["v"].read_bytes() == content
    with urlopen(f"{hub.url}/org/model/resolve/refs/pr/1/v") as unquoted:
        assert unquoted.read() == b"2"
    assert api.model_info("org/model", revision="v1.0").sha == first
    for missing in ("nowhere", first[:7], "0" * 40, "refs/pr/9", hub.files("org/model")["v"].blob_id):
        with pytest.raises(RevisionNotFoundError):
            api.model_info("org/model", revision=missing)


def test_commits_are_listed_from_the_newest(tmp_path: Path) -> None:
    with LoopbackHub(tmp_path / "hub", page_size=2) as hub:
        hub.create_repo("org/model")
        for number in range(4):
            hub.commit("org/model", {"n": b"%d" % number}, f"Number {number}\n\nAt length.", author="bob")
        commits = anonymous(hub).list_repo_commits("org/model")
        assert [commit.title for commit in commits] == [f"Number {n}" for n in (3, 2, 1, 0)] + ["initial commit"]
        assert (commits[0].message, commits[0].authors) == ("At length.", ["bob"])
        assert [commit.commit_id for commit in commits] == [commit.oid for commit in hub.commits("org/model")]
        assert [request.path.partition("?")[0] for request in hub.requests] == [
            "/api/models/org/model/commits/main"
        ] * 3


def test_missing_things_have_errors_of_their_own(hub: LoopbackHub, api: HfApi, tmp_path: Path) -> None:
    hub.create_repo("org/model", FILES)
    for asker, status in ((api, 404), (anonymous(hub), 401)):
        with pytest.raises(RepositoryNotFoundError) as caught:
            asker.model_info("org/nothing")
        assert caught.value.response.status_code == status
        with pytest.raises(RepositoryNotFoundError):
            asker.model_info("single-name")
    with pytest.raises(RemoteEntryNotFoundError) as caught:
        api.hf_hub_download("org/model", "no.txt", cache_dir=tmp_path)
    assert caught.value.response.headers["X-Repo-Commit"] == hub.commits("org/model")[0].oid
    with pytest.raises(RevisionNotFoundError):
        api.hf_hub_download("org/model", "config.json", revision="nowhere", cache_dir=tmp_path)
    with pytest.raises(HubRefusal, match="Repository not found"):
        hub.files("org/nothing")


def test_repositories_are_made_set_up_and_deleted(hub: LoopbackHub, api: HfApi) -> None:
    assert api.create_repo("org/new", private=True).repo_id == "org/new"
    assert api.create_repo("mine") == f"{hub.url}/alice/mine"
    assert hub.repositories == ("alice/mine", "org/new")
    assert api.create_repo("org/new", exist_ok=True).repo_id == "org/new"
    with pytest.raises(HfHubHTTPError, match="409"):
        api.create_repo("org/new")
    assert set(hub.files("org/new")) == {".gitattributes"}
    api.update_repo_settings("org/new", private=False, gated="auto")
    info = anonymous(hub).model_info("org/new")
    assert (info.private, info.gated) == (False, "auto")
    api.delete_repo("org/new")
    with pytest.raises(RepositoryNotFoundError):
        api.model_info("org/new")
    api.delete_repo("org/new", missing_ok=True)


def test_repositories_survive_and_tokens_do_not(tmp_path: Path) -> None:
    with LoopbackHub(tmp_path / "hub") as hub:
        commit = hub.create_repo("org/model", FILES, private=True, gated="auto")
        token = hub.token("alice", organisations=("org",))
        pull = HfApi(endpoint=hub.url, token=token).create_pull_request("org/model", "A proposal")
    assert not any(token.encode() in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    with LoopbackHub(tmp_path / "hub") as hub:
        assert hub.commits("org/model")[0].oid == commit
        assert hub.files("org/model")["vae/model.safetensors"].read_bytes() == WEIGHTS
        assert [one.num for one in hub.pull_requests("org/model")] == [pull.num]
        with pytest.raises(HfHubHTTPError, match="Invalid user token"):
            HfApi(endpoint=hub.url, token=token).whoami()
        api = HfApi(endpoint=hub.url, token=hub.token("alice", organisations=("org",)))
        assert (api.model_info("org/model").private, api.model_info("org/model").gated) == (True, "auto")
