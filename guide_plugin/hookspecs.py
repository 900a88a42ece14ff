"""Every hook that a plugin may implement. A plugin is a module or object in the entry point group `unlearn`.

Mark implementations with `guide_plugin.hookimpl`. An implementation may take fewer arguments than specified.

The README's section on hooks is made of the docstrings here by `hook_page`: one sentence, the table's cells from `When`
to `Since` (`Returns` only where it is not None), notes, an example. To deprecate a hook or an argument, give `hookspec`
a `DeprecatedHook` that says what to use instead, as `warn_on_impl` or in `warn_on_impl_args`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from pathlib import Path

    from guide_plugin.adapter import Inspection
    from guide_plugin.operator import Losses
    from guide_plugin.registration import RegisterAdapter, RegisterEncoder, RegisterOperator, RegisterRecogniser
    from guide_plugin.run_dir import RunRecord

PROJECT = "unlearn"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def unlearn_register_adapters(register: RegisterAdapter) -> None:
    """Bring generator families.

    When: your plugin is loaded, in every command that needs plugins
    Args: `register(adapter)` takes an `Adapter` class, once for each family
    Raises: your plugin is disabled, and listed with the reason
    Since: 0.1

    Importing the class must import no torch; its `load` does.

    Example:
        from guide_plugin import Adapter, hookimpl

        class Portraits(Adapter):  # and the methods of the contract
            "Portraits: checkpoints of my own."

            name, api_version, alignment = "portraits", 1, "ffhq"

        @hookimpl
        def unlearn_register_adapters(register):
            register(Portraits)
    """


@hookspec
def unlearn_register_operators(register: RegisterOperator) -> None:
    """Bring unlearning methods.

    When: your plugin is loaded
    Args: `register(name, load, summary)`, once for each method
    Raises: your plugin is disabled, and listed with the reason
    Since: 0.1

    `load()` imports and returns the `Operator` class; it is called where the method is asked for.

    Example:
        def load():
            from guide_plugin import Operator

            class Forget(Operator):  # and the methods of the contract
                name, api_version = "forget", 1

            return Forget

        @hookimpl
        def unlearn_register_operators(register):
            register("forget", load, "what my paper does")
    """


@hookspec
def unlearn_register_recognisers(register: RegisterRecogniser) -> None:
    """Bring networks that tell people apart.

    When: your plugin is loaded
    Args: `register(name, load, summary, differentiable)`, once for each recogniser
    Raises: your plugin is disabled, and listed with the reason
    Since: 0.1

    `load(weights, device)` returns a callable from images [n, 3, H, W] in [-1, 1] to unit embeddings [n, D];
    `weights` is the file that the user named, or None; its hash is checked by then, where one was given. Only a
    differentiable recogniser can train. One that finds its weights itself should say where in its attribute
    `weights_file`, a path, so that their hash is reported and a judge that is the trainer is noticed.

    Example:
        def load(weights, device):
            from torch.nn.functional import normalize

            return lambda images: normalize(images.mean(dim=(2, 3)))

        @hookimpl
        def unlearn_register_recognisers(register):
            register("mean-colour", load, "the mean colour, for tests", differentiable=True)
    """


@hookspec
def unlearn_register_encoders(register: RegisterEncoder) -> None:
    """Bring encoders, networks that guess the code of a picture.

    When: your plugin is loaded
    Args: `register(name, load, summary)`, once for each encoder
    Raises: your plugin is disabled, and listed with the reason
    Since: 0.1

    `load(weights, device)` returns a callable from images [n, 3, H, W] in [-1, 1] to codes [n, *latent_shape];
    `weights` is the file that the user named, or None. The codes are absolute: an encoder that gives offsets from the
    mean code, as GOAE does, adds the mean before it returns. It may resize the images itself.

    Example:
        def load(weights, device):
            return lambda images: images.mean(dim=(1, 2, 3)).view(-1, 1).expand(-1, 512)

        @hookimpl
        def unlearn_register_encoders(register):
            register("brightness", load, "a code of nothing but brightness, for tests")
    """


@hookspec
def unlearn_inspect(path: Path) -> Inspection | None:
    """Say what a weight file is, without running anything in it.

    When: `unlearn inspect`, for each file
    Args: `path` of the file
    Returns: an `Inspection`; None where the file is none of yours
    Raises: an `UnlearnError` ends the command with its sentence; anything else is a warning
    Since: 0.1

    Example:
        from guide_plugin import Inspection, hookimpl

        @hookimpl
        def unlearn_inspect(path):
            if path.suffix == ".mine":
                return Inspection("my format", "a generator", path.stat().st_size // 4, globals={}, forbidden=())
    """


@hookspec
def unlearn_before(run: RunRecord) -> None:
    """Be told that a run begins.

    When: before the first step, and again where a run is resumed
    Args: `run`, without a report
    Raises: a warning that names your plugin; the run goes on, and this hook is not called again
    Since: 0.1

    Example:
        @hookimpl
        def unlearn_before(run):
            print("unlearning begins:", run.operator, "on", run.adapter)
    """


@hookspec
def unlearn_step(step: int, losses: Losses) -> None:
    """Be told of each step.

    When: after each step
    Args: `step` counts from 1; `losses` are named scalar tensors, still on the device: copies, without a graph
    Raises: a warning that names your plugin; the run goes on, and this hook is not called again
    Since: 0.1

    Reading a loss waits for the device, so do it now and then.

    Example:
        @hookimpl
        def unlearn_step(step, losses):
            if step % 100 == 0:
                print(step, losses["total"].item())
    """


@hookspec
def unlearn_after(run: RunRecord) -> None:
    """Be told what the audit found.

    When: after the audit, before the gates; again for each later audit of the run
    Args: `run`, with its report
    Raises: a warning that names your plugin; the run goes on, and this hook is not called again
    Since: 0.1

    Example:
        @hookimpl
        def unlearn_after(run):
            print("verdict:", run.report["verdict"]["outcome"])
    """


@hookspec
def unlearn_error(run: RunRecord, error: BaseException) -> None:
    """Be told that a run failed or was stopped.

    When: a run ends in an error or by Ctrl-C
    Args: `run`, without a report; `error`, whatever it is
    Raises: a warning that names your plugin
    Since: 0.1

    Example:
        @hookimpl
        def unlearn_error(run, error):
            print("failed:", type(error).__name__)
    """


@hookspec
def unlearn_gate(run: RunRecord) -> str | None:
    """Refuse a release, or let it pass.

    When: after each audit of a run, and before a push; in a thread of its own
    Args: `run`, with its report, and with the staged release where there is one
    Returns: one sentence refuses; None lets it pass
    Raises: refuses too, and so does no answer in time
    Since: 0.1

    Every installed gate is asked about every model. `run.report` has the keys of any run's `report.json`. A recipe can
    require your gate by your plugin's name, `--require NAME`. It then refuses where you are missing.

    Example:
        @hookimpl
        def unlearn_gate(run):
            if run.release and (run.release / "samples.png").exists():
                return "somebody has to look at samples.png first"
    """
