"""Where forgetting and preserving pull the weights apart, let forgetting give way.

Source: Yu et al., "Gradient Surgery for Multi-Task Learning", NeurIPS 2020, section 2.3, one-sided and over all weights
together: only the forgetting gradient is projected.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def project_off(forgetting: Sequence[Tensor], preserving: Sequence[Tensor]) -> list[Tensor]:
    """Return the forgetting gradient without what goes against the preserving one; as it is where they agree.

    Args:
        forgetting, preserving: gradients of the same weights, tensor by tensor.
    """
    along = torch.stack([(f * p).sum() for f, p in zip(forgetting, preserving, strict=True)]).sum()
    length = torch.stack([p.square().sum() for p in preserving]).sum()
    # While student and teacher are still equal there is no preserving gradient, and nothing to give way to.
    against = (along / length).nan_to_num().clamp(max=0)
    return [f - against * p for f, p in zip(forgetting, preserving, strict=True)]
