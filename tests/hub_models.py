"""A small model for the loopback hub, and people who ask for it."""

from __future__ import annotations

from urllib.error import HTTPError
from urllib.request import Request, urlopen

from huggingface_hub import HfApi

from guide_plugin.testing import LoopbackHub

WEIGHTS = bytes(range(256)) * 40
CARD = b"---\nlicense: mit\nlibrary_name: guide-plugin\nbase_model: org/base\nbase_model_relation: finetune\n---\n# M\n"
FILES = {"README.md": CARD, "config.json": b'{"a": 1}', "vae/model.safetensors": WEIGHTS, "vae/config.json": b"{}"}


def member(hub: LoopbackHub) -> HfApi:
    """Return the client of somebody who may write under org/."""
    return HfApi(endpoint=hub.url, token=hub.token("alice", organisations=("org",)))


def other(hub: LoopbackHub, name: str = "mallory", role: str = "write") -> HfApi:
    """Return the client of somebody who has nothing to do with org/."""
    return HfApi(endpoint=hub.url, token=hub.token(name, role))


def anonymous(hub: LoopbackHub) -> HfApi:
    """Return the client of somebody without a token."""
    return HfApi(endpoint=hub.url, token=False)


def contents(hub: LoopbackHub, revision: str = "main") -> dict[str, bytes]:
    """Return path and content of all files but git's own."""
    return {path: file.read_bytes() for path, file in hub.files("org/model", revision).items() if path[:4] != ".git"}


def send(hub: LoopbackHub, api: HfApi, method: str, path: str, body: bytes, token: bool = True) -> int:
    """Send what the client would not, and return the status."""
    request = Request(path if "://" in path else hub.url + path, body, method=method)
    if token:
        request.add_header("Authorization", f"Bearer {api.token}")
    try:
        with urlopen(request) as reply:
            return int(reply.status)
    except HTTPError as error:
        return error.code
