"""Encoders come through a hook, are checked, and fail under their plugin's name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor

from guide_plugin import PluginError, PluginHost, UsageError, hookimpl
from guide_plugin.errors import PluginWarning
from guide_plugin.plan import load_encoder

CPU, SHAPE = torch.device("cpu"), (4, 8)


def plugin(name: str, encode: Callable[[Tensor], Any], seen: list[Path | None] | None = None) -> ModuleType:
    """Return a plugin with one encoder, named like the plugin."""

    def load(weights: Path | None, device: torch.device) -> Callable[[Tensor], Any]:
        if seen is not None:
            seen.append(weights)
        return encode

    def unlearn_register_encoders(register: Any) -> None:
        register(name, load, "a toy")

    module = ModuleType(name)
    module.unlearn_register_encoders = hookimpl(unlearn_register_encoders)  # type: ignore[attr-defined]
    return module


def brightness(images: Tensor) -> Tensor:
    return images.mean(dim=(1, 2, 3)).view(-1, 1, 1).expand(-1, *SHAPE)


def broken(images: Tensor) -> Tensor:
    raise ZeroDivisionError("inside")


def test_an_encoder_is_found_by_name_with_its_file() -> None:
    seen: list[Path | None] = []
    host = PluginHost(also=[plugin("toy", brightness, seen)])
    assert host.encoders["toy"].plugin == "toy"
    images = torch.stack([torch.full((3, 5, 5), value) for value in (-0.5, 0.25)])
    codes = load_encoder("toy:weights.pt", host, CPU, SHAPE)(images)
    assert codes.shape == (2, *SHAPE)
    assert codes[:, 0, 0].tolist() == [-0.5, 0.25]
    load_encoder("toy", host, CPU, SHAPE)
    assert seen == [Path("weights.pt"), None]


def test_an_unknown_encoder_is_told_with_those_known() -> None:
    with pytest.raises(UsageError, match=r"no encoder named goae\. Known: none; plugins bring them"):
        PluginHost().encoder("goae")
    with pytest.raises(UsageError, match="Known: toy"):
        PluginHost(also=[plugin("toy", brightness)]).encoder("goae")


@pytest.mark.parametrize(
    ("encode", "told"),
    [
        (broken, "Plugin toy failed to encode pictures with toy: ZeroDivisionError"),
        (lambda images: images, r"encoder toy of plugin toy gave codes of shape \(1, 3, 5, 5\)"),
        (lambda images: brightness(images) / 0, "NaN or Inf"),
        (lambda images: "a code", r"of shape \(\)"),
    ],
)
def test_what_an_encoder_does_wrong_is_told_with_its_plugin(encode: Callable[[Tensor], Any], told: str) -> None:
    encoder = load_encoder("toy", PluginHost(also=[plugin("toy", encode)]), CPU, SHAPE)
    with pytest.raises(PluginError, match=told):
        encoder(torch.zeros(1, 3, 5, 5))


def test_an_encoder_that_cannot_be_loaded_is_told_with_its_plugin() -> None:
    module = ModuleType("lazy")

    def unlearn_register_encoders(register: Any) -> None:
        register("lazy", lambda weights, device: {}["gone"], "a toy")

    module.unlearn_register_encoders = hookimpl(unlearn_register_encoders)  # type: ignore[attr-defined]
    with pytest.raises(PluginError, match="Plugin lazy failed to load the encoder lazy: KeyError"):
        load_encoder("lazy", PluginHost(also=[module]), CPU, SHAPE)


def test_a_name_that_is_taken_disables_the_second_plugin() -> None:
    first, second = plugin("toy", brightness), plugin("toy", broken)
    second.__name__ = "other"
    with pytest.warns(PluginWarning, match="other is disabled.*the name toy is taken"):
        host = PluginHost(also=[first, second])
    assert host.encoders["toy"].plugin == "toy"
