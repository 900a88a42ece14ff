"""The conformance kit: our own adapters keep the contract, and each planted fault is found by the clause meant for it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from guide_plugin import Adapter, LocalCheckpoint, UsageError
from guide_plugin.hub.source import match, pull
from guide_plugin.testing import CheckReport, check_adapter
from guide_plugin.testing.conformance.runner import CLAUSES
from hub_adapters.eg3d.adapter import EG3D
from hub_adapters.stylegan2.adapter import StyleGAN2
from hub_adapters.stylegan3.adapter import StyleGAN3
from tests import checkpoint_files as files
from tests.broken_adapters import FAULTS
from tests.conftest import REPOSITORY, Run
from tests.test_eg3d_adapter import write_pickle
from tests.torch_at_the_top import TorchAtTheTop
from tests.toy_adapter import Toy, write_toy

MODELS = REPOSITORY / "examples" / "models"
PLANTED = [*FAULTS, ("import-without-torch", TorchAtTheTop)]
WITHOUT_CUDA = {"other-device", "saved-elsewhere"}


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    return write_toy(tmp_path / "toy")


def told(report: CheckReport) -> dict[str, str]:
    return {result.name: f"{result.result}: {result.found}" for result in report.results}


@pytest.mark.parametrize(("clause", "adapter"), PLANTED, ids=lambda given: getattr(given, "__name__", given))
def test_a_planted_fault_is_found_by_its_clause_alone(clause: str, adapter: type[Toy], toy: Path) -> None:
    report = check_adapter(adapter, toy)
    assert report.failed == (clause,), report
    for result in report.results:
        sentences = (result.expected, result.matters, result.mend)
        assert all(sentence.endswith(".") for sentence in sentences), result.name
        if result.result == "not run":
            assert result.found == f"depends on {clause}"


def test_there_is_a_planted_fault_for_every_clause() -> None:
    assert {clause for clause, _ in PLANTED} == {clause.name for clause in CLAUSES} - WITHOUT_CUDA
    for i, clause in enumerate(CLAUSES):
        assert set(clause.needs) <= set(CLAUSES[:i]), f"{clause.name} is looked at before what it builds on"


def calmed(adapter: Any, source: Path, name: str, folder: Path) -> LocalCheckpoint:
    """Save a model of random weights as if it were trained: colours in range, the mean code in the middle."""
    model = adapter.load(LocalCheckpoint(source, (name,)), torch.device("cpu"))
    with torch.no_grad():
        for of, parameter in model.generator.named_parameters():
            if "torgb." in of and "affine" not in of:
                parameter.mul_(0.15)
        if not isinstance(model, EG3D):
            codes = model.sample_latents(4096, torch.Generator().manual_seed(0))
            model.generator.mapping.w_avg.copy_(codes.mean(dim=0)[0])
    folder.mkdir()
    model.save(folder)
    return LocalCheckpoint(folder, (name,))


def require_conformance(adapter: type[Adapter], checkpoint: Path | LocalCheckpoint) -> dict[str, str]:
    """Check that nothing is wrong, and that all was looked at which this machine can look at."""
    report = check_adapter(adapter, checkpoint)
    assert report.passed, str(report)
    left_out = {result.name for result in report.results if result.result != "passed"}
    assert left_out == (set() if torch.cuda.is_available() else WITHOUT_CUDA)
    return told(report)


@pytest.mark.parametrize(
    ("adapter", "model"), [(StyleGAN2, "synthetic-faces"), (EG3D, "synthetic-heads")], ids=["stylegan2", "eg3d"]
)
def test_our_adapters_keep_the_contract_with_our_models(adapter: type[Adapter], model: str) -> None:
    found = require_conformance(adapter, MODELS / model)
    assert found["format-kept"] == "passed: config.json: JSON, model.safetensors: safetensors"
    assert found["audit-views"] == ("passed: 11 views" if adapter is EG3D else "passed: the backbone has no views")


@pytest.mark.parametrize("kind", ["stylegan2", "stylegan3-t", "stylegan3-r"])
def test_our_adapters_keep_the_contract_with_network_pickles(kind: str, tmp_path: Path) -> None:
    network, config = files.GENERATORS[kind]
    files.write_nvidia(tmp_path / "network.pkl", files.random_generator(network, config), config)
    adapter = StyleGAN2 if kind == "stylegan2" else StyleGAN3
    found = require_conformance(adapter, calmed(adapter, tmp_path, "network.pkl", tmp_path / "calm"))
    assert found["format-kept"] == "passed: network.pkl: pickle"


def test_our_adapters_keep_the_contract_with_a_pickle_of_eg3d(tmp_path: Path) -> None:
    (tmp_path / "wild").mkdir()
    write_pickle(tmp_path / "wild")
    require_conformance(EG3D, calmed(EG3D, tmp_path / "wild", "network.pkl", tmp_path / "calm"))


@pytest.mark.parametrize("as_zip", [True, False])
def test_our_adapters_keep_the_contract_with_torch_files(as_zip: bool, tmp_path: Path) -> None:
    network, config = files.GENERATORS["stylegan2"]
    content = files.rosinality_content(files.random_generator(network, config), config)
    files.write_torch(tmp_path / "model.pt", content, as_zip)
    require_conformance(StyleGAN2, calmed(StyleGAN2, tmp_path, "model.pt", tmp_path / "calm"))
