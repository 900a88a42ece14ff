"""Other places and precisions to compute in: a CUDA device, and bfloat16 where a run asks for it."""

from __future__ import annotations

import torch
from torch import Tensor

from guide_plugin.adapter import Adapter
from guide_plugin.testing.conformance.bench import Bench, apart, draw, sample
from guide_plugin.testing.conformance.clause import NotHere, broken_if, clause
from guide_plugin.testing.conformance.gradients import gradients_reach_all, loss_of, thawed
from guide_plugin.testing.conformance.saving import saved_and_loaded

DEVICE_ROUNDING, BF16_ROUNDING = 0.02, 0.05
"""Of the pictures' range, on average over a picture; convolutions on CUDA may round to 10 bits, bfloat16 to 8."""

CODE_ROUNDING = 1e-2
"""Of the codes' range."""


@clause(
    expected="Under autocast to bfloat16, pictures and gradients are finite, and pictures near those in float32.",
    matters="`--precision bf16` halves time and memory on a GPU; without this it ends in NaN.",
    mend="Keep norms, exponentials and the last layer in float32, and bring inputs to the weights' type.",
    needs=(gradients_reach_all,),
)
def bfloat16(bench: Bench) -> str:
    student = thawed(bench)
    with torch.autocast("cpu", torch.bfloat16):
        drawn = student.synthesize(bench.codes[:1].clone())
        loss = loss_of(drawn)
    broken_if(not bool(drawn.image.isfinite().all()), "A picture holds NaN or Inf.")
    loss.backward()
    gradients = [parameter.grad for _, parameter in student.trainable_parameters() if parameter.grad is not None]
    broken_if(not all(bool(gradient.isfinite().all()) for gradient in gradients), "A gradient holds NaN or Inf.")
    return _require_near(drawn.image, bench.drawn.image[:1], BF16_ROUNDING)


@clause(
    expected="On a CUDA device, `load` gives the same codes as on the CPU, and pictures like those, to rounding.",
    matters="A person named by a seed must be the same one on every machine.",
    mend="Draw random numbers on the CPU; move network, buffers and views to `self.device`.",
    needs=(gradients_reach_all,),
)
def other_device(bench: Bench) -> str:
    adapter = _on_cuda(bench)
    broken_if(adapter.device.type != "cuda", f"`device` is {adapter.device}.")
    codes, views = sample(adapter), adapter.audit_views()
    away = [tensor.device.type for tensor in (codes, adapter.mean_latent(), views) if tensor is not None]
    broken_if(set(away) != {"cuda"}, "Codes or views lie elsewhere.")
    broken_if(apart(codes, bench.codes) > CODE_ROUNDING, "The same seed gives other codes.")
    return _require_near(draw(adapter, bench.codes.to(adapter.device)).image, bench.drawn.image, DEVICE_ROUNDING)


@clause(
    expected="What is saved on a CUDA device loads on the CPU, and draws the same to rounding.",
    matters="Models are redacted on a GPU, and opened by people who have none.",
    mend="Bring tensors to the CPU before they are written.",
    needs=(other_device, saved_and_loaded),
)
def saved_elsewhere(bench: Bench) -> str:
    folder = bench.new_folder("from-cuda")
    _on_cuda(bench).save(folder)
    again = bench.load_from(folder, bench.claim.files)
    return _require_near(draw(again, bench.codes).image, bench.drawn.image, DEVICE_ROUNDING)


def _on_cuda(bench: Bench) -> Adapter:
    if not torch.cuda.is_available():
        raise NotHere("this machine has no CUDA device")
    return bench.load(torch.device("cuda"))


def _require_near(image: Tensor, expected: Tensor, rounding: float) -> str:
    image = image.detach().float().cpu()
    span = (expected.max() - expected.min()).clamp(min=1e-12)
    far = ((image - expected).abs().mean() / span).item()
    found = f"a difference of {far:.1g} of the range on average"
    broken_if(far > rounding, f"There is {found}.")
    return found


CLAUSES = (bfloat16, other_device, saved_elsewhere)
