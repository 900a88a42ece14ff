"""Seconds to pull and push 200 MB beside the bare client, and the memory it takes; `--benchmark-only`.

The Hub runs in a process of its own, and every round meets an empty cache or a new repository.
"""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from huggingface_hub import CommitOperationAdd, HfApi, constants, hf_hub_download
from pytest_benchmark.fixture import BenchmarkFixture

from guide_plugin.hub.client import Address, resolve
from guide_plugin.hub.download import fetch
from guide_plugin.hub.push import push
from guide_plugin.recipe import Release
from tests.releases import release

SIZE = 200 << 20
REPO = "org/large"
NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("large")
    (folder / "model.safetensors").write_bytes(os.urandom(SIZE))
    for name, text in {
        "README.md": "---\nlicense: mit\n---\n",
        "provenance.json": release().model_dump_json(),
        "config.json": "{}",
    }.items():
        (folder / name).write_text(text)
    return folder


@pytest.fixture
def sandbox(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    command = [
        sys.executable,
        "-c",
        "from guide_plugin.cli import main; main()",
        "hub-sandbox",
        "--add",
        f"{REPO}={model}",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        told = "".join(itertools.islice(server.stdout, 4))
        url, token = re.findall(r"HF_(?:ENDPOINT|TOKEN)=(\S+)", told)
        template = constants.HUGGINGFACE_CO_URL_TEMPLATE.replace(constants.ENDPOINT, url)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "ENDPOINT", url)
        monkeypatch.setenv("HF_TOKEN", token)
        yield
        server.terminate()


def pull_bare() -> None:
    for name in ("config.json", "model.safetensors"):
        hf_hub_download(REPO, name)


def pull_ours() -> None:
    fetch(resolve(Address(REPO)), ["config.json", "model.safetensors"])


@pytest.mark.benchmark(group="pull 200 MB")
@pytest.mark.parametrize("pull", [pull_bare, pull_ours])
def test_pull(
    sandbox: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    benchmark: BenchmarkFixture,
    pull: Callable[[], None],
) -> None:
    def empty_cache() -> None:
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / f"cache-{next(NUMBERS)}"))

    benchmark.pedantic(pull, setup=empty_cache, rounds=5, warmup_rounds=1)


def push_bare(folder: Path, repo: str) -> None:
    api = HfApi()
    api.create_repo(repo, private=True)
    adds = [CommitOperationAdd(path.name, str(path)) for path in folder.iterdir()]
    api.create_commit(repo, adds, commit_message="A model")


def push_ours(folder: Path, repo: str) -> None:
    push(folder, Release(push=repo), None, "text")


@pytest.mark.benchmark(group="push 200 MB")
@pytest.mark.parametrize("send", [push_bare, push_ours])
def test_push(sandbox: None, model: Path, benchmark: BenchmarkFixture, send: Callable[[Path, str], None]) -> None:
    def fresh() -> tuple[tuple[Path, str], dict[str, str]]:
        content = model / "model.safetensors"
        with content.open("r+b") as file:  # another model each time: the Hub asks for no content twice
            file.write(os.urandom(16))
        return (model, f"org/pushed-{next(NUMBERS)}"), {}

    benchmark.pedantic(send, setup=fresh, rounds=5, warmup_rounds=1)
