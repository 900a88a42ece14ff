"""Is the subject gone? Similarity before and after, at their own code, around it, and in their photos."""

from __future__ import annotations

import torch
from torch import Tensor

from guide_plugin.adapter import Adapter
from guide_plugin.audit.comparison import Comparison
from guide_plugin.audit.drawing import NEARBY, embeddings, under_all_views
from guide_plugin.operator import Embedder, Photos, Subject
from guide_plugin.report.findings import PhotoFigures, SubjectFigures


def nearby_codes(w_u: Tensor, w_r: Tensor) -> Tensor:
    """Return codes a tenth of the way from the subject's code [1, …] to random codes [n, …]."""
    return w_u.lerp(w_r, NEARBY)


def subject_figures(exact: Comparison, nearby: Comparison) -> SubjectFigures:
    """Measure the subject against the original generator's picture of them.

    Args:
        exact: the subject's own code, one row per view. Its similarity before is 1 by definition.
        nearby: codes around it, under the middle one of those views.
    """
    after = exact.similarity()
    reference = exact.before[len(exact.before) // 2]
    nearby_before, nearby_after = nearby.before @ reference, nearby.after @ reference
    return SubjectFigures(
        views=len(exact.before),
        after_mean=after.mean().item(),
        after_max=after.max().item(),
        nearby_before_mean=nearby_before.mean().item(),
        nearby_after_mean=nearby_after.mean().item(),
        nearby_after_max=nearby_after.max().item(),
    )


@torch.no_grad()
def measure_photos(
    before: Adapter, after: Adapter, subject: Subject, holdouts: Photos | None, found: Tensor, judge: Embedder
) -> list[PhotoFigures]:
    """Measure the photos of a subject, if there are any: the subject's at their own codes, hold-outs at those found.

    Args:
        found: codes found in the original for the subject's photos and then the hold-outs [n, *latent_shape].
    """
    if subject.photos is None:
        return []
    n, kept_out = len(subject.photos.images), 0 if holdouts is None else len(holdouts.images)
    codes = [subject.code] if subject.further_codes is None else [subject.code, subject.further_codes]
    images, views = [subject.photos.images], subject.photos.views
    if holdouts is not None:
        codes.append(found[n : n + kept_out])
        images.append(holdouts.images)
        views = None if views is None or holdouts.views is None else torch.cat([views, holdouts.views])
    photographed, drawn_at = judge(torch.cat(images)).float().cpu(), torch.cat(codes)
    reconstruction = (photographed * embeddings(before, drawn_at, views, judge)).sum(dim=1)
    return photo_figures(before, after, photographed, drawn_at, reconstruction, kept_out, judge)


@torch.no_grad()
def photo_figures(
    before: Adapter,
    after: Adapter,
    photos: Tensor,
    codes: Tensor,
    reconstruction: Tensor,
    holdouts: int,
    judge: Embedder,
) -> list[PhotoFigures]:
    """Measure each photo against what the redacted model makes of it.

    Args:
        photos: the judge's unit embeddings of the photos [n, D], the hold-outs last.
        codes: found for them in the original generator [n, *latent_shape].
        reconstruction: similarity of each photo to the original's picture at its code [n].
        holdouts: how many of them only judge.
    """
    repeated, views = under_all_views(before, codes)
    old, new = (
        embeddings(model, repeated, views, judge).reshape(len(codes), -1, photos.shape[1]) for model in (before, after)
    )
    to_photo = (new @ photos[:, :, None])[..., 0]
    of_code = (old * new).sum(dim=2)
    return [
        PhotoFigures(
            kind="hold-out" if i >= len(photos) - holdouts else "subject",
            reconstruction=reconstruction[i].item(),
            after_mean=to_photo[i].mean().item(),
            after_max=to_photo[i].max().item(),
            code_after_max=of_code[i].max().item(),
        )
        for i in range(len(photos))
    ]
