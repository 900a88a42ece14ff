"""Where gradients go: to all that may be trained and to the code, through features and picture of one pass."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import Parameter

from guide_plugin.adapter import Adapter, Synthesis
from guide_plugin.testing.conformance.bench import Bench, parameters_of, sample, seeded
from guide_plugin.testing.conformance.clause import Broken, broken_if, clause
from guide_plugin.testing.conformance.drawing import codes_untouched, features_rows, image_shape, same_picture
from guide_plugin.testing.conformance.loading import frozen, load
from guide_plugin.testing.conformance.views import training_views

ENOUGH = 6
"""How many codes may be drawn until every parameter was reached."""

MEMORY_ROUNDING = 1e-3
"""Of a gradient's range: what recomputing a pass in other pieces may change."""


def thawed(bench: Bench) -> Adapter:
    """Load the model anew, with what may be trained thawed, as the operator does with its student."""
    adapter = bench.load()
    for _, parameter in adapter.trainable_parameters():
        parameter.requires_grad_(True)
    return adapter


def loss_of(drawn: Synthesis) -> Tensor:
    """Return a loss to which every value of picture and features adds a random part."""
    parts = [
        (tensor * torch.randn(tensor.shape, generator=seeded(i)).to(tensor)).float().mean()
        for i, tensor in enumerate(drawn)
    ]
    return torch.stack(parts).sum()


def draw_for_training(adapter: Adapter, n: int, seed: int = 0) -> Synthesis:
    """Draw random codes with gradients, under training views where there are any."""
    with torch.no_grad():
        view = adapter.sample_views(n, seeded(seed))
    with torch.enable_grad():
        return adapter.synthesize(sample(adapter, n, seed), view)


@clause(
    expected="`trainable_parameters` yields names, each once, with float32 parameters, the same ones in every call.",
    matters="Checkpoints of a run keep weights by name, the optimiser keeps its state by their order.",
    mend='Yield `f"synthesis.{name}", parameter` from `named_parameters()` of the network that may be trained.',
    needs=(load,),
)
def trainable(bench: Bench) -> str:
    first, second = (list(bench.adapter.trainable_parameters()) for _ in range(2))
    broken_if(not first, "It yields nothing.")
    names = [name for name, _ in first]
    broken_if(len(set(names)) < len(names), "It yields a name twice.")
    once = len({id(parameter) for _, parameter in first}) == len(first)
    broken_if(not once, "It yields a parameter under two names.")
    kinds = {type(value).__name__ for _, value in first if not isinstance(value, Parameter)}
    broken_if(bool(kinds), f"It yields {', '.join(sorted(kinds))}.")
    dtypes = {str(parameter.dtype) for _, parameter in first} - {str(torch.float32)}
    broken_if(bool(dtypes), f"It yields {', '.join(sorted(dtypes))}.")
    same = len(first) == len(second) and all(a[0] == b[0] and a[1] is b[1] for a, b in zip(first, second, strict=False))
    broken_if(not same, "A second call yields others, or another order.")
    return f"{sum(parameter.numel() for _, parameter in first):,} numbers in {len(first)} parameters"


@clause(
    expected="With thawed parameters, `image` and `features` carry gradients.",
    matters="Without them training does nothing at all.",
    mend="Remove `torch.no_grad`, `detach` and `.data` from `synthesize`.",
    needs=(image_shape, codes_untouched, training_views, trainable),
)
def drawn_with_gradients(bench: Bench) -> None:
    drawn = draw_for_training(thawed(bench), 1)
    without = [name for name, tensor in drawn._asdict().items() if not tensor.requires_grad]
    broken_if(bool(without), f"Without a gradient: {' and '.join(without)}.")


@clause(
    expected="The picture is computed from the very features that are returned with it, in one pass.",
    matters="A second pass doubles the time of training, and may draw something else than what was compared.",
    mend="Run the network once, and return the tensor that the picture is made from, itself and not a copy.",
    needs=(drawn_with_gradients, features_rows),
)
def one_pass(bench: Bench) -> None:
    image, features = draw_for_training(thawed(bench), 1)
    (gradient,) = torch.autograd.grad(image.square().mean(), features, allow_unused=True)
    broken_if(gradient is None, "The picture does not depend on these features: they are a copy, or another pass's.")


