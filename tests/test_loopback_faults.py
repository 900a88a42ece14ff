"""What goes wrong on the way to the loopback hub, what the client makes of it, and what the hub holds afterwards."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError
from huggingface_hub.utils import httpx

from guide_plugin import UsageError
from guide_plugin.testing import Fault, LoopbackHub
from tests.hub_models import member

LARGE = os.urandom(1000) * 200


@pytest.fixture
def api(hub: LoopbackHub, monkeypatch: pytest.MonkeyPatch) -> HfApi:
    hub.create_repo("org/model", {"weights.bin": LARGE, "config.json": b"{}"})
    # The client waits a second and more between its tries.
    monkeypatch.setattr(time, "sleep", lambda _: None)
    return member(hub)


def download(api: HfApi, folder: Path, name: str = "weights.bin") -> bytes:
    return Path(api.hf_hub_download("org/model", name, cache_dir=folder)).read_bytes()


def upload(api: HfApi, **options: object) -> None:
    api.upload_file(path_or_fileobj=b"\0new", path_in_repo="new.bin", repo_id="org/model", **options)


def test_a_broken_download_goes_on_where_it_broke(hub: LoopbackHub, api: HfApi, tmp_path: Path) -> None:
    big = os.urandom(1 << 20) * 12
    hub.commit("org/model", {"weights.bin": big})
    hub.faults.add(Fault("GET /storage/", cut_after=11 << 20))
    assert download(api, tmp_path) == big
    first, second = (request for request in hub.requests if request.method == "GET")
    assert (first.status, first.sent) == (200, 11 << 20)
    assert (second.status, second.sent) == (206, 2 << 20)


def test_a_range_is_a_range(hub: LoopbackHub, api: HfApi) -> None:
    for name in ("weights.bin", "config.json"):
        content = hub.files("org/model")[name].read_bytes()
        link = f"{hub.url}/org/model/resolve/main/{name}"

        def get(asked: str, link: str = link) -> httpx.Response:
            return httpx.get(link, headers={"Range": asked}, follow_redirects=True)

        assert (get("bytes=1-").status_code, get("bytes=1-").content) == (206, content[1:])
        assert (get("bytes=0-0").content, get("bytes=-1").content) == (content[:1], content[-1:])
        assert get("bytes=1-9999999").headers["Content-Range"] == f"bytes 1-{len(content) - 1}/{len(content)}"
        outside = get(f"bytes={len(content)}-")
        assert (outside.status_code, outside.headers["Content-Range"]) == (416, f"bytes */{len(content)}")
        assert (get("lines=1-2").status_code, get("lines=1-2").content) == (200, content)


def test_a_request_that_is_dropped_does_nothing(hub: LoopbackHub, api: HfApi) -> None:
    hub.faults.add(Fault("POST .*/commit/main", drop="request"))
    with pytest.raises(httpx.TransportError):
        upload(api)
    assert len(hub.commits("org/model")) == 1
    assert hub.requests[-1].status is None


def test_a_commit_whose_reply_is_lost_is_there(hub: LoopbackHub, api: HfApi) -> None:
    hub.faults.add(Fault("POST .*/commit/main", drop="reply"))
    with pytest.raises(httpx.TransportError):
        upload(api, commit_message="Lost")
    assert [commit.title for commit in api.list_repo_commits("org/model")] == ["Lost", "initial commit"]
    assert hub.files("org/model")["new.bin"].read_bytes() == b"\0new"
    lost = next(request for request in hub.requests if "/commit/" in request.path)
    assert (lost.status, lost.sent) == (None, 0)


def test_a_large_file_that_cannot_be_sent_is_no_commit(hub: LoopbackHub, api: HfApi) -> None:
    hub.faults.add(Fault("PUT /storage/", drop="request", times=None))
    with pytest.raises(RuntimeError, match=r"Error while uploading 'new\.bin'") as caught:
        upload(api)
    assert isinstance(caught.value.__cause__, httpx.TransportError)
    assert len(hub.commits("org/model")) == 1
    hub.faults.clear()
    upload(api)
    assert hub.files("org/model")["new.bin"].read_bytes() == b"\0new"


def test_a_large_file_that_breaks_off_is_not_kept(hub: LoopbackHub, api: HfApi, tmp_path: Path) -> None:
    before = sorted((tmp_path / "hub").rglob("*"))
    links: list[str] = []
    hub.faults.add(Fault("PUT /storage/", status=400))
    with pytest.raises(RuntimeError):
        upload(api)
    links += [request.path for request in hub.requests if request.method == "PUT"]
    place = urlsplit(httpx.head(f"{hub.url}/org/model/resolve/main/weights.bin").headers["Location"])
    with socket.create_connection((place.hostname, place.port)) as connection:
        connection.sendall(f"PUT {links[0]} HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n\0ne".encode())
        deadline = time.monotonic() + 10
        while not list((tmp_path / "hub").rglob("incoming-*")):
            assert time.monotonic() < deadline
    while len([request for request in hub.requests if request.method == "PUT"]) < 2:
        assert time.monotonic() < deadline
    assert (hub.requests[-1].status, hub.requests[-1].received) == (None, 3)
    assert sorted((tmp_path / "hub").rglob("*")) == before


@pytest.mark.parametrize("status", [429, 500, 502, 503, 412])
def test_a_status_is_answered_without_acting(status: int, hub: LoopbackHub, api: HfApi) -> None:
    hub.faults.add(Fault("POST .*/commit/main", status=status, retry_after=7))
    with pytest.raises(HfHubHTTPError) as caught:
        upload(api)
    assert caught.value.response.status_code == status
    assert caught.value.response.headers["Retry-After"] == "7"
    assert len(hub.commits("org/model")) == 1
    upload(api)
    assert len(hub.commits("org/model")) == 2


def test_a_flipped_byte_goes_unnoticed_by_the_client(hub: LoopbackHub, api: HfApi, tmp_path: Path) -> None:
    hub.faults.add(Fault("GET /storage/", flip_byte=150_000))
    got = download(api, tmp_path)
    assert [place for place, (a, b) in enumerate(zip(got, LARGE, strict=True)) if a != b] == [150_000]
    assert got[150_000] == LARGE[150_000] ^ 0xFF
    assert hub.files("org/model")["weights.bin"].read_bytes() == LARGE


def test_a_slow_reply_takes_its_time(hub: LoopbackHub, api: HfApi, tmp_path: Path) -> None:
    hub.faults.add(Fault("GET /storage/", bytes_per_second=500_000))
    began = time.monotonic()
    assert download(api, tmp_path) == LARGE
    assert 0.3 < time.monotonic() - began < 3


def test_somebody_acts_just_before(hub: LoopbackHub, api: HfApi) -> None:
    seen = api.model_info("org/model").sha

    def act() -> None:
        member(hub).upload_file(path_or_fileobj=b"[]", path_in_repo="config.json", repo_id="org/model")

    hub.faults.add(Fault("POST .*/commit/main", before=act))
    with pytest.raises(HfHubHTTPError) as caught:
        upload(api, parent_commit=seen)
    assert caught.value.response.status_code == 412
    assert hub.files("org/model")["config.json"].read_bytes() == b"[]"
    assert "new.bin" not in hub.files("org/model")


def test_faults_take_their_turn(hub: LoopbackHub, api: HfApi) -> None:
    hub.faults.add(Fault("GET .*/refs", skip=1, times=2, status=500))
    hub.faults.add(Fault("GET .*/refs", skip=2, times=2, status=502))
    hub.faults.add(Fault("/org/other/", status=503))
    seen = [httpx.get(f"{hub.url}/api/models/org/model/refs").status_code for _ in range(5)]
    assert seen == [200, 500, 500, 502, 200]
    assert [request.status for request in hub.requests] == seen
    assert [request.fault is None for request in hub.requests] == [True, False, False, False, True]


def test_any_one_request_of_an_upload_can_be_killed(hub: LoopbackHub, api: HfApi) -> None:
    hub.forget_requests()
    upload(api)
    steps = [f"{request.method} {request.path.partition('?')[0].rpartition('/')[0]}" for request in hub.requests]
    assert len(steps) == 5
    assert steps[-1] == "POST /api/models/org/model/commit"
    for turn in range(len(steps)):
        hub.faults.clear()
        hub.forget_requests()
        hub.commit("org/model", {"new.bin": None})
        hub.faults.add(Fault(".*", skip=turn, times=None, status=400))
        content = b"\0%d" % turn
        with pytest.raises((HfHubHTTPError, RuntimeError)) as caught:
            api.upload_file(path_or_fileobj=content, path_in_repo="new.bin", repo_id="org/model")
        assert "on purpose" in str(caught.value) + str(caught.value.__cause__)
        assert [request.status for request in hub.requests] == [200] * turn + [400]
        assert "new.bin" not in hub.files("org/model")
        hub.faults.clear()
        upload(api)


@pytest.mark.parametrize("after", [0, 1, 20])
def test_a_reply_cut_short_is_an_error(after: int, hub: LoopbackHub, api: HfApi) -> None:
    hub.faults.add(Fault("GET /api/models/org/model", cut_after=after))
    with pytest.raises(httpx.TransportError):
        api.model_info("org/model")
    assert hub.requests[-1].sent == after
    assert api.model_info("org/model").id == "org/model"


def test_a_fault_says_what_happens_or_is_none() -> None:
    with pytest.raises(UsageError, match="does nothing"):
        Fault(".*")
    with pytest.raises(UsageError, match="no regular expression"):
        Fault("(", status=500)
