"""A tiny random StyleGAN2 with tiny random networks beside it: everything a run needs, in well under a second."""

from __future__ import annotations

import importlib
import json
import sys
import textwrap
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, NamedTuple

import pytest
import torch
from huggingface_hub import constants
from safetensors.torch import save_file

from guide_plugin import hookimpl
from guide_plugin.cli import main
from guide_plugin.testing import LoopbackHub
from guide_plugin.vision.perceptual import ConvPerceptual
from guide_plugin.vision.recognition import FaceNetwork
from hub_adapters.stylegan2.network import Generator

DATA = Path(__file__).parent / "data"
REPOSITORY = Path(__file__).parent.parent
DEMO_MODEL = REPOSITORY / "examples" / "models" / "synthetic-faces"

SMALL_AUDIT = {"bystanders": 20, "attack_steps": 1, "searches": 1, "controls": 1, "searched": 8}
"""As little as an audit can measure: for tests of everything around it."""

TINY = {
    "z_dim": 8,
    "c_dim": 0,
    "w_dim": 8,
    "img_resolution": 16,
    "mapping_layers": 2,
    "channel_base": 128,
    "channel_max": 8,
}

SUGGESTION = """\
[method]
operator = "guide"
settings = { steps = 4, lr = 1e-3, d = "data", alpha_max = "data" }

[networks]
perceptual = "conv:perceptual.safetensors"
trainer = "small:trainer.safetensors"
judge = "small:judge.safetensors"
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest file first: the workers then end together."""
    items.sort(key=lambda item: item.path.name != "test_readme.py")


def write_tiny_model(folder: Path, **changes: object) -> Path:
    """Write a model that the stylegan2 adapter loads, with companions; `changes` go into its configuration."""
    config = {**TINY, **changes}
    torch.manual_seed(0)
    generator = Generator(**config)
    with torch.no_grad():
        for name, parameter in generator.named_parameters():
            if name.endswith(("bias", "noise_strength")) and "affine" not in name:
                parameter.copy_(0.1 * torch.randn_like(parameter))
        z = torch.randn(256, config["z_dim"])
        c = torch.eye(config["c_dim"])[torch.arange(256) % config["c_dim"]] if config["c_dim"] else None
        generator.mapping.w_avg.copy_(generator.mapping(z, c)[:, 0].mean(dim=0))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps({"model_type": "stylegan2", **config}))
    save_file(generator.state_dict(), folder / "model.safetensors")
    return write_companions(folder)


def write_companions(folder: Path) -> Path:
    """Write tiny random networks beside a model, and settings that use them."""
    save_file(ConvPerceptual([4, 8]).state_dict(), folder / "perceptual.safetensors")
    for name in ("trainer", "judge"):
        save_file(FaceNetwork([4, 8], 8).state_dict(), folder / f"{name}.safetensors")
    (folder / "unlearn.toml").write_text(SUGGESTION)
    return folder


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a tiny model; tests must not change it."""
    return write_tiny_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture
def own_tiny_model(tmp_path: Path) -> Path:
    """Return the folder of a tiny model that the test may change."""
    return write_tiny_model(tmp_path / "tiny")


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[LoopbackHub]:
    """Return a model hub of its own, on this machine, for the hub's usual client."""
    with LoopbackHub(tmp_path / "hub") as started:
        yield started


class Account:
    """Somebody at the loopback Hub: whose token the client uses, and where its cache is."""

    def __init__(self, hub: LoopbackHub, monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
        self.hub, self.monkeypatch, self.cache = hub, monkeypatch, cache

    def log_in(self, user: str = "alice", role: Literal["read", "write"] = "write") -> None:
        """Have the client use a new token of a user, a member of `org`."""
        self.monkeypatch.setenv("HF_TOKEN", self.hub.token(user, role, ("org",)))

    def go_offline(self) -> None:
        """Have the client ask nobody from here on."""
        self.monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)


@pytest.fixture
def account(hub: LoopbackHub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Account:
    """Point the Hub's client, which reads its environment once for all, at the loopback Hub with a fresh cache."""
    cache = tmp_path / "cache"
    template = constants.HUGGINGFACE_CO_URL_TEMPLATE.replace(constants.ENDPOINT, hub.url)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "ENDPOINT", hub.url)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    return Account(hub, monkeypatch, cache)


class Said(NamedTuple):
    code: int
    out: str
    err: str


Run = Callable[..., Said]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Return the command as a function that runs in this process, in an empty folder."""
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")

    def unlearn_command(*arguments: object) -> Said:
        monkeypatch.setattr(sys, "argv", ["unlearn", *map(str, arguments)])
        capsys.readouterr()
        code: Any = 0
        try:
            main()
        except SystemExit as stop:
            code = stop.code
        return Said(code, *capsys.readouterr())

    return unlearn_command


def plugin(name: str, **hooks: Callable[..., Any]) -> Any:
    """Return a plugin with these hook implementations."""
    module = ModuleType(name)
    for hook, function in hooks.items():
        setattr(module, hook, hookimpl(function))
    return module


def raising(error: BaseException) -> Callable[..., Any]:
    def fail() -> None:
        raise error

    return fail


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Return a function that installs a distribution of one module with one entry point."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(name: str, source: str, entry_point: str | None = None) -> None:
        (tmp_path / f"{name}.py").write_text(textwrap.dedent(source))
        info = tmp_path / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[unlearn]\n{entry_point or name} = {name}\n")
        importlib.invalidate_caches()

    yield write
    for file in tmp_path.glob("*.py"):
        sys.modules.pop(file.stem, None)
