"""The adapter keeps the contract."""

from __future__ import annotations

from pathlib import Path

from guide_plugin import PluginHost
from guide_plugin.testing import check_adapter

from dcgan.adapter import DcganAdapter
from dcgan.tiny_model import write_tiny_model


def test_the_contract_is_kept(tmp_path: Path) -> None:
    report = check_adapter(DcganAdapter, write_tiny_model(tmp_path / "model"))
    assert report.passed, str(report)


def test_it_is_registered() -> None:
    assert PluginHost().adapter("dcgan") is DcganAdapter
