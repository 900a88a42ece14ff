"""From a seed or a file to a checked code."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from guide_plugin.adapter import LocalCheckpoint
from guide_plugin.errors import UsageError
from guide_plugin.recipe import SubjectChoice
from guide_plugin.subject import find_subject, read_code
from hub_adapters.checkpoints.model import CONFIG, WEIGHTS
from hub_adapters.stylegan2.adapter import StyleGAN2

SHAPE = (4, 8)


@pytest.mark.parametrize("shape", [(1, 4, 8), (4, 8), (8,), (1, 8), (1, 1, 8)])
@pytest.mark.parametrize("kind", [".npy", ".safetensors", ".pt"])
def test_every_spelling_of_a_code_is_read(tmp_path: Path, shape: tuple[int, ...], kind: str) -> None:
    code = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    path = tmp_path / f"code{kind}"
    if kind == ".npy":
        np.save(path, code.double().numpy())
    elif kind == ".pt":
        torch.save({"w": code, "other": torch.zeros(1)}, path)
    else:
        save_file({"anything": code}, path)
    w = read_code(path, SHAPE)
    assert w.dtype == torch.float32
    assert torch.equal(w, code.reshape(1, -1, 8).expand(1, *SHAPE))


@pytest.mark.parametrize("shape", [(5, 8), (4, 9), (2, 4, 8), (8, 4), (), (0,)])
def test_another_shape_is_refused_with_both_shapes(tmp_path: Path, shape: tuple[int, ...]) -> None:
    np.save(tmp_path / "code.npy", np.zeros(shape))
    with pytest.raises(UsageError, match="this generator's codes are 4 × 8"):
        read_code(tmp_path / "code.npy", SHAPE)


def test_nan_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "code.npy", np.full(SHAPE, np.nan))
    with pytest.raises(UsageError, match="NaN or Inf"):
        read_code(tmp_path / "code.npy", SHAPE)


def test_text_and_object_arrays_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "code.npy", np.array(["jane"] * 8))
    with pytest.raises(UsageError, match="cannot be read"):
        read_code(tmp_path / "code.npy", SHAPE)
    np.save(tmp_path / "code.npy", np.array([{}] * 8, dtype=object), allow_pickle=True)
    with pytest.raises(UsageError, match="cannot be read"):
        read_code(tmp_path / "code.npy", SHAPE)


class Bomb:
    def __init__(self, sentinel: Path) -> None:
        self.sentinel = sentinel

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.touch, (self.sentinel,)


@pytest.mark.parametrize("kind", [".pt", ".npy"])
def test_a_pickle_that_runs_code_is_refused_and_not_run(tmp_path: Path, kind: str) -> None:
    sentinel = tmp_path / "ran"
    (tmp_path / f"code{kind}").write_bytes(pickle.dumps(Bomb(sentinel)))
    with pytest.raises(UsageError, match="cannot be read"):
        read_code(tmp_path / f"code{kind}", SHAPE)
    assert not sentinel.exists()


def test_messages_do_not_name_the_file(tmp_path: Path) -> None:
    for name in ("jane-doe.npy", "jane-doe.jpg", "jane-doe.pt"):
        with pytest.raises(UsageError) as refused:
            read_code(tmp_path / name, SHAPE)
        assert "jane" not in str(refused.value)


def test_several_tensors_without_w_are_refused(tmp_path: Path) -> None:
    save_file({"a": torch.zeros(8), "b": torch.zeros(8)}, tmp_path / "code.safetensors")
    with pytest.raises(UsageError, match="holds 2 tensors"):
        read_code(tmp_path / "code.safetensors", SHAPE)


def test_seeds_name_people_and_none_rehearses(tiny_model: Path) -> None:
    adapter = StyleGAN2.load(LocalCheckpoint(tiny_model, (CONFIG, WEIGHTS)), torch.device("cpu"))
    three, again = (find_subject(SubjectChoice(seed=3), adapter) for _ in range(2))
    assert torch.equal(three.code, again.code)
    assert three.kind == "seed"
    assert not torch.equal(three.code, find_subject(SubjectChoice(seed=4), adapter).code)
    assert find_subject(SubjectChoice(), adapter).kind == "rehearsal"
