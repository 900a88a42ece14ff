"""Fidelity for a report: which networks look, how many pictures, and what could not be measured."""

from __future__ import annotations

from guide_plugin.adapter import Adapter
from guide_plugin.audit.effort import Effort
from guide_plugin.audit.fidelity import FeatureNetwork, Fidelity, fidelity, judge_features
from guide_plugin.audit.frechet import read_statistics
from guide_plugin.audit.searches import Told
from guide_plugin.errors import UnlearnError
from guide_plugin.operator import Embedder
from guide_plugin.recipe import Audit
from guide_plugin.report.findings import FidelityFigures
from guide_plugin.vision.inception import WIDTH, load_inception

JUDGE, INCEPTION = "judge", "Inception (pytorch-fid)"


def fidelity_figures(
    before: Adapter, after: Adapter, judge: Embedder, spec: Audit, effort: Effort, seed: int, told: Told
) -> list[FidelityFigures]:
    """Measure the pictures as a whole, in the judge's features and, where pictures are asked for, in Inception's.

    Raises:
        UnlearnError: a file that was named cannot be used. What was not named and cannot be had is no error: the
            figures say why they were not measured.
    """
    networks = [FeatureNetwork(JUDGE, judge_features(judge))]
    missing = "left out of a quick audit"
    if effort.samples:
        try:
            real = read_statistics(spec.real_statistics, WIDTH) if spec.real_statistics else None
            networks.append(FeatureNetwork(INCEPTION, load_inception(spec.inception, before.device), real))
        except UnlearnError as error:
            if spec.inception or spec.real_statistics:
                raise
            missing = str(error)
    samples = effort.samples if len(networks) > 1 else effort.bystanders
    figures = [_figures(found) for found in fidelity(before, after, networks, samples, seed, told)]
    if len(networks) == 1:
        figures.append(FidelityFigures(network=INCEPTION, samples=0, not_measured=missing))
    return figures


def _figures(found: Fidelity) -> FidelityFigures:
    return FidelityFigures(
        network=found.network,
        samples=found.samples,
        frechet=found.frechet,
        frechet_unchanged=found.frechet_reference,
        kid=found.kid,
        kid_unchanged=found.kid_reference,
        delta_real=found.delta_real,
    )