@clause(
    expected=f"Gradients reach every one of `trainable_parameters`, over at most {ENOUGH} codes, and are finite.",
    matters="What no gradient reaches stays as it was, with what it knows of the person.",
    mend="Leave out what `synthesize` does not use; look for `detach` and rounding before the others.",
    needs=(drawn_with_gradients, same_picture),
)
def gradients_reach_all(bench: Bench) -> None:
    adapter = thawed(bench)
    parameters = dict(adapter.trainable_parameters())
    missing = list(parameters)
    for i in range(ENOUGH):
        loss_of(draw_for_training(adapter, 1, seed=i)).backward()
        missing = [name for name in missing if not _reached(parameters[name])]
        if not missing:
            break
    broken_if(bool(missing), f"Never reached: {', '.join(missing[:3])}" + (", …" if len(missing) > 3 else "") + ".")
    wild = [name for name, parameter in parameters.items() if not bool(_gradient(parameter).isfinite().all())]
    broken_if(bool(wild), f"NaN or Inf in the gradient of {', '.join(wild[:3])}.")


def _gradient(parameter: Parameter) -> Tensor:
    return torch.zeros_like(parameter) if parameter.grad is None else parameter.grad


def _reached(parameter: Parameter) -> bool:
    return bool(_gradient(parameter).ne(0).any())


@clause(
    expected="Gradients reach nothing but `trainable_parameters`.",
    matters="What gathers gradients beside them costs memory, and an optimiser might move it.",
    mend="Never call `requires_grad_(True)` in the adapter.",
    needs=(frozen, drawn_with_gradients),
)
def gradients_reach_nothing_else(bench: Bench) -> None:
    adapter = thawed(bench)
    loss_of(draw_for_training(adapter, 1)).backward()
    named = {id(parameter) for _, parameter in adapter.trainable_parameters()}
    others = [
        name
        for key, (name, parameter) in parameters_of(adapter).items()
        if key not in named and (parameter.requires_grad or parameter.grad is not None)
    ]
    broken_if(bool(others), f"Others gather gradients: {', '.join(others[:3])}.")


@clause(
    expected="A gradient reaches the code, in a frozen generator too.",
    matters="Searches for the code that draws a photo, and for ways to bring the person back, follow it.",
    mend="Remove `detach` and `torch.no_grad` between the code and the picture.",
    needs=(drawn_with_gradients, same_picture),
)
def gradient_of_code(bench: Bench) -> None:
    code = bench.codes[:1].clone().requires_grad_(True)
    with torch.enable_grad():
        image = bench.load().synthesize(code).image
        if not image.requires_grad:
            raise Broken("The picture does not depend on the code.")
        (gradient,) = torch.autograd.grad(image.square().mean(), code, allow_unused=True)
    reached = gradient is not None and bool(gradient.isfinite().all()) and bool(gradient.ne(0).any())
    broken_if(not reached, "The code's gradient is missing, zero, or no number.")


@clause(
    expected="`save_memory` says truthfully whether it changed anything, and changes no gradient but by rounding.",
    matters="Where memory is short a run asks for it until the answer is no, and then goes on or gives up.",
    mend="Return True only the first time, or do not define `save_memory`.",
    needs=(gradients_reach_all,),
)
def save_memory(bench: Bench) -> str | None:
    plain, saving = thawed(bench), thawed(bench)
    if not saving.save_memory():
        return "nothing to trade"
    broken_if(saving.save_memory(), "A second call says again that it changed something.")
    for adapter in (plain, saving):
        loss_of(draw_for_training(adapter, 1)).backward()
    for (name, a), (_, b) in zip(plain.trainable_parameters(), saving.trainable_parameters(), strict=True):
        off = (_gradient(a) - _gradient(b)).abs().max() / _gradient(a).abs().max().clamp(min=1e-12)
        broken_if(off.item() > MEMORY_ROUNDING, f"The gradient of {name} is another, by {off.item():.1g} of its range.")
    return None


CLAUSES = (
    trainable,
    drawn_with_gradients,
    one_pass,
    gradients_reach_all,
    gradients_reach_nothing_else,
    gradient_of_code,
    save_memory,
)
