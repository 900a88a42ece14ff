"""The audit: one pass over the subject, the codes around it and many bystanders, and the figures drawn from it."""

from __future__ import annotations

import torch
from torch import Tensor

from guide_plugin.adapter import Adapter
from guide_plugin.audit.comparison import compare
from guide_plugin.audit.identity import nearby_codes, quantiles, stranger_similarities, subject_figures
from guide_plugin.operator import Embedder, PerceptualFeatures, Subject
from guide_plugin.recipe import Audit
from guide_plugin.report.schema import Findings


def audit(
    before: Adapter,
    after: Adapter,
    subject: Subject,
    spec: Audit,
    judge: Embedder,
    perceptual: PerceptualFeatures,
    rng: torch.Generator,
) -> Findings:
    """Measure what unlearning did to the subject and to everybody else.

    The subject's code is drawn under all audit views, everybody else under the middle one.
    """
    with torch.no_grad():
        nearby = nearby_codes(subject.code, before.sample_latents(spec.nearby, rng))
        bystanders = before.sample_latents(spec.bystanders, rng)
    views = before.audit_views()
    exact = subject.code if views is None else subject.code.expand(len(views), *subject.code.shape[1:])
    if views is not None:
        views = torch.cat([views, middle_view(views, len(nearby) + len(bystanders))])
    seen = compare(before, after, torch.cat([exact, nearby, bystanders]), views, judge, perceptual)
    of_exact, of_nearby = seen.rows(0, len(exact)), seen.rows(len(exact), len(exact) + len(nearby))
    of_bystanders = seen.rows(len(exact) + len(nearby), len(exact) + len(nearby) + len(bystanders))
    return Findings(
        subject=subject_figures(of_exact, of_nearby),
        strangers=quantiles(stranger_similarities(of_bystanders.before)),
        bystanders=quantiles(of_bystanders.similarity()),
        bystander_pixels=quantiles(of_bystanders.pixels),
        bystander_perceptual=quantiles(of_bystanders.perceptual),
    )


def middle_view(views: Tensor, n: int) -> Tensor:
    """Return the middle one of the audit views, the frontal one for a camera, `n` times."""
    return views[len(views) // 2].expand(n, *views.shape[1:])
