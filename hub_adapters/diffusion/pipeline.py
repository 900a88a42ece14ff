"""What all diffusion adapters have in common: a denoiser that unlearning changes, and frozen components around it."""

from __future__ import annotations

import copy
import shutil
from abc import abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from guide_plugin import Adapter, LocalCheckpoint, Match, RepoListing, Saved, Synthesis, View
from hub_adapters.diffusion.layout import match_pipeline

if TYPE_CHECKING:
    import torch
    from torch import Tensor
    from torch.nn import Parameter

    from hub_adapters.diffusion.opening import Pipeline

DENOISER = "unet/"


class Diffusion(Adapter):
    """A pipeline whose pictures follow from noise and a code by deterministic DDIM; base of the family's adapters.

    A training view says after how many steps the network's estimate of the picture is looked at. What is compared
    there is the student's own path from its noise with the teacher's path, and only the last of these steps has
    gradients, so that a step of training costs one pass with gradients, however many steps a picture takes. At view 0
    and in audits a picture is drawn to its end, with gradients through all steps.

    Features are the denoiser's last prediction [n, C, H, W].
    """

    alignment: ClassVar[str] = "ffhq"
    experimental: ClassVar[bool] = True
    title: ClassVar[str]

    def __init__(self, pipeline: Pipeline, device: torch.device) -> None:
        self.pipeline, self.device = pipeline, device
        self.unet = pipeline.components["unet"]
        self.less_memory = False

    @classmethod
    def match(cls, listing: RepoListing) -> Match | None:
        return match_pipeline(listing, cls.name, cls.title)

    @classmethod
    def load(cls, checkpoint: LocalCheckpoint, device: torch.device) -> Self:
        from hub_adapters.diffusion.opening import open_pipeline

        return cls(open_pipeline(checkpoint, device), device)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Copy the denoiser; what never changes is shared."""
        copied = copy.copy(self)
        copied.unet = copy.deepcopy(self.unet, memo)
        return copied

    @property
    def steps(self) -> int:
        """How many steps lead from noise to a picture."""
        return self.pipeline.sampling.steps

    @abstractmethod
    def draw(self, w: Tensor, view: Tensor | None, taken: int | None) -> Synthesis:
        """Draw codes whose views all ask for `taken` steps, None for all of them."""

    def synthesize(self, w: Tensor, view: View | None = None) -> Synthesis:
        import torch

        if view is None:
            return self.draw(w, None, None)
        asked = view[:, -1]
        parts, rows = [], []
        for taken in asked.unique().tolist():
            chosen = (asked == taken).nonzero()[:, 0]
            parts.append(self.draw(w[chosen], view[chosen], taken or None))
            rows.append(chosen)
        if len(parts) == 1:
            return parts[0]
        order = torch.cat(rows).argsort()
        image, features = (torch.cat(part)[order] for part in zip(*parts, strict=True))
        return Synthesis(image, features)

    def sample_steps(self, n: int, rng: torch.Generator) -> Tensor:
        """Draw after how many steps to look [n, 1]."""
        import torch

        return torch.randint(1, self.steps + 1, (n, 1), generator=rng).to(self.device, non_blocking=True)

    def save_memory(self) -> bool:
        left, self.less_memory = not self.less_memory, True
        return left

    def trainable_parameters(self) -> Iterator[tuple[str, Parameter]]:
        for name, parameter in self.unet.named_parameters():
            yield f"{DENOISER}{name}", parameter

    def save(self, folder: Path) -> Saved:
        """Write the pipeline as diffusers does: the denoiser anew, every other file as it came."""
        checkpoint, written = self.pipeline.checkpoint, []
        for file in checkpoint.files:
            if not file.startswith(DENOISER):
                (folder / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(checkpoint.folder / file, folder / file)
                written.append(folder / file)
        unet = copy.deepcopy(self.unet).half() if self.pipeline.half else self.unet
        unet.save_pretrained(folder / DENOISER, variant="fp16" if self.pipeline.half else None)
        written += [path for path in sorted((folder / DENOISER).iterdir())]
        return Saved(tuple(written))
