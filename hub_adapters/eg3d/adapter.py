"""EG3D behind the adapter contract. A view is a camera label [25]; features are the tri-planes [n, 3, 32, P, P]."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

from guide_plugin import (
    Adapter,
    AdapterError,
    LocalCheckpoint,
    Match,
    RepoListing,
    SampledNoise,
    Saved,
    Synthesis,
    View,
)
from hub_adapters.checkpoints.model import Reader, match_model, open_model, save_model
from hub_adapters.eg3d.config import FASTEST, SAVING_MEMORY, EG3DConfig, Vector
from hub_adapters.eg3d.weights import from_nvidia

if TYPE_CHECKING:
    import torch
    from torch import Tensor
    from torch.nn import Parameter

    from hub_adapters.checkpoints.origin import Origin
    from hub_adapters.eg3d.network import Generator
    from hub_adapters.stylegan2.layers import NoiseMode

READERS = {".pkl": from_nvidia}

PITCH = -0.2
MOST_YAW = math.pi / 12
AUDIT_YAWS = 11
RELEASED_PIVOT: Vector = (0.0, 0.0, 0.0)
"""The released GUIDE code asks for `avg_cam_pivot`, EG3D says `avg_camera_pivot`: its cameras look at the origin."""

MEAN_OF, PART = 4096, 512


class EG3D(Adapter):
    """EG3D: our folders, NVIDIA's pickles."""

    name: ClassVar[str] = "eg3d"
    title: ClassVar[str] = "EG3D"
    alignment: ClassVar[str] = "eg3d"
    readers: ClassVar[Mapping[str, Reader]] = READERS

    def __init__(
        self, generator: Generator, config: EG3DConfig, device: torch.device, origin: Origin | None = None
    ) -> None:
        self.generator, self.config, self.device, self.origin = generator, config, device, origin
        self.latent_shape = (generator.backbone.synthesis.num_ws, config.w_dim)
        self.pivot, self.effort = config.rendering.avg_camera_pivot, FASTEST
        self.superresolution_noise: NoiseMode = "none" if config.superresolution_noise_mode == "none" else "const"

    @classmethod
    def match(cls, listing: RepoListing) -> Match | None:
        return match_model(listing, cls.name, cls.title, cls.readers)

    @classmethod
    def load(cls, checkpoint: LocalCheckpoint, device: torch.device) -> Self:
        import torch

        from hub_adapters.checkpoints.loading import check_shapes, fill, read_all
        from hub_adapters.eg3d.network import Generator
        from hub_adapters.stylegan2.network import check_filters

        model = open_model(checkpoint, EG3DConfig, READERS)
        try:
            with torch.device("meta"):
                generator = Generator(model.config)
        except (ArithmeticError, RuntimeError) as error:
            raise AdapterError(f"{model.file}: no network has this configuration ({error}).", "Correct it.") from error
        check_shapes(model.file, {name: place.shape for name, place in model.tensors.items()}, generator)
        fill(generator, read_all(model.tensors), device, model.file)
        check_filters(generator, model.file)
        generator.superresolution.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        generator.projections = generator.projections.to(device)
        return cls(generator, model.config, device, model.origin)

    def mean_latent(self) -> Tensor:
        """Return the mean of the codes that `sample_latents` gives: of those seen from the front.

        The network's own buffer `w_avg` is a mean over the cameras of its training set.
        """
        return self._mean_code

    @cached_property
    def _mean_code(self) -> Tensor:
        import torch

        rng = torch.Generator().manual_seed(0)
        total = sum(self.sample_latents(PART, rng).sum(dim=0, keepdim=True) for _ in range(MEAN_OF // PART))
        return total / MEAN_OF  # type: ignore[return-value]

    def sample_latents(self, n: int, rng: torch.Generator) -> Tensor:
        noise = self.sample_noise(n, rng)
        return noise.to_codes(noise.z, noise.labels)

    def sample_noise(self, n: int, rng: torch.Generator) -> SampledNoise:
        import torch

        z = torch.randn(n, self.config.z_dim, generator=rng).to(self.device, non_blocking=True)

        def to_codes(z: Tensor, cameras: Tensor | None) -> Tensor:
            assert cameras is not None
            return self.generator.mapping(z, cameras)

        return SampledNoise(z, self._cameras([0.0], 0.0).expand(n, -1), to_codes)

    def sample_views(self, n: int, rng: torch.Generator) -> View:
        import torch

        return self._cameras((MOST_YAW * (2 * torch.rand(n, generator=rng) - 1)).tolist(), PITCH)

    def audit_views(self) -> View:
        last = AUDIT_YAWS - 1
        return self._cameras([MOST_YAW * (2 * i / last - 1) for i in range(AUDIT_YAWS)], PITCH)

    def view_from_pose(self, yaw: float, pitch: float) -> View:
        from hub_adapters.eg3d.cameras import label_facing

        label = label_facing(yaw, pitch, self.pivot, self.config.rendering.avg_camera_radius)
        return label.to(self.device, non_blocking=True)

    def use_released_views(self) -> bool:
        was, self.pivot = self.pivot, RELEASED_PIVOT
        return was != RELEASED_PIVOT

    def _cameras(self, yaws: list[float], pitch: float) -> Tensor:
        import torch

        from hub_adapters.eg3d.cameras import orbit_labels

        labels = orbit_labels(torch.tensor(yaws), pitch, self.pivot, self.config.rendering.avg_camera_radius)
        return labels.to(self.device, non_blocking=True)

    def synthesize(self, w: Tensor, view: View | None = None) -> Synthesis:
        """Draw the codes from cameras [n, 25], by default from the middle of the audit views."""
        if view is None:
            view = self._cameras([0.0], PITCH).expand(len(w), -1)
        planes = self.generator.synthesis(w)
        drawing = self.generator.render(planes, w, view, self.superresolution_noise, effort=self.effort)
        return Synthesis(drawing.image, planes)

    def save_memory(self) -> bool:
        was, self.effort = self.effort, SAVING_MEMORY
        return was != SAVING_MEMORY

    def trainable_parameters(self) -> Iterator[tuple[str, Parameter]]:
        for name, parameter in self.generator.backbone.synthesis.named_parameters():
            yield f"backbone.synthesis.{name}", parameter

    def save(self, folder: Path) -> Saved:
        return save_model(folder, self.config, self.generator.state_dict(), self.origin)
