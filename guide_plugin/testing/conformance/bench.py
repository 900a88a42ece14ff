"""What the clauses look at: one adapter with one model, loaded and drawn once and shared by all of them."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from guide_plugin.adapter import Adapter, LocalCheckpoint, Match, RepoListing, Synthesis, View
from guide_plugin.hub.release import copy_into
from guide_plugin.testing.conformance.clause import Broken
from guide_plugin.testing.conformance.rewritten import Rewritten, rewrite
from guide_plugin.testing.conformance.torchless import Answer, ask
from guide_plugin.whole_files import sha256

CPU = torch.device("cpu")
CODES = 3
"""As few as have a first, a middle and a last one."""

NOT_ENTERED = (type, Tensor, FunctionType, ModuleType)
"""What a search for networks does not look into."""


class Bench:
    """An adapter on the bench.

    `adapter` is shared: whoever changes a model takes one of its own from `load`, since whether a deep copy is
    independent is itself in question.

    Args:
        folder, listing: where the model's files lie, and which they are.
        place: an empty folder for whatever a clause writes.
    """

    def __init__(self, adapter_class: type[Adapter], folder: Path, listing: RepoListing, place: Path) -> None:
        self.adapter_class, self.folder, self.listing, self.place = adapter_class, folder, listing, place

    @cached_property
    def claim(self) -> Match:
        """What the adapter says to the model."""
        claim = self.adapter_class.match(self.listing)
        if not isinstance(claim, Match):
            raise Broken(f"`match` returned {claim!r} for {', '.join(self.listing.files) or 'an empty listing'}.")
        return claim

    @cached_property
    def without_torch(self) -> dict[str, Answer]:
        """What the adapter's class does in a process without torch."""
        return ask(self.adapter_class, self.listing)

    def load(self, device: torch.device = CPU) -> Adapter:
        """Load the model anew."""
        return self.load_from(self.folder, self.claim.files, device)

    def load_from(self, folder: Path, files: tuple[str, ...], device: torch.device = CPU) -> Adapter:
        """Load a model of these files."""
        return self.adapter_class.load(LocalCheckpoint(folder, files), device)

    @cached_property
    def adapter(self) -> Adapter:
        return self.load()

    @cached_property
    def codes(self) -> Tensor:
        """Three random codes."""
        return sample(self.adapter)

    @cached_property
    def drawn(self) -> Synthesis:
        """Their pictures."""
        return draw(self.adapter, self.codes)

    @cached_property
    def rewritten(self) -> Rewritten:
        """The model with other weights, and saved; `digests` are taken before."""
        _ = self.digests
        return rewrite(self.load(), self.new_folder("saved"))

    @cached_property
    def digests(self) -> dict[str, str]:
        """SHA-256 of the model's files, by name."""
        return {file: self.digest(file) for file in self.claim.files}

    def digest(self, file: str) -> str:
        """Return the SHA-256 of one of the model's files as it is now."""
        return sha256(self.folder / file)

    @cached_property
    def copy(self) -> Path:
        """A folder with copies of the files that were claimed, which a clause may damage."""
        folder = self.new_folder("copy")
        copy_into(folder, self.folder, self.claim.files)
        return folder

    def new_folder(self, name: str) -> Path:
        """Make a folder for a clause to write into."""
        folder = self.place / name
        folder.mkdir()
        return folder


def seeded(seed: int) -> torch.Generator:
    """Return a CPU generator."""
    return torch.Generator().manual_seed(seed)


def sample(adapter: Adapter, n: int = CODES, seed: int = 0) -> Tensor:
    """Draw random codes, without gradient."""
    with torch.no_grad():
        return adapter.sample_latents(n, seeded(seed))


def draw(adapter: Adapter, codes: Tensor, view: View | None = None) -> Synthesis:
    """Draw codes without gradient; whatever the adapter does to its input, the caller's stays."""
    with torch.no_grad():
        return adapter.synthesize(codes.clone(), None if view is None else view.clone())


@contextmanager
def global_generator_alone() -> Iterator[None]:
    """Raise `Broken` if torch's global generator is drawn from, or set, in the block; what became of it is undone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(99)
        torch.rand(1)  # no seed alone leads here
        before = torch.random.get_rng_state()
        yield
        if not torch.equal(before, torch.random.get_rng_state()):
            raise Broken("torch's global generator was drawn from, or set.")


def apart(a: Tensor, b: Tensor) -> float:
    """Return the greatest difference of two pictures, or other tensors, in units of the range of the second."""
    a, b = a.detach().float().cpu(), b.detach().float().cpu()
    span = (b.max() - b.min()).clamp(min=1e-12)
    return ((a - b).abs().max() / span).item()


def modules_of(adapter: Adapter) -> Iterator[nn.Module]:
    """Yield every network that an adapter holds, in its attributes or in containers and objects there."""
    seen: set[int] = set()
    waiting: list[Any] = [adapter]
    while waiting:
        value = waiting.pop()
        if id(value) in seen or isinstance(value, NOT_ENTERED):
            continue
        seen.add(id(value))
        if isinstance(value, nn.Module):
            yield from value.modules()
            seen.update(map(id, value.modules()))
        if isinstance(value, dict):
            waiting += value.values()
        elif isinstance(value, list | tuple | set):
            waiting += value
        elif hasattr(value, "__dict__"):
            waiting += vars(value).values()


def parameters_of(adapter: Adapter) -> dict[int, tuple[str, nn.Parameter]]:
    """Return the parameters of every network that an adapter holds, with a name for messages, by identity."""
    found = {
        id(parameter): (f"{type(module).__name__}.{name}", parameter)
        for module in modules_of(adapter)
        for name, parameter in module.named_parameters(recurse=False)
    }
    return found | {id(parameter): (name, parameter) for name, parameter in adapter.trainable_parameters()}


def state_of(adapter: Adapter) -> dict[str, Tensor]:
    """Return copies of all parameters and buffers that an adapter's networks hold."""
    return {
        f"{type(module).__name__} {i}: {name}": copy.deepcopy(tensor.detach())
        for i, module in enumerate(modules_of(adapter))
        for name, tensor in [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]
    }
