"""Who may do what on the loopback hub: tokens, private and gated repositories, names that lead elsewhere."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.request import urlopen

import huggingface_hub
import pytest
from huggingface_hub import HfApi, get_hf_file_metadata, hf_hub_url
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    RepositoryNotFoundError,
)

from guide_plugin.testing import HubRefusal, LoopbackHub
from tests.hub_models import FILES, WEIGHTS, anonymous, member, other


@pytest.fixture
def api(hub: LoopbackHub) -> HfApi:
    return member(hub)


def test_who_am_i(hub: LoopbackHub, api: HfApi) -> None:
    me = api.whoami()
    assert (me["name"], me["type"], [org["name"] for org in me["orgs"]]) == ("alice", "user", ["org"])
    assert me["auth"]["accessToken"]["role"] == "write"
    with pytest.raises(HfHubHTTPError, match="Invalid user token"):
        HfApi(endpoint=hub.url, token="hf_wrong").whoami()


def test_a_wrong_token_breaks_even_what_is_public(hub: LoopbackHub) -> None:
    hub.create_repo("org/model", FILES)
    with pytest.raises(HfHubHTTPError) as caught:
        HfApi(endpoint=hub.url, token="hf_wrong").model_info("org/model")
    assert caught.value.response.status_code == 401
    assert not isinstance(caught.value, RepositoryNotFoundError)


@pytest.mark.skipif(huggingface_hub.__version__ < "2", reason="earlier clients overlook that the port is another")
def test_the_store_of_large_files_gets_no_token(hub: LoopbackHub, api: HfApi, tmp_path: Path) -> None:
    hub.create_repo("org/model", FILES)
    api.hf_hub_download("org/model", "vae/model.safetensors", cache_dir=tmp_path / "cache")
    head, get = hub.requests
    assert (head.method, head.status, head.authorized, head.sent) == ("HEAD", 302, True, 0)
    assert (get.method, get.status, get.authorized, get.sent) == ("GET", 200, False, len(WEIGHTS))
    assert get.path.startswith("/storage/org/model/")
    assert api.token not in repr(hub.requests)


def test_a_link_to_a_large_file_opens_nothing_else(hub: LoopbackHub) -> None:
    hub.create_repo("org/model", {"a.bin": b"\0a", "b.bin": b"\0b"})
    link = get_hf_file_metadata(hf_hub_url("org/model", "a.bin", endpoint=hub.url), token=False).location
    sha_a, sha_b = (hub.files("org/model")[name].sha256 for name in ("a.bin", "b.bin"))
    assert urlopen(link).read() == b"\0a"
    for changed in (link.replace(sha_a, sha_b), link.replace("size=2", "size=1"), re.sub("signature=.*", "", link)):
        with pytest.raises(OSError, match="403"):
            urlopen(changed)


def test_a_private_repository_is_not_there_for_strangers(hub: LoopbackHub, api: HfApi, tmp_path: Path) -> None:
    hub.create_repo("org/secret", FILES, private=True)
    assert api.model_info("org/secret").private
    assert Path(api.hf_hub_download("org/secret", "config.json", cache_dir=tmp_path)).read_bytes() == b'{"a": 1}'
    for stranger in (anonymous(hub), other(hub)):
        for act in (
            lambda who: who.model_info("org/secret"),
            lambda who: who.list_repo_files("org/secret"),
            lambda who: who.list_repo_refs("org/secret"),
            lambda who: who.hf_hub_download("org/secret", "config.json", cache_dir=tmp_path / "other"),
            lambda who: who.delete_repo("org/secret"),
            lambda who: who.create_discussion("org/secret", "Hello there"),
        ):
            with pytest.raises(RepositoryNotFoundError) as secret:
                act(stranger)
            with pytest.raises(RepositoryNotFoundError) as missing:
                stranger.model_info("org/nothing")
            told, to_expect = (dict(caught.value.response.headers) for caught in (secret, missing))
            for name in ("x-error-code", "x-error-message", "content-length"):
                assert told[name] == to_expect[name]


def test_a_gate_lets_in_who_was_let_in(hub: LoopbackHub, api: HfApi, tmp_path: Path) -> None:
    hub.create_repo("org/gated", FILES, gated="manual")
    bob = other(hub, "bob", "read")
    for stranger, status in ((anonymous(hub), 401), (bob, 403)):
        assert stranger.model_info("org/gated").gated == "manual"
        for file in ("config.json", "vae/model.safetensors"):
            with pytest.raises(GatedRepoError) as caught:
                stranger.hf_hub_download("org/gated", file, cache_dir=tmp_path)
            assert caught.value.response.status_code == status
    with pytest.raises(GatedRepoError):
        bob.auth_check("org/gated")
    hub.grant("org/gated", "bob")
    bob.auth_check("org/gated")
    for asker in (bob, api):
        assert Path(asker.hf_hub_download("org/gated", "config.json", cache_dir=tmp_path)).exists()


def test_only_members_write(hub: LoopbackHub, tmp_path: Path) -> None:
    hub.create_repo("org/model", FILES)
    reader = HfApi(endpoint=hub.url, token=hub.token("alice", "read", ("org",)))
    for api in (reader, other(hub)):
        for act in (
            lambda who: who.create_repo("org/new"),
            lambda who: who.delete_repo("org/model"),
            lambda who: who.update_repo_settings("org/model", private=True),
            lambda who: who.create_tag("org/model", tag="v1"),
            lambda who: who.create_branch("org/model", branch="b"),
            lambda who: who.auth_check("org/model", write=True),
            lambda who: who.upload_file(path_or_fileobj=b"x", path_in_repo="x", repo_id="org/model"),
        ):
            with pytest.raises(HfHubHTTPError) as caught:
                act(api)
            assert caught.value.response.status_code == 403
    with pytest.raises(HfHubHTTPError) as caught:
        anonymous(hub).upload_file(path_or_fileobj=b"x", path_in_repo="x", repo_id="org/model")
    assert caught.value.response.status_code == 401
    assert len(hub.commits("org/model")) == 1


def test_strange_names_stay_in_the_folder(hub: LoopbackHub, tmp_path: Path) -> None:
    strange = [
        "../x",
        "org/..",
        "org/.git",
        "org/a..b",
        "org/x.git",
        "/x",
        "org/",
        "x",
        "org/a/b",
        "-/x",
        "org/a--b",
        "org/a%2fb",
        "org/~",
    ]
    for repo_id in [*strange, "org/a\nb", "org/a\n", "org/" + "a" * 97, ""]:
        with pytest.raises(HubRefusal, match="Invalid repository name"):
            hub.create_repo(repo_id, {"a": b"a"})
        with pytest.raises(HubRefusal, match="Repository not found"):
            hub.files(repo_id)
    assert [path.name for path in tmp_path.iterdir()] == ["hub"]
    assert list((tmp_path / "hub" / "models").iterdir()) == []


def test_strange_paths_find_nothing(hub: LoopbackHub) -> None:
    hub.create_repo("org/model")
    for path in (
        "/api/models/..%2F..%2Fhub/models",
        "/..%2F..%2Fetc/x/resolve/main/passwd",
        "/org/model/resolve/main/..%2F..%2Fsettings.json",
        "/org/model/resolve/refs%2F..%2F..%2Fconfig/x",
        "/org/model/resolve/..%2Fconfig/x",
        "/org/model/resolve/%FF/x",
    ):
        with pytest.raises(OSError, match=r"40[14]"):
            urlopen(hub.url + path)


def test_strange_files_are_refused(hub: LoopbackHub) -> None:
    hub.create_repo("org/model")
    for path in ("../x", "/x", "a//b", "a/./b", ".git/config", "a/.GIT/x", "a\\b", "a\0b", "", "x/"):
        with pytest.raises(HubRefusal, match="Invalid path"):
            hub.commit("org/model", {path: b"x"})
    assert len(hub.commits("org/model")) == 1
