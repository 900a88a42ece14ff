"""Latent target unlearning: the operator `guide`.

Source: Seo et al., "Generative Unlearning for Any Identity", CVPR 2024, section 3.3, with its released settings.

Per step five codes are compared: the subject with its target, two neighbours of the subject with the same
neighbours of the target (local and adjacency loss, the full distance), and two random codes with themselves
(global loss, LPIPS alone). Each passes once through the student and at most once through the teacher.

Where the released code does something else than it should, `reproduce_published` repeats it:

| the released code                          | by default                               | `reproduce_published`      |
|--------------------------------------------|------------------------------------------|----------------------------|
| cameras look at the origin: it asks EG3D   | cameras look at the pivot that the       | as released                |
| for a pivot under a wrong name             | generator was trained with               |                            |
| α in float64, and with it the neighbours'  | α in float32                             | α and neighbours in        |
| codes                                      |                                          | float64, rounded at last   |
| random noise and random ray samples in     | constant noise, samples in the middle of | as by default: chance      |
| every picture, so that equal networks      | their steps: equal networks draw equal   | cannot be repeated         |
| draw unequal ones                          | pictures                                 |                            |
| the network's training mode                | evaluation mode: the same pictures       | as by default              |
| tri-planes drawn twice, for loss and       | once                                     | as by default: same values |
| picture                                    |                                          |                            |
| gradients gathered in the recogniser       | frozen                                   | as by default: never used  |

Local and adjacency loss are sums over their pictures, features are compared by their mean square, and the global loss
is LPIPS alone, in both.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from guide_plugin.adapter import Adapter, View
from guide_plugin.operator import Losses, Networks, Operator, Subject
from guide_plugin.operators.adam import adam_state, make_adam, restore_adam
from guide_plugin.operators.guide.draws import Draws, Sampler
from guide_plugin.operators.guide.settings import GuideSettings
from guide_plugin.operators.guide.target import (
    PAPER_ALPHA_MAX,
    PAPER_D,
    mean_distance,
    neighbour_offsets,
    resolve_distance,
    ufo_target,
)
from guide_plugin.operators.losses import Distance, Look, Weights, distance, join, look
from guide_plugin.operators.mean_code import distance_from_mean, mean_code
from guide_plugin.operators.views import for_each

CPU_PIXELS = 16 * 64 * 64
"""How many pixels, of pictures or features, a CPU draws at once: at 64×64 a whole step, at 256×256 code by code."""


class Guide(Operator[GuideSettings]):
    """Generative Unlearning for Any Identity (GUIDE)."""

    name = "guide"
    Settings = GuideSettings

    def prepare(
        self, student: Adapter, teacher: Adapter, subject: Subject, networks: Networks, rng: torch.Generator
    ) -> None:
        s = self.settings
        self.student, self.teacher, self.networks, self.rng = student, teacher, networks, rng
        self.w_u, w_avg = subject.code, mean_code(teacher, s.w_avg)
        if s.reproduce_published:
            teacher.use_released_views()
        if s.low_memory:
            student.save_memory()
        self.subject_distance = distance_from_mean(self.w_u, w_avg)
        self.scale = mean_distance(teacher, rng)
        self.d = resolve_distance(s.d, PAPER_D, self.scale, student.latent_shape)
        self.alpha_max = resolve_distance(s.alpha_max, PAPER_ALPHA_MAX, self.scale / 2, student.latent_shape)
        self.w_t = ufo_target(self.w_u, w_avg, self.d)
        self.weights = Weights(s.features_weight, s.perceptual_weight, s.identity_weight)
        self.micro_batch = s.micro_batch or self.fastest_micro_batch()
        self.target_look: Look | None = None
        self.sampler = Sampler(teacher, s, rng, self.alpha_max)
        self.optimizer = make_adam(student, s.lr)

    @torch.no_grad()
    def fastest_micro_batch(self) -> int:
        """Return how many codes to draw at once: the whole step on a GPU, on a CPU as many as are small together."""
        pictures = self.pictures_per_step()
        if self.student.device.type != "cpu":
            return pictures
        views = self.teacher.audit_views()
        drawn = self.teacher.synthesize(self.w_u, None if views is None else views[:1])
        pixels = max(math.prod(tensor.shape[-2:]) for tensor in drawn)
        return max(1, min(pictures, CPU_PIXELS // pixels))

    def pictures_per_step(self) -> int:
        return 1 + self.settings.neighbours + self.settings.bystanders

    def facts(self) -> dict[str, Any]:
        return {
            "d": self.d,
            "alpha_max": self.alpha_max,
            "mean_distance": self.scale,
            "subject_distance": self.subject_distance,
        }

    def step(self) -> Losses:
        return self.step_with(self.sampler.draw())

    def step_with(self, draws: Draws) -> Losses:
        """Take one optimiser step with given draws."""
        while True:
            self.optimizer.zero_grad()
            try:
                parts = self.backward(draws)
                break
            except torch.OutOfMemoryError:
                if self.micro_batch == 1 and not self.student.save_memory():
                    raise
            # Outside the handler, which holds on to the failed pass's tensors.
            self.micro_batch = (self.micro_batch + 1) // 2
        self.optimizer.step()
        return self.named_terms(parts)

    def backward(self, draws: Draws) -> Distance:
        """Add the gradients of one step's loss to the student's, by micro-batches; return its parts, detached."""
        offsets = neighbour_offsets(self.w_u, draws.w_r, draws.alpha)
        students = torch.cat([self.w_u, (self.w_u + offsets).to(self.w_u.dtype), draws.w_g])
        teachers = torch.cat([self.w_t, (self.w_t + offsets).to(self.w_u.dtype), draws.w_g])
        chunks = []
        for start in range(0, len(students), self.micro_batch):
            chosen = slice(start, start + self.micro_batch)
            k = max(0, min(1 + len(offsets) - start, self.micro_batch))
            with torch.autocast(
                self.student.device.type, self.networks.precision, enabled=self.networks.precision != torch.float32
            ):
                target = self.look_at_teacher(teachers[chosen], draws.view, k, holds_target=start == 0)
                drawn = self.student.synthesize(students[chosen], for_each(draws.view, students[chosen]))
                apart = distance(look(drawn, self.networks, k), target)
            self.loss(apart).backward()
            chunks.append(Distance(*(part.detach() for part in apart)))
        return Distance(*(torch.cat(parts) for parts in zip(*chunks, strict=True)))

    def loss(self, parts: Distance) -> Tensor:
        """Return the local and adjacency loss of the first k pictures plus the weighted global loss of the others."""
        k = len(parts.mse)
        local_and_adjacency = parts._replace(lpips=parts.lpips[:k]).total(self.weights)
        return local_and_adjacency + self.settings.global_weight * parts.lpips[k:].sum()

    @torch.no_grad()
    def look_at_teacher(self, codes: Tensor, view: View | None, k: int, holds_target: bool) -> Look:
        """Look at the teacher's pictures of `codes`; the target itself, first of its chunk, is looked at once a run."""
        if not holds_target or view is not None:
            return look(self.teacher.synthesize(codes, for_each(view, codes)), self.networks, k)
        if self.target_look is None:
            self.target_look = look(self.teacher.synthesize(codes[:1]), self.networks, 1)
        if len(codes) == 1:
            return self.target_look
        return join(self.target_look, look(self.teacher.synthesize(codes[1:]), self.networks, k - 1))

    def named_terms(self, parts: Distance) -> Losses:
        """Return the loss terms of a step by name, unweighted and summed over pictures, and their weighted total."""
        k = len(parts.mse)
        return {
            "local_mse": parts.mse[0],
            "local_lpips": parts.lpips[0],
            "local_id": parts.id[0],
            "adjacency_mse": parts.mse[1:].sum(),
            "adjacency_lpips": parts.lpips[1:k].sum(),
            "adjacency_id": parts.id[1:].sum(),
            "global_lpips": parts.lpips[k:].sum(),
            "total": self.loss(parts),
        }

    def state_dict(self) -> dict[str, Tensor]:
        return adam_state(self.optimizer)

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        restore_adam(self.optimizer, state)
