"""What `synthesize` gives for a few codes: pictures and features, the same ones every time."""

from __future__ import annotations

import torch
from torch import Tensor

from guide_plugin.testing.conformance.bench import CODES, CPU, Bench, draw, global_generator_alone, sample, state_of
from guide_plugin.testing.conformance.clause import Broken, broken_if, clause
from guide_plugin.testing.conformance.codes import mean_latent, sample_latents
from guide_plugin.testing.conformance.loading import evaluation_mode

BEYOND, MOST_BEYOND = 1.5, 0.01
"""Generators overshoot [-1, 1] a little; as many values as this may lie beyond ±1.5."""


@clause(
    expected="`synthesize(w)` returns a `Synthesis(image, features)` of two tensors, without being given a view.",
    matters="Unlearning compares both, and audits draw without a view where there is none.",
    mend="Return `guide_plugin.Synthesis(image, features)`, and choose a view of your own where none is given.",
    needs=(sample_latents,),
)
def draws(bench: Bench) -> None:
    drawn = bench.drawn
    tensors = isinstance(drawn, tuple) and len(drawn) == 2 and all(isinstance(part, Tensor) for part in drawn)
    broken_if(not tensors or not hasattr(drawn, "image"), f"`synthesize` returned {type(drawn).__name__}.")


@clause(
    expected="`image` is [n, 3, H, W].",
    matters="Recognisers and reports take colour pictures of this layout.",
    mend="Bring channels to the second place; repeat a grey picture three times.",
    needs=(draws,),
)
def image_shape(bench: Bench) -> str:
    shape = tuple(bench.drawn.image.shape)
    broken_if(len(shape) != 4 or shape[:2] != (CODES, 3), f"{CODES} codes gave {list(shape)}.")
    return f"{shape[3]}×{shape[2]}"


@clause(
    expected="`image` is float32 on the adapter's device.",
    matters="Pictures in half precision are too coarse for the small differences that an audit measures.",
    mend="End `synthesize` with `image.float()`, and keep it on the device.",
    needs=(draws,),
)
def image_dtype(bench: Bench) -> None:
    image = bench.drawn.image
    broken_if(image.dtype != torch.float32 or image.device != CPU, f"It is {image.dtype} on {image.device}.")


@clause(
    expected="No picture and no feature of a random code holds NaN or Inf.",
    matters="One NaN in a loss makes every weight NaN in one step.",
    mend="Look for a division by zero or a logarithm in the network, or for weights read in the wrong order.",
    needs=(draws,),
)
def finite(bench: Bench) -> None:
    for name, tensor in bench.drawn._asdict().items():
        broken_if(not bool(tensor.isfinite().all()), f"`{name}` holds NaN or Inf.")


@clause(
    expected="`image` lies in [-1, 1], -1 black and 1 white; networks may overshoot a little.",
    matters="In another range recognisers see washed-out or saturated faces, and take everybody for the same person.",
    mend="Bring [0, 1] to `2 * image - 1`, and [0, 255] to `image / 127.5 - 1`.",
    needs=(finite, image_dtype),
)
def image_range(bench: Bench) -> str:
    image = bench.drawn.image
    low, high = image.min().item(), image.max().item()
    found = f"from {low:.2f} to {high:.2f}"
    beyond = (image.abs() > BEYOND).float().mean().item()
    broken_if(beyond > MOST_BEYOND, f"Values go {found}, {beyond:.0%} of them beyond ±{BEYOND}.")
    broken_if(low >= 0, f"Values go {found}, none below 0.")
    return found


@clause(
    expected="`features` has one row for each code, of floating-point numbers, on the adapter's device.",
    matters="Features are compared code by code; other rows compare one person with another.",
    mend="Return what the last layers draw from, [n, …], not a mean over the batch.",
    needs=(draws,),
)
def features_rows(bench: Bench) -> str:
    features = bench.drawn.features
    rows = features.shape[0] if features.dim() else 0
    broken_if(rows != CODES or features.dim() < 2, f"{CODES} codes gave {list(features.shape)}.")
    usable = features.is_floating_point() and features.device == CPU
    broken_if(not usable, f"They are {features.dtype} on {features.device}.")
    return str(list(features.shape))


@clause(
    expected="`synthesize` does not change the codes that it is given.",
    matters="Student and teacher are given the same tensor; the second one would draw somebody else.",
    mend="Replace operations in place (`w -= …`, `w.add_`) by ones that make a new tensor.",
    needs=(draws,),
)
def codes_untouched(bench: Bench) -> None:
    given = bench.codes.clone()
    with torch.no_grad():
        bench.adapter.synthesize(given)
    broken_if(not torch.equal(given, bench.codes), "The codes were changed in place.")


@clause(
    expected="The same codes give the same pictures and features, bit for bit.",
    matters="With noise in the pictures nobody can tell what unlearning changed from what chance did.",
    mend="Use constant noise, kept in a buffer, and leave dropout and random samples away.",
    needs=(image_shape, finite, features_rows, evaluation_mode),
)
def same_picture(bench: Bench) -> None:
    for name, again in draw(bench.adapter, bench.codes)._asdict().items():
        broken_if(not torch.equal(again, getattr(bench.drawn, name)), f"`{name}` differs between two calls.")


@clause(
    expected="`synthesize` leaves torch's global generator alone.",
    matters="A picture between two steps of training would change what the next step draws.",
    mend="Do not fix noise with `torch.manual_seed`; keep it in a buffer, or use a generator of your own.",
    needs=(same_picture,),
)
def drawing_global_rng(bench: Bench) -> None:
    with global_generator_alone():
        draw(bench.adapter, bench.codes)


@clause(
    expected="Drawing and sampling change no weight and no buffer.",
    matters="A redacted model differs from its original where it was trained, and nowhere because it was looked at.",
    mend="Update no running means in `synthesize` and `sample_latents`.",
    needs=(same_picture,),
)
def drawing_changes_nothing(bench: Bench) -> None:
    adapter = bench.load()
    before = state_of(adapter)
    draw(adapter, sample(adapter))
    changed = [name for name, tensor in state_of(adapter).items() if not torch.equal(tensor, before[name])]
    broken_if(bool(changed), f"Changed: {', '.join(changed[:3])}.")


@clause(
    expected="A code that was expanded to several without copying can be drawn: `mean_latent().expand(3, …)`.",
    matters="Searches for a person start from the mean code, expanded so.",
    mend="Use `reshape` where the code is brought to another shape with `view`.",
    needs=(codes_untouched, mean_latent),
)
def expanded_code(bench: Bench) -> None:
    expanded = bench.adapter.mean_latent().expand(CODES, *bench.adapter.latent_shape)
    with torch.no_grad():
        rows = len(bench.adapter.synthesize(expanded).image)
    if rows != CODES:
        raise Broken(f"{CODES} codes gave {rows} pictures.")


CLAUSES = (
    draws,
    image_shape,
    image_dtype,
    finite,
    image_range,
    features_rows,
    codes_untouched,
    same_picture,
    drawing_global_rng,
    drawing_changes_nothing,
    expanded_code,
)
