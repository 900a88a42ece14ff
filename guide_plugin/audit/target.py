"""Who stands in the subject's place?"""

from __future__ import annotations

import torch
from torch import Tensor

from guide_plugin.adapter import Adapter
from guide_plugin.audit.drawing import frontal
from guide_plugin.operator import Embedder
from guide_plugin.report.contact_sheet import to_image
from guide_plugin.report.findings import TargetFigures
from guide_plugin.vision.face_detection import FaceDetector


@torch.no_grad()
def target_figures(before: Adapter, after: Adapter, w_u: Tensor, subject: Tensor, judge: Embedder) -> TargetFigures:
    """Look at the redacted model's picture of the subject's code [1, …].

    Whether it shows a face is only asked where MTCNN finds one in the original's picture.

    Args:
        subject: the judge's unit embeddings of pictures of the subject [k, D].
    """
    view = frontal(before, 1)
    old, new = before.synthesize(w_u, view).image, after.synthesize(w_u, view).image
    detector = FaceDetector()
    faces = [bool(detector(to_image(image[0]))) for image in (old, new)]
    return TargetFigures(
        face_found=faces[1] if faces[0] else None,
        to_subject=(judge(new).float().cpu() @ subject.T).max().item(),
    )
