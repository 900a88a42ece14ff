"""Models from the Hub, with the real client over HTTP against the loopback Hub."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path

import pytest
from huggingface_hub import HfApi

from guide_plugin import HubError, PluginHost, Recipe, UsageError
from guide_plugin.adapter import LocalCheckpoint
from guide_plugin.dry_run import dry_run
from guide_plugin.hub.client import Address, resolve
from guide_plugin.hub.download import fetch
from guide_plugin.hub.source import find
from guide_plugin.plan import Silent
from guide_plugin.report.text import plan_lines
from guide_plugin.testing import Fault, LoopbackHub
from hub_adapters.stylegan2.network import Generator
from tests import checkpoint_files as files
from tests.conftest import TINY, Account, write_companions

ADAPTERS = PluginHost().adapters
REPO = "org/tiny"
STORED = "GET /storage/"
"""Where the content of a large file is fetched from."""


def with_pickle(folder: Path, *names: str) -> Path:
    """Make a model that comes in network pickles, with companions."""
    folder.mkdir(exist_ok=True)
    for seed, name in enumerate(names):
        files.write_nvidia(folder / name, files.random_generator(Generator, TINY, seed), TINY)
    return write_companions(folder)


def downloads(hub: LoopbackHub) -> set[str]:
    return {
        served.path.rpartition("/")[2]
        for served in hub.requests
        if served.method == "GET" and "/resolve/" in served.path
    }


@pytest.mark.parametrize("revision", ["", "@main", "@v1", "@side", "@COMMIT", "@refs/pr/1"])
def test_a_revision_is_pinned_to_its_commit(
    hub: LoopbackHub, account: Account, tiny_model: Path, revision: str
) -> None:
    commit = hub.create_repo(REPO, tiny_model)
    account.log_in()
    HfApi().create_tag(REPO, tag="v1")
    HfApi().create_branch(REPO, branch="side")
    HfApi().create_pull_request(REPO, title="a question")
    source, adapter, claim = find(REPO + revision.replace("COMMIT", commit), None, ADAPTERS)
    assert source.remote is not None
    pinned = source.remote.commit
    assert pinned == (commit if revision != "@refs/pr/1" else pinned)
    assert source.hub == f"{REPO}@{pinned}"
    adapter.load(LocalCheckpoint(source.folder, claim.files), __import__("torch").device("cpu"))
    hub.commit(REPO, {"model.safetensors": b"another model"})
    again, _, _ = find(source.hub, None, ADAPTERS)
    assert again.folder == source.folder


def test_only_what_is_asked_for_is_fetched(hub: LoopbackHub, account: Account, tiny_model: Path) -> None:
    also = {"samples/everybody.png": os.urandom(50_000), "older.pkl": os.urandom(90_000), "notes.txt": b"x"}
    everything = {path.name: path for path in tiny_model.iterdir()}
    hub.create_repo(REPO, {**everything, **also})
    find(REPO, None, ADAPTERS)
    assert downloads(hub) == set(everything)


def test_a_pickle_says_itself_what_it_is(hub: LoopbackHub, account: Account, tmp_path: Path) -> None:
    hub.create_repo(REPO, with_pickle(tmp_path / "model", "ffhq.pkl"))
    source, adapter, claim = find(REPO, None, ADAPTERS)
    assert (adapter.name, claim.files) == ("stylegan2", ("ffhq.pkl",))
    assert (source.folder / "judge.safetensors").is_file()


def test_several_pickles_are_a_question_before_either_is_fetched(
    hub: LoopbackHub, account: Account, tmp_path: Path
) -> None:
    hub.create_repo(REPO, with_pickle(tmp_path / "model", "ffhq.pkl", "afhq.pkl"))
    with pytest.raises(UsageError, match=r"several weight files: afhq\.pkl \(0\.\d MB\), ffhq\.pkl.*--file"):
        find(REPO, None, ADAPTERS)
    assert not {"ffhq.pkl", "afhq.pkl"} & downloads(hub)
    assert find(REPO, "afhq.pkl", ADAPTERS)[2].files == ("afhq.pkl",)
    assert "ffhq.pkl" not in downloads(hub)


def large(hub: LoopbackHub, size: int = 24 << 20) -> bytes:
    content = os.urandom(size)
    hub.create_repo(REPO, {"model.bin": content})
    return content


def test_a_download_that_is_cut_ten_times_arrives_whole(hub: LoopbackHub, account: Account) -> None:
    content = large(hub)
    for cut in range(10):
        hub.faults.add(Fault(match=STORED, skip=cut, cut_after=2 << 20))
    folder = fetch(resolve(Address(REPO)), ["model.bin"])
    assert (folder / "model.bin").read_bytes() == content
    sent = sum(served.sent for served in hub.requests if "/storage/" in served.path)
    assert sent < 1.2 * len(content)


def test_a_later_call_goes_on_where_an_earlier_one_was_stopped(
    hub: LoopbackHub, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = large(hub)
    hub.faults.add(Fault(match=STORED, cut_after=15 << 20))
    hub.faults.add(Fault(match=STORED, skip=1, times=None, drop="request"))
    with pytest.raises(HubError, match=r"connection to the Hub broke.*same command again"):
        fetch(resolve(Address(REPO)), ["model.bin"])
    hub.faults.clear()
    hub.forget_requests()
    folder = fetch(resolve(Address(REPO)), ["model.bin"])
    assert (folder / "model.bin").read_bytes() == content
    assert sum(served.sent for served in hub.requests if "/storage/" in served.path) < 0.7 * len(content)


@pytest.mark.parametrize("times", [1, 2])
def test_a_corrupted_file_is_never_given_out(hub: LoopbackHub, account: Account, times: int) -> None:
    content = large(hub, 1 << 20)
    hub.faults.add(Fault(match=STORED, times=times, flip_byte=1000))
    if times == 1:
        folder = fetch(resolve(Address(REPO)), ["model.bin"])
        assert (folder / "model.bin").read_bytes() == content
    else:
        with pytest.raises(HubError, match="arrived twice with another content"):
            fetch(resolve(Address(REPO)), ["model.bin"])
        assert not [path for path in account.cache.rglob("*") if path.is_file() and path.stat().st_size == len(content)]


def test_a_corrupted_small_file_is_noticed_too(hub: LoopbackHub, account: Account) -> None:
    hub.create_repo(REPO, {"config.json": b'{"a": 1}'})
    hub.faults.add(Fault(match=r"GET .*config\.json", times=2, flip_byte=3))
    with pytest.raises(HubError, match="arrived twice"):
        fetch(resolve(Address(REPO)), ["config.json"])


def test_what_was_damaged_in_the_cache_is_fetched_again(hub: LoopbackHub, account: Account) -> None:
    content = large(hub, 1 << 20)
    path = fetch(resolve(Address(REPO)), ["model.bin"]) / "model.bin"
    damaged = bytearray(content)
    damaged[77] ^= 1
    path.write_bytes(damaged)
    assert (fetch(resolve(Address(REPO)), ["model.bin"]) / "model.bin").read_bytes() == content
    path.write_bytes(damaged)
    account.go_offline()
    with pytest.raises(HubError, match="damaged in the cache"):
        fetch(resolve(Address(REPO, path.parent.name)), ["model.bin"])


def test_offline_with_a_cache_it_works_and_without_one_it_says_so(
    hub: LoopbackHub, account: Account, tiny_model: Path
) -> None:
    commit = hub.create_repo(REPO, tiny_model)
    online, _, _ = find(REPO, None, ADAPTERS)
    account.go_offline()
    time.sleep(0.3)  # the last request is logged when its connection is done
    hub.forget_requests()
    for name in (REPO, f"{REPO}@{commit}"):
        source, _, claim = find(name, None, ADAPTERS)
        assert (source.folder, source.hub) == (online.folder, f"{REPO}@{commit}")
    assert hub.requests == ()
    for file in claim.files:
        (source.folder / file).unlink()
    with pytest.raises((HubError, UsageError), match=r"No adapter knows|not in the cache"):
        find(REPO, None, ADAPTERS)
    with pytest.raises(HubError, match=r"offline, and org/other is not in its cache.*HF_HUB_OFFLINE"):
        find("org/other", None, ADAPTERS)


def test_a_server_that_fails_is_no_reason_to_take_a_stale_model(
    hub: LoopbackHub, account: Account, tiny_model: Path
) -> None:
    hub.create_repo(REPO, tiny_model)
    find(REPO, None, ADAPTERS)
    hub.faults.add(Fault(match="GET /api/models", times=None, status=503))
    with pytest.raises(HubError, match=r"The Hub failed \(503\)"):
        find(REPO, None, ADAPTERS)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("org/missing", r"no model org/missing on the Hub, or it is private.*log in"),
        (f"{REPO}@nowhere", r"no revision org/tiny@nowhere.*branch, a tag"),
        (f"{REPO}@", "not the name of a model"),
        ("org/secret", "or it is private"),
        ("org/gated", r"gated.*Accept"),
    ],
)
def test_what_cannot_be_had_is_said_in_one_sentence(
    hub: LoopbackHub, account: Account, tiny_model: Path, name: str, says: str
) -> None:
    hub.create_repo(REPO, tiny_model)
    hub.create_repo("org/secret", tiny_model, private=True)
    hub.create_repo("org/gated", tiny_model, gated="manual")
    account.monkeypatch.setenv("HF_TOKEN", hub.token("stranger"))
    with pytest.raises((HubError, UsageError), match=says) as caught:
        find(name, None, ADAPTERS)
    assert str(caught.value).count("\n") == 0


def test_members_get_private_and_gated_models(hub: LoopbackHub, account: Account, tiny_model: Path) -> None:
    hub.create_repo("org/secret", tiny_model, private=True)
    account.log_in()
    assert find("org/secret", None, ADAPTERS)[0].remote.private is True


def test_a_wrong_token_and_a_throttled_client_are_told_apart(
    hub: LoopbackHub, account: Account, tiny_model: Path
) -> None:
    hub.create_repo(REPO, tiny_model)
    account.monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    with pytest.raises(HubError, match="does not accept your token") as caught:
        find(REPO, None, ADAPTERS)
    assert "hf_wrong" not in str(caught.value)
    account.log_in()
    hub.faults.add(Fault(match="GET /api/models", status=429, retry_after=7))
    with pytest.raises(HubError, match="Wait 7 seconds"):
        find(REPO, None, ADAPTERS)


def test_every_file_is_what_the_repository_holds(hub: LoopbackHub, account: Account, tiny_model: Path) -> None:
    hub.create_repo(REPO, tiny_model)
    source, _, claim = find(REPO, None, ADAPTERS)
    for name in (*claim.files, *source.companions):
        held = hashlib.sha256((source.folder / name).read_bytes()).hexdigest()
        assert held == hashlib.sha256((tiny_model / name).read_bytes()).hexdigest()


def test_a_dry_run_fetches_nothing_large_and_says_what_would_be(
    hub: LoopbackHub, account: Account, tmp_path: Path
) -> None:
    folder = with_pickle(tmp_path / "model", "ffhq.pkl")
    (folder / "README.md").write_text("---\nlicense: cc-by-nc-4.0\n---\n")
    hub.create_repo(REPO, folder)
    asked = Recipe.model_validate({"hub": REPO, "release": {"push": "org/redacted", "create_pr": True}})
    told = dry_run(asked, PluginHost(), Silent())
    assert set(told["lacking"]) == {"ffhq.pkl", *(f"{name}.safetensors" for name in ("judge", "perceptual", "trainer"))}
    assert (told["license"], told["adapter"]) == ("cc-by-nc-4.0", None)
    assert told["publishes"]["kept"] == []
    assert downloads(hub) == {"unlearn.toml"}
    shown = plan_lines(told)
    for said in ("ffhq.pkl (", "cc-by-nc-4.0", "the file itself says which adapter", "a pull request to org/redacted"):
        assert said in shown
    find(REPO, None, ADAPTERS)
    whole = dry_run(asked, PluginHost(), Silent())
    assert whole["adapter"] == "stylegan2"
    assert whole["seconds_of_training"] > 0
    assert "pull request to org/redacted" in plan_lines(whole)


def test_a_model_of_one_file_alone(hub: LoopbackHub, account: Account, tmp_path: Path) -> None:
    folder = with_pickle(tmp_path / "model", "ffhq.pkl")
    hub.create_repo(REPO, {"ffhq.pkl": folder / "ffhq.pkl"})
    source, _, _ = find(REPO, None, ADAPTERS)
    assert source.fetched([]) == source
    assert source.companions == ()


def test_a_listing_may_not_name_files_elsewhere(
    hub: LoopbackHub, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.create_repo(REPO, {"config.json": b"{}"})
    real = HfApi.model_info

    def hostile(*args: object, **named: object) -> object:
        info = real(*args, **named)
        info.siblings[0].rfilename = "../../.bashrc"
        return info

    monkeypatch.setattr(HfApi, "model_info", hostile)
    with pytest.raises(HubError, match="outside of its folder"):
        find(REPO, None, ADAPTERS)
