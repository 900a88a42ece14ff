"""Seconds to load a checkpoint beside `torch.load(weights_only=True)` of the same tensors; `--benchmark-only`."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture
from safetensors.torch import save_file

from guide_plugin import LocalCheckpoint
from hub_adapters.stylegan2.adapter import StyleGAN2
from hub_adapters.stylegan2.network import Generator
from tests import checkpoint_files as files

CPU = torch.device("cpu")
REAL_SIZE = {"z_dim": 512, "c_dim": 0, "w_dim": 512, "img_resolution": 256, "mapping_layers": 8}
REAL_SIZE |= {"channel_base": 16384, "channel_max": 512}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write one generator of realistic size in every format."""
    folder = tmp_path_factory.mktemp("real-size")
    generator = files.random_generator(Generator, REAL_SIZE)
    content = {"g_ema": files.rosinality_names(generator), "latent_avg": generator.mapping.w_avg}
    torch.save(generator.state_dict(), folder / "plain")
    files.write_torch(folder / "rosinality.pt", content)
    (folder / "network.pkl").write_bytes(files.dump({"G_ema": files.pickled_generator(generator, REAL_SIZE)}))
    save_file(generator.state_dict(), folder / "bare.safetensors")
    return folder


@pytest.mark.benchmark(group="load")
def test_torch_load(folder: Path, benchmark: BenchmarkFixture) -> None:
    benchmark.pedantic(lambda: torch.load(folder / "plain", weights_only=True), rounds=10, warmup_rounds=2)


@pytest.mark.benchmark(group="load")
@pytest.mark.parametrize("name", ["network.pkl", "rosinality.pt", "bare.safetensors"])
def test_ours(folder: Path, benchmark: BenchmarkFixture, name: str) -> None:
    benchmark.pedantic(lambda: StyleGAN2.load(LocalCheckpoint(folder, (name,)), CPU), rounds=10, warmup_rounds=2)
