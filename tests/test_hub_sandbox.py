"""`unlearn hub-sandbox` as a process of its own, and what the loopback hub takes of memory and imports."""

from __future__ import annotations

import hashlib
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from huggingface_hub import HfApi

from guide_plugin import UsageError
from guide_plugin.testing import LoopbackHub
from tests.conftest import REPOSITORY

COMMAND = [sys.executable, "-c", "from guide_plugin.cli import main; main()", "hub-sandbox"]


def python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    run = [sys.executable, "-c", code, *arguments]
    return subprocess.run(run, capture_output=True, text=True, cwd=REPOSITORY, check=False, timeout=60)


def test_the_sandbox_serves_what_it_was_given_until_it_is_stopped(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_bytes(b"{}")
    run = [*COMMAND, "--folder", str(tmp_path / "hub"), "--add", f"org/model={tmp_path / 'model'}"]
    with subprocess.Popen(run, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=REPOSITORY) as process:
        assert process.stdout
        said = [process.stdout.readline() for _ in range(4)]
        url, token, xet = (re.fullmatch(r"export \w+=(\S+)\n", line)[1] for line in said[1:])
        assert said[0] == f"Loopback Hub on {url} with org/model. Ctrl-C ends it.\n"
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+", url)
        api = HfApi(endpoint=url, token=token)
        assert (xet, api.model_info("org/model").siblings[-1].rfilename) == ("1", "config.json")
        api.upload_file(path_or_fileobj=b"[]", path_in_repo="config.json", repo_id="org/model")
        api.create_repo("sandbox/mine")
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
        assert process.stderr
        assert process.stderr.read() == "Stopped.\n"
    with LoopbackHub(tmp_path / "hub") as hub:
        assert hub.repositories == ("org/model", "sandbox/mine")
        assert hub.files("org/model")["config.json"].read_bytes() == b"[]"
        assert hub.commits("org/model")[0].author == "sandbox"


def test_the_sandbox_says_what_is_wrong(tmp_path: Path) -> None:
    with LoopbackHub(tmp_path / "hub") as hub, socket.socket() as taken:
        hub.create_repo("org/model")
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=f"Port {port} of 127.0.0.1 cannot be used"), LoopbackHub(tmp_path, port):
            pass
        (tmp_path / "file").touch()
        for options, sentence in (
            (["--port", str(port)], f"Port {port} of 127.0.0.1 cannot be used: Address already in use. Choose"),
            (["--add", "org/model"], "--add org/model names no folder. Write --add NAMESPACE/NAME=FOLDER."),
            (["--add", f"org/model={tmp_path}/no"], f"There is no folder {tmp_path}/no. Check --add"),
            (["--add", f"../model={tmp_path}"], "Invalid repository name: '../model'"),
            (["--add", f"org/model={tmp_path}", "--folder", str(tmp_path / "hub")], "Leave its --add away."),
            (["--folder", str(tmp_path / "file")], f"{tmp_path}/file cannot be used"),
        ):
            run = [*COMMAND, *options]
            done = subprocess.run(run, capture_output=True, text=True, cwd=REPOSITORY, check=False, timeout=60)
            assert (done.returncode, done.stdout) == (2, ""), done.stderr
            assert done.stderr.startswith("Error: ")
            assert sentence in done.stderr
            assert done.stderr.count("\n") == 1


def test_without_the_extra_the_sandbox_says_how_to_get_it() -> None:
    for package in ("uvicorn", "starlette", "dulwich"):
        block = f"import sys; sys.modules[{package!r}] = None; from guide_plugin.cli import main; main()"
        done = python(block, "hub-sandbox")
        assert (done.returncode, done.stdout) == (2, "")
        remedy = 'Run: pip install "guide-plugin[sandbox]"'
        assert done.stderr == f"Error: The loopback Hub needs {package}, which is not installed. {remedy}\n"


def test_nobody_else_pays_for_the_sandbox() -> None:
    code = (
        "import sys, guide_plugin, guide_plugin.testing\n"
        "from guide_plugin.cli import command\n"
        "command(['hub-sandbox', '--help'], standalone_mode=False)\n"
        "print({'starlette', 'uvicorn', 'dulwich', 'huggingface_hub', 'torch'} & set(sys.modules))"
    )
    done = python(code)
    assert done.stdout.endswith("set()\n"), done.stderr


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="reads Linux's list of sockets")
def test_it_listens_on_this_machine_alone(tmp_path: Path) -> None:
    def listening() -> set[str]:
        tables = Path("/proc/net/tcp").read_text() + Path("/proc/net/tcp6").read_text()
        lines = [words for line in tables.splitlines() if len(words := line.split()) > 3 and words[3] == "0A"]
        return {words[1].partition(":")[0] for words in lines if words[1].endswith(f":{port:04X}")}

    with LoopbackHub(tmp_path / "hub") as hub:
        port = int(hub.url.rpartition(":")[2])
        assert listening() == {"0100007F"}
    assert listening() == set()


MEMORY = """
import hashlib, resource, sys
from pathlib import Path
from huggingface_hub import HfApi
from guide_plugin.testing import LoopbackHub
folder, size = Path(sys.argv[1]), int(sys.argv[2])
with LoopbackHub(folder / "hub") as hub:
    api = HfApi(endpoint=hub.url, token=hub.token("alice"))
    api.create_repo("alice/model")
    for number, size in enumerate((1 << 20, size)):
        if number == 1:
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with (folder / "big.bin").open("wb") as file:
            file.truncate(size)
        api.upload_file(path_or_fileobj=folder / "big.bin", path_in_repo="big.bin", repo_id="alice/model")
        hub.create_repo(f"alice/local{number}", {"big.bin": folder / "big.bin"})
        got = Path(api.hf_hub_download("alice/model", "big.bin", cache_dir=folder / str(number)))
        assert got.stat().st_size == size
        print(hub.files("alice/model")["big.bin"].sha256)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_large_files_stay_out_of_memory(tmp_path: Path) -> None:
    size = 200 << 20
    run = [sys.executable, "-c", MEMORY, str(tmp_path), str(size)]
    done = subprocess.run(
        run, capture_output=True, text=True, cwd=REPOSITORY, env={**os.environ, "HF_HOME": str(tmp_path)}
    )
    assert done.returncode == 0, done.stderr
    _, sha256, kibibytes = done.stdout.split()
    expected = hashlib.sha256()
    for _ in range(200):
        expected.update(bytes(1 << 20))
    assert sha256 == expected.hexdigest()
    assert int(kibibytes) < 60 << 10
