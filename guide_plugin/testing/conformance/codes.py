"""Where codes come from: shapes, and random numbers from the generator that was given and from nowhere else."""

from __future__ import annotations

import torch
from torch import Tensor

from guide_plugin.testing.conformance.bench import Bench, global_generator_alone, sample, seeded
from guide_plugin.testing.conformance.clause import Broken, broken_if, clause
from guide_plugin.testing.conformance.loading import device, latent_shape

MANY = 256


@clause(
    expected="`mean_latent` returns [1, *latent_shape] float32 on the adapter's device, all finite.",
    matters="The target of unlearning is built from the mean code.",
    mend="Return the mean code with a leading dimension of 1.",
    needs=(latent_shape, device),
)
def mean_latent(bench: Bench) -> None:
    _require_codes("`mean_latent()`", bench.adapter.mean_latent(), 1, bench)


@clause(
    expected="`sample_latents(n, rng)` returns [n, *latent_shape] float32 on the adapter's device, all finite.",
    matters="Bystanders, neighbours and rehearsal subjects are drawn with it.",
    mend="Draw with `torch.randn(n, …, generator=rng)` on the CPU, then move to `self.device`.",
    needs=(latent_shape, device),
)
def sample_latents(bench: Bench) -> None:
    for n in (1, 3):
        _require_codes(f"`sample_latents({n}, …)`", sample(bench.adapter, n), n, bench)


def _require_codes(call: str, codes: Tensor, n: int, bench: Bench) -> None:
    if not isinstance(codes, Tensor):
        raise Broken(f"{call} returned {type(codes).__name__}.")
    shape = (n, *bench.adapter.latent_shape)
    broken_if(tuple(codes.shape) != shape, f"{call} is {list(codes.shape)}, not {list(shape)}.")
    broken_if(codes.dtype != torch.float32, f"{call} is {codes.dtype}.")
    broken_if(codes.device != bench.adapter.device, f"{call} lies on {codes.device}.")
    broken_if(not bool(codes.isfinite().all()), f"{call} holds NaN or Inf.")


@clause(
    expected="The same seed gives the same codes, whatever torch's global generator has been through.",
    matters="`--seed 3` has to name the same person tomorrow, or an audit judges somebody else.",
    mend="Pass `generator=rng` to every call that draws random numbers.",
    needs=(sample_latents,),
)
def codes_repeat(bench: Bench) -> None:
    with torch.random.fork_rng(devices=[]):
        first = sample(bench.adapter, seed=5)
        torch.manual_seed(99)
        again = sample(bench.adapter, seed=5)
    broken_if(not torch.equal(first, again), "Two generators with the same seed gave different codes.")


@clause(
    expected="Codes of one call, of two calls, and of two seeds are different codes.",
    matters="If all random people are one, an audit that finds everybody else unchanged has looked at nobody.",
    mend="Draw anew from the given `rng` in every call, and let it advance.",
    needs=(codes_repeat,),
)
def codes_vary(bench: Bench) -> None:
    rng = seeded(5)
    with torch.no_grad():
        first, second = bench.adapter.sample_latents(3, rng), bench.adapter.sample_latents(3, rng)
    broken_if(torch.equal(first[0], first[1]), "The codes of one call are equal.")
    broken_if(torch.equal(first, second), "Two calls with the same generator gave the same codes.")
    broken_if(torch.equal(first, sample(bench.adapter, seed=6)), "Two seeds gave the same codes.")


@clause(
    expected="`sample_latents` and `mean_latent` leave torch's global generator alone.",
    matters="A resumed run is the same to the bit only if nobody draws, or sets a seed, behind its back.",
    mend="Remove calls of `torch.manual_seed`, and random numbers without `generator=rng`.",
    needs=(codes_vary, mean_latent),
)
def codes_global_rng(bench: Bench) -> None:
    with global_generator_alone():
        sample(bench.adapter)
        bench.adapter.mean_latent()


@clause(
    expected="The mean code lies in the middle of random codes: nearer to their mean than a random code does.",
    matters="The subject is moved away from their place through the mean code; a wrong one sends them anywhere.",
    mend="Return the mean of many codes that `sample_latents` gives; zeros only where those are centred there.",
    needs=(mean_latent, codes_vary),
)
def mean_in_the_middle(bench: Bench) -> str:
    codes = sample(bench.adapter, MANY)
    middle = codes.mean(dim=0, keepdim=True)
    spread = (codes - middle).flatten(1).norm(dim=1).mean().item()
    off = (bench.adapter.mean_latent() - middle).norm().item()
    found = f"{off / spread:.2f} times a random code's distance from the mean of {MANY} codes"
    broken_if(off >= spread, f"It lies {found}.")
    return found


@clause(
    expected="`sample_noise` returns None, or what `sample_latents` makes the very same codes from, with a gradient.",
    matters="Whoever searches for a person searches there too; searches elsewhere would be searches of another model.",
    mend="Have `sample_latents` call `sample_noise` and return `noise.to_codes(noise.z, noise.labels)`.",
    needs=(codes_repeat,),
)
def noise_makes_codes(bench: Bench) -> str:
    noise = bench.adapter.sample_noise(3, seeded(5))
    if noise is None:
        return "codes are made from nothing: searches go over codes alone"
    broken_if(noise.z.dim() != 2 or len(noise.z) != 3, f"`z` is {list(noise.z.shape)}, not [3, z_dim].")
    z = noise.z.detach().clone().requires_grad_(True)
    codes = noise.to_codes(z, noise.labels)
    drawn = sample(bench.adapter, 3, seed=5)
    broken_if(not torch.equal(codes.detach(), drawn), "`to_codes(z, labels)` gives other codes than `sample_latents`.")
    broken_if(not codes.requires_grad, "`to_codes` has no gradient with respect to `z`.")
    return f"{noise.z.shape[1]} numbers a code"


CLAUSES = (
    mean_latent,
    sample_latents,
    codes_repeat,
    codes_vary,
    codes_global_rng,
    mean_in_the_middle,
    noise_makes_codes,
)
