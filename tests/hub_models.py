"""A small model for the loopback hub, and people who ask for it."""

from __future__ import annotations

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
