"""FID_pre and ΔFID_real: the redacted generator's pictures beside the original's and beside real ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from guide_plugin.adapter import Adapter
from guide_plugin.audit.fidelity import Features, sampled_features
from guide_plugin.audit.frechet import Gaussian, Moments, frechet_distance, read_statistics
from guide_plugin.errors import UnlearnError
from guide_plugin.evaluation.record import PAPERS_SAMPLES, Figure
from guide_plugin.vision.inception import WIDTH, load_inception

SEED = 0
NETWORK = "pytorch-fid's Inception"


class Fidelity:
    """The Fréchet distances of one evaluation; the original generator's pictures are looked at once.

    Args:
        samples: random people of each generator; 0 measures nothing.
        inception: the feature network's weights; by default those in torch's cache, or fetched.
        statistics: of real pictures, see `read_statistics`.

    Raises:
        UnlearnError: a file that was named, or the package for it, cannot be used. What was not named and cannot be
            had is no error: the figures say why they were not measured.
    """

    def __init__(self, samples: int, inception: Path | None, statistics: Path | None, device: torch.device) -> None:
        self.samples = samples
        self.features: Features | None = None
        self.missing = "no samples were asked for (--samples 0)"
        self.real: Gaussian | None = None
        self.before: Gaussian | None = None
        if samples:
            try:
                self.features = load_inception(inception, device)
            except UnlearnError as error:
                if inception:
                    raise
                self.missing = str(error)
        if statistics and self.features:
            self.real = read_statistics(statistics, WIDTH)

    def measure(self, before: Adapter, after: Adapter, told: Callable[[int, int], None]) -> tuple[Figure, Figure]:
        """Return FID_pre and ΔFID_real; `told` hears how many pictures are done, of how many."""
        if self.features is None:
            missing = Figure(not_measured=self.missing)
            return missing, missing
        total = self.samples if self.before else 2 * self.samples
        if self.before is None:
            self.before = self._look(before, 0, total, told)
        now = self._look(after, total - self.samples, total, told)
        fid_pre = self._figure(frechet_distance(self.before, now))
        if self.real is None:
            return fid_pre, Figure(not_measured="no statistics of real pictures were named (--real-statistics FILE)")
        apart = frechet_distance(self.real, now) - frechet_distance(self.real, self.before)
        return fid_pre, self._figure(apart)

    def _figure(self, value: float) -> Figure:
        as_published = self.samples == PAPERS_SAMPLES
        return Figure(value=value, measured_by=NETWORK, samples=self.samples, as_published=as_published)

    def _look(self, adapter: Adapter, done: int, total: int, told: Callable[[int, int], None]) -> Gaussian:
        assert self.features is not None
        moments = Moments()
        for features in sampled_features(adapter, self.features, self.samples, SEED):
            moments.add(features)
            told(done + moments.n, total)
        return moments.gaussian()
