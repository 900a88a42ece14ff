"""What `load` gives: this adapter, on the device that was asked for, frozen, the same one every time."""

from __future__ import annotations

import torch

from guide_plugin.testing.conformance.bench import CPU, Bench, modules_of, parameters_of
from guide_plugin.testing.conformance.clause import broken_if, clause
from guide_plugin.testing.conformance.matching import match_files


@clause(
    expected="`load` returns an object of the adapter's class.",
    matters="Nothing can be unlearned in a model that does not load.",
    mend="Read the files that `match` named, build the network, and return `cls(…)`.",
    needs=(match_files,),
)
def load(bench: Bench) -> None:
    loaded = bench.adapter
    broken_if(not isinstance(loaded, bench.adapter_class), f"`load` returned {type(loaded).__name__}.")


@clause(
    expected="`latent_shape` is a tuple of positive whole numbers.",
    matters="Codes from files are checked against it, and every code is shaped by it.",
    mend="Set `self.latent_shape`, such as (512,), or (layers, 512) for a code per layer.",
    needs=(load,),
)
def latent_shape(bench: Bench) -> str:
    shape = getattr(bench.adapter, "latent_shape", None)
    whole = isinstance(shape, tuple) and shape and all(isinstance(size, int) and size > 0 for size in shape)
    broken_if(not whole, f"`latent_shape` is {shape!r}.")
    return str(shape)


@clause(
    expected="`device` is the `torch.device` that `load` was given, and all parameters lie there.",
    matters="Codes, views and losses are put where `device` says; a wrong one ends the run in its first step.",
    mend="Keep the argument as `self.device`, and move the whole network there in `load`.",
    needs=(load,),
)
def device(bench: Bench) -> None:
    given = getattr(bench.adapter, "device", None)
    broken_if(given != CPU or not isinstance(given, torch.device), f"`device` is {given!r}, asked for was {CPU!r}.")
    away = [name for name, parameter in parameters_of(bench.adapter).values() if parameter.device != CPU]
    broken_if(bool(away), f"Elsewhere lie {_some(away)}.")


@clause(
    expected="After `load`, no parameter requires a gradient.",
    matters="The teacher would gather gradients that nobody uses: more memory, slower steps.",
    mend="Call `requires_grad_(False)` on the whole network in `load`; whoever trains thaws what may change.",
    needs=(load,),
)
def frozen(bench: Bench) -> None:
    thawed = [name for name, parameter in parameters_of(bench.load()).values() if parameter.requires_grad]
    broken_if(bool(thawed), f"Not frozen: {_some(thawed)}.")


@clause(
    expected="After `load`, every network is in evaluation mode.",
    matters="In training mode, dropout and batch statistics make pictures depend on chance and on their neighbours.",
    mend="Call `eval()` on the network in `load`.",
    needs=(load,),
)
def evaluation_mode(bench: Bench) -> None:
    training = [type(module).__name__ for module in modules_of(bench.adapter) if module.training]
    broken_if(bool(training), f"In training mode: {_some(training)}.")


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


CLAUSES = (load, latent_shape, device, frozen, evaluation_mode)
