"""Searches of a generator for pictures: over W, from there over W+, and over Z."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from guide_plugin.adapter import Adapter, SampledNoise
from guide_plugin.audit.drawing import embeddings, frontal
from guide_plugin.audit.effort import Effort
from guide_plugin.audit.targets import Aim, Target, further, led_by_the_judge, once_each, views_of
from guide_plugin.inversion import Inversion, InversionSettings, invert, invert_to_noise
from guide_plugin.latent.search import Noise, noise_radius
from guide_plugin.operator import Embedder, Losses, PerceptualFeatures
from guide_plugin.report.recovery_figures import Codes, Guide, Start
from guide_plugin.vision.jitter import under_jitter

CURVE_POINTS = 10

Told = Callable[[int, int], None]
"""Hears how much is done, of how much."""


@dataclass(frozen=True)
class Searches:
    """Searches over one kind of codes: for what each of them looked, and where they ended, in the same order."""

    codes: Codes
    guide: Guide
    aims: list[Aim]
    found: Inversion


@dataclass(frozen=True)
class Attacker:
    """Whoever searches generators for people: what they have, and how much they try.

    Attributes:
        recogniser: whose opinion of a face leads the search; `guide` says which of the two it is.
        judge: what every end is measured with.
        old_code: the subject's code in the original [1, *latent_shape].
        seed: of all that is drawn; equal seeds give two generators equal luck.
    """

    perceptual: PerceptualFeatures
    recogniser: Embedder
    judge: Embedder
    targets: list[Target]
    old_code: Tensor
    effort: Effort
    seed: int
    told: Told
    guide: Guide = "trainer"

    def once(self, adapter: Adapter) -> list[Searches]:
        """Search for every target once over each kind of codes: what the original is held against."""
        return self._search(adapter, once_each(self.targets, "mean"), once_each(self.targets, self._anywhere))

    def thoroughly(self, adapter: Adapter) -> list[Searches]:
        """Search for every target once, and for the subject as often as the effort says."""
        w = [*once_each(self.targets, "mean"), *further(self.targets, self.effort, old_code=True)]
        z = [*once_each(self.targets, self._anywhere), *further(self.targets, self.effort, old_code=False)]
        return self._search(adapter, w, z)

    def everything(self, adapter: Adapter, judge_is_trainer: bool) -> tuple[list[Searches], list[str]]:
        """Search thoroughly, and led by the judge where it can lead; say besides what was left out."""
        found = self.thoroughly(adapter)
        over_noise = any(some.codes == "Z" for some in found)
        left_out = [] if over_noise else ["searches over noise (Z): this kind of model makes its codes from none"]
        cannot = self._judge_cannot_lead(found, judge_is_trainer)
        return (found, [*left_out, cannot]) if cannot else ([*found, *self.by_the_judge(adapter)], left_out)

    def _judge_cannot_lead(self, searches: list[Searches], is_trainer: bool) -> str | None:
        """Say why no search can be led by the judge in place of the trainer; None where one can."""
        if is_trainer:
            return "searches led by another recogniser than the one that trained: the judge is the same one"
        if not searches[0].found.guided:
            return "searches led by another recogniser: this kind of model is searched in a way that asks none"
        if not has_gradient(self.judge, self.targets[0].image):
            return "searches led by another recogniser than the one that trained: the judge has no gradient"
        return None

    def by_the_judge(self, adapter: Adapter) -> list[Searches]:
        """Search for the subject led by the judge's opinion of the face under jitter, in place of the trainer's.

        Without jitter a search that is led by the network that judges it finds what fools this network.
        """
        leads = under_jitter(self.judge, self._rng(6))
        judge = replace(self, recogniser=leads, guide="judge", seed=self.seed + 3)
        w, z = (led_by_the_judge(self.targets, self.effort, start) for start in ("mean", self._anywhere))
        return [judge.over_w(adapter, w), *judge.over_z(adapter, z)]

    @property
    def _anywhere(self) -> Start:
        return "picked" if self.effort.start_pool else "random"

    def _search(self, adapter: Adapter, w: list[Aim], z: list[Aim]) -> list[Searches]:
        over_w = self.over_w(adapter, w)
        found = [over_w]
        if len(adapter.latent_shape) > 1:
            n = len(self.targets)
            found.append(self._over_codes(adapter, "W+", w[:n], over_w.found.code[:n]))
        return [*found, *self.over_z(adapter, z)]

    def _rng(self, stream: int) -> torch.Generator:
        """Return a stream of its own: what is drawn from one moves no other, in whichever generator."""
        return torch.Generator().manual_seed(self.seed + stream)

    def over_w(self, adapter: Adapter, aims: list[Aim]) -> Searches:
        """Search over one code for all layers."""
        starts = [aim for aim in aims if aim.start in ("random", "picked")]
        if starts:
            codes, _ = random_codes(adapter, max(len(starts), self.effort.start_pool), self._rng(1))
            elsewhere = iter(codes[self._places(adapter, starts, codes)].split(1))
        known = {"mean": adapter.mean_latent(), "old code": self.old_code}
        begin = [known[aim.start] if aim.start in known else next(elsewhere) for aim in aims]
        return self._over_codes(adapter, "W", aims, torch.cat(begin))

    def over_z(self, adapter: Adapter, aims: list[Aim]) -> list[Searches]:
        """Search over the noise that codes are made from; no searches where they are not made from any."""
        rng = self._rng(2)
        radius = noise_radius(adapter, rng)
        if radius is None:
            return []
        codes, noise = random_codes(adapter, max(len(aims), self.effort.start_pool), rng)
        assert noise is not None
        begin = Noise(noise, radius).rows(self._places(adapter, aims, codes))
        images, view, settings = self._sought(aims)
        found = invert_to_noise(
            adapter, images, self.perceptual, self.recogniser, self.judge, begin, settings, view, self._on_step
        )
        return [Searches("Z", self.guide, aims, found)]

    def _over_codes(self, adapter: Adapter, codes: Codes, aims: list[Aim], begin: Tensor) -> Searches:
        images, view, settings = self._sought(aims)
        settings = replace(settings, broadcast=1.0 if codes == "W" else 0.0)
        networks = self.perceptual, self.recogniser, self.judge
        found = invert(adapter, images, *networks, self._rng(0), settings, view, begin, self._on_step)
        return Searches(codes, self.guide, aims, found)

    def _sought(self, aims: list[Aim]) -> tuple[Tensor, Tensor | None, InversionSettings]:
        sought, steps = [self.targets[aim.target] for aim in aims], self.effort.attack_steps
        settings = InversionSettings(steps=steps, judged_every=max(1, steps // CURVE_POINTS))
        return torch.cat([target.image for target in sought]), views_of(sought), settings

    def _on_step(self, step: int, steps: int, losses: Losses) -> None:
        self.told(step, steps)

    def _places(self, adapter: Adapter, aims: list[Aim], codes: Tensor) -> Tensor:
        """Return which of the random codes each search begins at [n]: the next one, or the next most alike."""
        if not self.effort.start_pool:
            return torch.arange(len(aims))
        drawn = embeddings(adapter, codes, frontal(adapter, len(codes)), self.recogniser)
        with torch.no_grad():
            wanted = torch.cat([self.recogniser(target.image).float().cpu() for target in self.targets])
        return most_alike(wanted @ drawn.T, aims)


def has_gradient(recogniser: Embedder, image: Tensor) -> bool:
    """Try whether a recogniser tells in which direction a picture [1, 3, H, W] would have to change."""
    asked = image.detach().clone().requires_grad_(True)
    try:
        with torch.enable_grad():
            (slope,) = torch.autograd.grad(recogniser(asked)[:, 0].sum(), asked)
    except Exception:  # no graph, or a network outside torch that takes no tensor of one: whatever it says then
        return False
    return bool(slope.isfinite().all() and slope.any())


def ends(searches: list[Searches], *codes: Codes) -> Tensor:
    """Return where the searches over the first of these kinds of codes ended that there are [n, *latent_shape]."""
    return next(some.found.code for kind in codes for some in searches if some.codes == kind)


@torch.no_grad()
def random_codes(adapter: Adapter, n: int, rng: torch.Generator) -> tuple[Tensor, SampledNoise | None]:
    """Draw random codes [n, *latent_shape], and the noise that they are made from if there is any."""
    noise = adapter.sample_noise(n, rng)
    return (adapter.sample_latents(n, rng), None) if noise is None else (noise.to_codes(noise.z, noise.labels), noise)


def most_alike(similarity: Tensor, aims: list[Aim]) -> Tensor:
    """Return where each search begins [n]: among those for one target, each at the next most alike random code.

    Args:
        similarity: of every target to every random code [targets, codes].
    """
    order, taken = similarity.argsort(dim=1, descending=True), Counter[int]()
    places = []
    for aim in aims:
        places.append(int(order[aim.target, taken[aim.target]]))
        taken[aim.target] += 1
    return torch.tensor(places)
