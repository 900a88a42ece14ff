"""The conformance kit: our adapters keep the contract, and a planted fault is found by the clause meant for it."""

from __future__ import annotations

import copy
import json
import pickle
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from guide_plugin import Adapter, AdapterError, LocalCheckpoint, Match, RepoListing, Saved, UsageError
from guide_plugin.hub.source import match, pull
from guide_plugin.testing import CheckReport, check_adapter
from guide_plugin.testing.conformance.runner import CLAUSES
from hub_adapters.eg3d.adapter import EG3D
from hub_adapters.stylegan2.adapter import StyleGAN2
from hub_adapters.stylegan3.adapter import StyleGAN3
from tests import checkpoint_files as files
from tests.broken_adapters import FAULTS
from tests.broken_adapters.models import MatchWithTorch
from tests.conftest import DEMO_MODEL, Run
from tests.test_eg3d_adapter import write_pickle
from tests.torch_at_the_top import TorchAtTheTop
from tests.toy_adapter import Flat, Toy, TrainsFromSidesAlone, write_toy

PLANTED = [*FAULTS, ("import-without-torch", TorchAtTheTop)]
WITHOUT_CUDA = {"other-device", "saved-elsewhere"}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Compute with one thread: networks this small lose more by waiting for one another than they gain."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


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
    found = require_conformance(EG3D, calmed(EG3D, tmp_path / "wild", "network.pkl", tmp_path / "calm"))
    assert found["audit-views"] == "passed: 11 views"


@pytest.mark.parametrize("as_zip", [True, False])
def test_our_adapters_keep_the_contract_with_torch_files(as_zip: bool, tmp_path: Path) -> None:
    network, config = files.GENERATORS["stylegan2"]
    content = files.rosinality_content(files.random_generator(network, config), config)
    files.write_torch(tmp_path / "model.pt", content, as_zip)
    require_conformance(StyleGAN2, calmed(StyleGAN2, tmp_path, "model.pt", tmp_path / "calm"))


@pytest.mark.parametrize("adapter", [Toy, TrainsFromSidesAlone, Flat])
def test_what_is_left_to_the_adapter_is_no_fault(adapter: type[Toy], toy: Path) -> None:
    found = require_conformance(adapter, toy)
    has_views = adapter is not Flat
    assert found["views-matter"] == f"passed: {'as expected' if has_views else 'the backbone has no views'}"
    assert ("not known here" in found["alignment"]) == (adapter is Flat)


@pytest.mark.parametrize(
    ("adapter", "clause", "where"),
    [
        (TorchAtTheTop, "import-without-torch", r"torch is imported in torch_at_the_top\.py, line 5\."),
        (MatchWithTorch, "match-without-torch", r"torch is imported in models\.py, line \d+\."),
    ],
)
def test_whoever_imports_torch_is_named(adapter: type[Toy], clause: str, where: str, toy: Path) -> None:
    assert re.fullmatch(f"failed: {where}", told(check_adapter(adapter, toy))[clause])


def test_a_class_of_no_module_is_not_imported_elsewhere(toy: Path) -> None:
    class Local(Toy):
        """Stands in a function."""

    found = told(check_adapter(Local, toy))
    for clause in ("import-without-torch", "match-without-torch"):
        assert found[clause].startswith("skipped: the class does not stand in a module")


def test_a_fault_is_told_with_the_line_in_which_it_was_raised(toy: Path) -> None:
    class Cannot(Toy):
        """Loads nothing."""

        @classmethod
        def load(cls, checkpoint: LocalCheckpoint, device: torch.device) -> Any:
            raise KeyError("G_ema")

    report = check_adapter(Cannot, toy)
    assert report.failed == ("load",)
    assert "found     KeyError: 'G_ema' (test_conformance.py, line " in str(report)
    assert "\n– device: not run, depends on load\n" in str(report)


