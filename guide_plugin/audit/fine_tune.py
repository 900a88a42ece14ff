"""Further training: how soon does a redacted generator draw the person again when it is shown photos?"""

from __future__ import annotations

import copy

import torch
from torch import Tensor

from guide_plugin.adapter import Adapter, View
from guide_plugin.audit.targets import Target, views_of
from guide_plugin.operator import Embedder, Networks
from guide_plugin.report.recovery_figures import FineTune, Who
from guide_plugin.vision.perceptual import feature_distance

STEPS, MEASURED_EVERY, LR = 100, 10, 1e-3


def fine_tune_figures(
    after: Adapter, targets: list[Target], codes: Tensor, networks: Networks, judge: Embedder
) -> FineTune:
    """Train the redacted generator on the hold-outs, or else the subject's picture, and alike on the controls.

    Args:
        targets: of the recovery attack.
        codes: where the pictures are to be drawn: what was found for each in the original [n, *latent_shape].
    """
    who: Who = "hold-out" if any(target.who == "hold-out" for target in targets) else "subject"
    curves: dict[Who, list[float]] = {}
    steps: list[int] = []
    people: tuple[Who, ...] = (who, "control")
    for name in people:
        rows = [i for i, target in enumerate(targets) if target.who == name]
        shown = [targets[i] for i in rows]
        images = torch.cat([target.image for target in shown])
        steps, curves[name] = fine_tune(after, images, codes[rows], views_of(shown), networks, judge)
    return FineTune.model_validate(
        {"photos": who, "steps": steps, "subject": curves[who], "control": curves["control"]}
    )


def fine_tune(
    adapter: Adapter, images: Tensor, codes: Tensor, view: View | None, networks: Networks, judge: Embedder
) -> tuple[list[int], list[float]]:
    """Train a copy of the generator to draw these photos at these codes with Adam, and watch the judge.

    Args:
        images: [n, 3, H, W] in [-1, 1], of the generator's own size.
        codes: where it has to draw them [n, *latent_shape].
        view: the views that they show [n, …], or None.

    Returns:
        After how many steps the judge looked, and the mean similarity of the drawings to the photos then.
    """
    student = copy.deepcopy(adapter)
    parameters = [parameter.requires_grad_(True) for _, parameter in student.trainable_parameters()]
    optimiser = torch.optim.Adam(parameters, lr=LR)
    with torch.no_grad():
        wanted, embedding = networks.perceptual.features(images), judge(images).float()
    steps: list[int] = []
    seen: list[float] = []
    for step in range(STEPS + 1):
        drawn = student.synthesize(codes, view).image
        if step % MEASURED_EVERY == 0:
            with torch.no_grad():
                seen.append((judge(drawn).float() * embedding).sum(dim=1).mean().item())
            steps.append(step)
        optimiser.zero_grad()
        loss = (drawn - images).square().flatten(1).mean(dim=1)
        (loss + feature_distance(networks.perceptual.features(drawn), wanted)).sum().backward()
        optimiser.step()
    return steps, seen
