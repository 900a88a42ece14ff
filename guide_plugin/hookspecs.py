"""Every hook that a plugin may implement. A plugin is a module or object in the entry point group `unlearn`.

Mark implementations with `guide_plugin.hookimpl`. An implementation may take fewer arguments than specified.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

import pluggy

if TYPE_CHECKING:
    from pathlib import Path

    import torch

    from guide_plugin.adapter import Adapter, Inspection
    from guide_plugin.operator import Embedder, Encoder, Losses, Operator
    from guide_plugin.run_dir import RunRecord

PROJECT = "unlearn"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


class RegisterAdapter(Protocol):
    def __call__(self, adapter: type[Adapter]) -> None: ...


class RegisterOperator(Protocol):
    def __call__(self, name: str, load: Callable[[], type[Operator]], summary: str) -> None: ...


class RegisterRecogniser(Protocol):
    def __call__(
        self, name: str, load: Callable[[Path | None, torch.device], Embedder], summary: str, differentiable: bool
    ) -> None: ...


class RegisterEncoder(Protocol):
    def __call__(self, name: str, load: Callable[[Path | None, torch.device], Encoder], summary: str) -> None: ...


@hookspec
def unlearn_register_adapters(register: RegisterAdapter) -> None:
    """Call `register(adapter_class)` for each generator family you bring. Importing the class must import no torch."""


@hookspec
def unlearn_register_operators(register: RegisterOperator) -> None:
    """Call `register(name, load, summary)` for each unlearning method; `load()` imports and returns its class."""


@hookspec
def unlearn_register_recognisers(register: RegisterRecogniser) -> None:
    """Call `register(name, load, summary, differentiable)` for each face recogniser.

    `load(weights, device)` returns a callable from images [n, 3, H, W] in [-1, 1] to unit embeddings [n, D];
    `weights` is the file that the user named, or None; its hash is checked by then, where one was given. Only a
    differentiable recogniser can train. One that finds its weights itself should say where in its attribute
    `weights_file`, a path, so that their hash is reported and a judge that is the trainer is noticed.
    """


@hookspec
def unlearn_register_encoders(register: RegisterEncoder) -> None:
    """Call `register(name, load, summary)` for each encoder, a network that guesses the code of a picture.

    `load(weights, device)` returns a callable from images [n, 3, H, W] in [-1, 1] to codes [n, *latent_shape];
    `weights` is the file that the user named, or None. The codes are absolute: an encoder that gives offsets from the
    mean code, as GOAE does, adds the mean before it returns. It may resize the images itself.
    """


@hookspec
def unlearn_inspect(path: Path) -> Inspection | None:
    """Say what the weight file at `path` is, without running anything in it; None where it is none of yours."""


@hookspec
def unlearn_before(run: RunRecord) -> None:
    """Called once before the first step. Raising is a warning that names your plugin."""


@hookspec
def unlearn_step(step: int, losses: Losses) -> None:
    """Called after each step with its loss terms, still on the device. Raising is a warning, once."""


@hookspec
def unlearn_after(run: RunRecord) -> None:
    """Called when the audit is done, before the gates. Raising is a warning."""


@hookspec
def unlearn_error(run: RunRecord, error: BaseException) -> None:
    """Called when the run ends in an error or by Ctrl-C. Raising is a warning."""


@hookspec
def unlearn_gate(run: RunRecord) -> str | None:
    """Return one sentence to refuse the release, None to let it pass. Raising refuses it too.

    Every installed gate is asked about every model. `run.report` has the keys of any run's `report.json`.

    A recipe can require your gate by your plugin's name: `--require NAME`. It then refuses where you are missing.
    """
