"""The audit: every measurement of two models, and the figures drawn from them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from guide_plugin.adapter import Adapter
from guide_plugin.audit.bystanders import bystander_figures
from guide_plugin.audit.comparison import compare
from guide_plugin.audit.drawing import frontal, middle_view
from guide_plugin.audit.effort import effort
from guide_plugin.audit.erasure import erasure_figures, pictures_of_subject
from guide_plugin.audit.evidence import evidence
from guide_plugin.audit.fine_tune import fine_tune_figures
from guide_plugin.audit.identity import measure_photos, nearby_codes, subject_figures
from guide_plugin.audit.leak import leak_figures
from guide_plugin.audit.likeness import best_endings, distances, likeness_figures
from guide_plugin.audit.picture_distances import fidelity_figures
from guide_plugin.audit.recovery import attack_figures, path_figures, search, search_cost
from guide_plugin.audit.same_person import same_person_similarities
from guide_plugin.audit.searches import Attacker, ends
from guide_plugin.audit.statistics import make_reference
from guide_plugin.audit.target import target_figures
from guide_plugin.audit.targets import Witnesses, choose_targets
from guide_plugin.operator import Embedder, Losses, Networks, Subject
from guide_plugin.recipe import Audit
from guide_plugin.report.findings import Findings, SubjectFigures
from guide_plugin.report.recovery_figures import RecoveryFigures
from guide_plugin.vision.centring import Centring

PATH_DIRECTIONS = 8


class Watcher(Protocol):
    """Who is told how far the audit is."""

    def stage(self, text: str) -> None: ...

    def step(self, step: int, steps: int, losses: Losses) -> None: ...


@dataclass(frozen=True)
class Audited:
    """What an audit gives: the findings, and pictures of the subject by caption, each [3, H, W] in [-1, 1]."""

    findings: Findings
    evidence: Mapping[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class SubjectSeen:
    """What the judge sees of the subject.

    Attributes:
        known: unit embeddings that they are known by, the original's picture first, then the photos [1 + k, D].
        drawn: similarities to that picture of their own code, all views, and of codes nearby, before and after [n, 2].
    """

    figures: SubjectFigures
    known: Tensor
    drawn: Tensor


@torch.no_grad()
def audited_people(before: Adapter, spec: Audit, rng: torch.Generator) -> Tensor:
    """Draw the random codes [n, *latent_shape] that stand for everybody else: the first draw of an audit."""
    return before.sample_latents(effort(spec).bystanders, rng)


@dataclass
class Examination:
    """One audit of two models: what unlearning did to the subject and to everybody else.

    Attributes:
        subject: None where nobody is named: then only everybody else is measured.
        networks: what the attacker has: the perceptual network and the recogniser that trained.
        judge: what every similarity is measured with, centred where that is called for.
        seed: where the random draws of the audit start, none of which the training used.
        judge_is_trainer: whether the judge is the network that trained the forgetting.
        centring: how alike random people look in the judge's own embeddings; None where nobody measured it.
    """

    before: Adapter
    after: Adapter
    subject: Subject | None
    witnesses: Witnesses
    spec: Audit
    networks: Networks
    judge: Embedder
    seed: int
    watcher: Watcher
    judge_is_trainer: bool = False
    centring: Centring | None = None

    def __post_init__(self) -> None:
        self.effort = effort(self.spec)
        self.rng = torch.Generator().manual_seed(self.seed)

    def run(self) -> Audited:
        """Measure everything, part by part; the parts share the random people and the subject's embeddings."""
        begun = time.perf_counter()
        self.watcher.stage("Measuring the subject and everybody else")
        people = audited_people(self.before, self.spec, self.rng)
        seen = None if self.subject is None else self.measure_subject(self.subject)
        known = None if seen is None else seen.known
        compared = compare(
            self.before, self.after, people, frontal(self.before, len(people)), self.judge, self.networks.perceptual
        )
        same = same_person_similarities(self.before, people, compared.before, self.judge, self.rng)
        photos = compared.before[:0] if known is None else known[1:]
        reference = make_reference(compared.before, same, photos, self.spec.rules.false_accept, self.centring)
        findings = Findings(
            level="full" if self.spec.level == "full" else "quick",
            seconds=0.0,
            reference=reference,
            bystanders=bystander_figures(compared, known, reference.threshold),
            fidelity=fidelity_figures(
                self.before, self.after, self.judge, self.spec, self.effort, self.seed, self.told
            ),
            weights_finite=all(bool(weight.isfinite().all()) for _, weight in self.after.trainable_parameters()),
            subject=None if seen is None else seen.figures,
            not_measured=self.left_out(),
        )
        shown: dict[str, Tensor] = {}
        if self.subject is not None and seen is not None:
            findings, shown = self.measure_recovery(self.subject, seen, people, findings)
        return Audited(findings.model_copy(update={"seconds": time.perf_counter() - begun}), shown)

    def left_out(self) -> list[str]:
        """Say what this audit does not measure."""
        left_out = []
        if self.subject is None:
            left_out.append("whether anybody was forgotten: no subject was named")
        elif self.subject.photos is None:
            left_out.append("photos of the subject: none were given")
        elif self.witnesses.holdouts is None:
            left_out.append("photos that took no part in the unlearning: none were given (--holdout-face)")
        if self.subject is not None and self.witnesses.strangers is None:
            left_out.append("an attack on people whom the generator never saw: no photos were given (--control-face)")
        if not self.effort.fine_tune:
            left_out.append("further training on photos of the subject: a full audit tries it")
        return left_out

    def told(self, step: int, steps: int) -> None:
        self.watcher.step(step, steps, {})

    def measure_subject(self, subject: Subject) -> SubjectSeen:
        """Look at the subject's own code, codes nearby, and the photos."""
        with torch.no_grad():
            nearby = nearby_codes(subject.code, self.before.sample_latents(self.effort.nearby, self.rng))
        views = self.before.audit_views()
        exact = subject.code if views is None else subject.code.expand(len(views), *subject.code.shape[1:])
        if views is not None:
            views = torch.cat([views, middle_view(views, len(nearby))])
        seen = compare(self.before, self.after, torch.cat([exact, nearby]), views, self.judge, self.networks.perceptual)
        own, around = seen.rows(0, len(exact)), seen.rows(len(exact), len(exact) + len(nearby))
        middle = own.before[len(exact) // 2]
        known = [middle[None]]
        for photos in (subject.photos, self.witnesses.holdouts):
            if photos is not None:
                known.append(self.look(photos.images))
        exactly = torch.stack([torch.ones(len(exact)), own.similarity()], dim=1)
        drawn = torch.cat([exactly, torch.stack([around.before @ middle, around.after @ middle], dim=1)])
        return SubjectSeen(subject_figures(own, around), torch.cat(known), drawn)

    @torch.no_grad()
    def look(self, images: Tensor) -> Tensor:
        return self.judge(images).float().cpu()

    def measure_recovery(
        self, subject: Subject, seen: SubjectSeen, people: Tensor, findings: Findings
    ) -> tuple[Findings, dict[str, Tensor]]:
        """Attack both generators, and measure the photos at the codes that the attack on the original found."""
        targets = choose_targets(self.before, subject, self.witnesses, people[: self.effort.controls])
        # Drawn, so that no search starts where one of the people stands whom the seed itself leads to.
        seed = int(torch.randint(1 << 31, (), generator=self.rng))
        attacker = Attacker(
            self.networks.perceptual,
            self.networks.recogniser,
            self.judge,
            targets,
            subject.code,
            self.effort,
            seed,
            self.told,
        )
        self.watcher.stage("Searching the original for the same people, to compare with")
        old = attacker.once(self.before)
        self.watcher.stage("Trying to bring the subject back")
        new, left_out = attacker.everything(self.after, self.judge_is_trainer)
        best = best_endings(new, targets)[0]
        with torch.no_grad():
            mean = self.before.mean_latent()
            typical = (people - mean).flatten(1).norm(dim=1).mean().item()
            directions = self.before.sample_latents(PATH_DIRECTIONS, self.rng)
        self.watcher.stage("Searching random codes for the subject")
        searched = search(self.before, self.after, self.effort.searched, seen.known, self.judge, self.rng, self.told)
        recovery = RecoveryFigures(
            attacks=attack_figures(targets, old, new, mean, typical),
            likeness=likeness_figures(
                best,
                distances(self.after, best.code, best.target, self.networks.perceptual),
                distances(self.before, people, best.target, self.networks.perceptual),
            ),
            cost=search_cost([*old, *new], self.effort.attack_steps),
            path=path_figures(self.before, self.after, subject.code, directions, seen.known[0], self.judge),
            searched=self.effort.searched,
            search_before=searched[0],
            search_after=searched[1],
        )
        if self.effort.fine_tune:
            self.watcher.stage("Training the redacted model on photos of the subject")
            tuned = fine_tune_figures(self.after, targets, ends(old, "W"), self.networks, self.judge)
            recovery = recovery.model_copy(update={"fine_tune": tuned})
        self.watcher.stage("Looking for the subject in what changed")
        leak = leak_figures(
            self.before,
            self.after,
            subject.code,
            seen.known,
            self.judge,
            self.rng,
            self.effort.leak_starts,
            self.effort.leak_steps,
            self.told,
        )
        photos = measure_photos(
            self.before, self.after, subject, self.witnesses.holdouts, ends(old, "W+", "W"), self.judge
        )
        pictures = pictures_of_subject(seen.drawn, photos, recovery.attacks)
        update = {
            "recovery": recovery,
            "leak": leak,
            "target": target_figures(self.before, self.after, subject.code, seen.known, self.judge),
            "photos": photos,
            "not_measured": [*findings.not_measured, *left_out],
            "erasure": erasure_figures(pictures, findings.bystanders, findings.reference.threshold),
        }
        shown: dict[str, Tensor] = {}
        if self.spec.keep_evidence:
            shown = evidence(self.before, self.after, subject, targets, new, people, self.networks.perceptual)
        return findings.model_copy(update=update), shown