def test_the_checkpoint_is_only_read(toy: Path) -> None:
    before = {path: path.read_bytes() for path in toy.rglob("*")}
    for checkpoint in (toy, LocalCheckpoint(toy, ("config.json", "weights.pt"))):
        assert check_adapter(Toy, checkpoint).passed
    assert {path: path.read_bytes() for path in toy.rglob("*")} == before


def test_nothing_to_check_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no folder"):
        check_adapter(Toy, tmp_path / "nowhere")


def test_the_kit_needs_no_loopback_hub() -> None:
    code = "import sys, guide_plugin.testing as t; t.check_adapter; t.CheckReport; print(*sys.modules, sep='\\n')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"starlette", "uvicorn", "dulwich"} & set(done.stdout.split())


def test_the_command_lists_what_was_found(run: Run, own_tiny_model: Path) -> None:
    said = run("check", "stylegan2", own_tiny_model)
    assert said.code == 4  # random weights draw no pictures
    assert "✓ one-pass\n" in said.out
    assert "✗ image-range\n    expected  `image` lies in [-1, 1]" in said.out
    assert said.out.splitlines()[-1].startswith("stylegan2: ")
    assert "Checking stylegan2" in said.err
    assert "Error: stylegan2 breaks the contract: image-range." in said.err


def test_the_command_in_json_with_a_trained_model(run: Run) -> None:
    said = run("check", "stylegan2", DEMO_MODEL, "--json")
    assert said.code == 0
    told = json.loads(said.out)
    assert (told["adapter"], told["passed"]) == ("stylegan2", True)
    found = {entry["name"]: entry["found"] for entry in told["results"]}
    assert found.keys() == {clause.name for clause in CLAUSES}
    assert found["alignment"] == "ffhq"
    assert found["format-kept"] == "config.json: JSON, model.safetensors: safetensors"
    assert found["audit-views"] == "the backbone has no views"


@pytest.mark.parametrize(
    ("name", "path", "sentence"), [("stylegan9", ".", "no adapter named stylegan9"), ("eg3d", "x", "There is no x")]
)
def test_the_command_without_adapter_or_model(name: str, path: str, sentence: str, run: Run) -> None:
    said = run("check", name, path)
    assert said.code == 2
    assert sentence in said.err


def test_one_adapters_refusal_leaves_the_model_to_another(tmp_path: Path) -> None:
    class Words(Toy):
        """Claims what the StyleGANs refuse."""

        @classmethod
        def match(cls, listing: RepoListing) -> Match | None:
            return Match(("words.pkl",), "words") if "words.pkl" in listing.files else None

    (tmp_path / "words.pkl").write_bytes(pickle.dumps(["a", "b"]))
    with pytest.raises(AdapterError, match="holds no networks"):
        match(pull(str(tmp_path)), {"stylegan2": StyleGAN2})
    assert match(pull(str(tmp_path)), {"stylegan2": StyleGAN2, "words": Words})[0] is Words


class OtherPeopleOnCuda(Toy):
    """Draws random numbers where it computes."""

    def sample_latents(self, n: int, rng: torch.Generator) -> torch.Tensor:
        there = torch.Generator(self.device).manual_seed(int(torch.randint(1 << 40, (), generator=rng)))
        return self.network.mapping(torch.randn(n, 4, generator=there, device=self.device))


class SavesCoarselyFromCuda(Toy):
    """Writes what it computes with on a GPU: eighths."""

    def save(self, folder: Path) -> Saved:
        coarse = copy.deepcopy(self)
        if self.device.type == "cuda":
            for tensor in coarse.network.state_dict().values():
                tensor.mul_(8).round_().div_(8)
        return Toy.save(coarse, folder)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
@pytest.mark.parametrize(
    ("clause", "adapter"), [("other-device", OtherPeopleOnCuda), ("saved-elsewhere", SavesCoarselyFromCuda)]
)
def test_a_fault_on_cuda_is_found_by_its_clause_alone(clause: str, adapter: type[Toy], toy: Path) -> None:
    assert check_adapter(adapter, toy).failed == (clause,)
