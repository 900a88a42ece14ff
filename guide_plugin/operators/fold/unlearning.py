"""FOLD: draw somebody else wherever a search would find the subject, and keep everybody else.

Moving one code's picture leaves the person where a search finds them: codes that draw them lie all over the latent
space. FOLD takes the original's likeness to the subject, s(w), and asks for `fold(s(w))`: unchanged up to s0, a level
that one random person in fifty of this model reaches, and falling again beyond it. `folding.py` says whose picture is
wanted in the subject's place; `searches.py` brings the codes that still work, round by round; `white_weights.py` lets
every step cost everybody else about as little.

As little change to everybody else as possible is wanted, subject to the searches staying below the line of two
strangers by a margin. That is a constraint, and its price is found by dual ascent: the weight of what is still too like
the subject rises while the searches get above, and falls while they do not. Once they stay below, the learning rate
falls to nothing and the run ends.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import relu
from torch.optim import Adam

from guide_plugin.adapter import Adapter, View
from guide_plugin.latent.distribution import measure_distribution
from guide_plugin.latent.search import White, noise_radius
from guide_plugin.operator import Losses, Networks, Operator, Subject
from guide_plugin.operators.adam import adam_state, restore_adam
from guide_plugin.operators.fold.crowd import drawn, gather
from guide_plugin.operators.fold.draws import CODES_OF_A_STEP, draw_codes
from guide_plugin.operators.fold.finds import Finds, Judgement
from guide_plugin.operators.fold.folding import Anchors
from guide_plugin.operators.fold.likeness import known_by
from guide_plugin.operators.fold.price import Price
from guide_plugin.operators.fold.searches import RESTARTED, Hunt, over_w, over_z, wanted_of
from guide_plugin.operators.fold.settings import FoldSettings
from guide_plugin.operators.losses import Weights
from guide_plugin.operators.views import for_each
from guide_plugin.operators.white_weights import (
    PEOPLE,
    PROBES,
    WhiteWeights,
    bystander_probes,
    factor_bytes,
    kronecker_factors,
)
from guide_plugin.vision.centring import measure_centring
from guide_plugin.vision.jitter import Jitter, draw_jitter
from guide_plugin.vision.perceptual import feature_distance

PIXELS = 64 * 64 * 64  # drawn at once
KEPT_IDENTITY = 0.08  # beside the perceptual distance's 1

LINES, SHARES = 24, (0.3, 0.45, 0.6, 0.75, 0.9)
"""First codes: on the way from so many random people to the subject, at these shares of it."""
FIRST_STEPS, ROUND_EVERY, ROUND_STEPS = 40, 50, 25
"""Of the searches: steps in the original, and then how often how many in the student."""
CENTRED_ON = 200
COOLING = 100
"""Steps at the end in which the learning rate falls to nothing."""


class Fold(Operator[FoldSettings]):
    """Fold the original's likeness to the subject back onto other people."""

    name = "fold"
    Settings = FoldSettings

    def prepare(
        self,
        student: Adapter,
        teacher: Adapter,
        subject: Subject | Sequence[Subject],
        networks: Networks,
        rng: torch.Generator,
    ) -> None:
        """Take one subject, or several who are to be unlearned together."""
        s = self.settings
        self.student, self.teacher, self.perceptual, self.rng = student, teacher, networks.perceptual, rng
        self.precision = networks.precision
        subjects = [subject] if isinstance(subject, Subject) else list(subject)
        self.own = torch.cat([one.code for one in subjects])
        view = teacher.sample_finished_views(1, rng)
        with torch.no_grad():
            side = drawn(teacher, self.own[:1], view).shape[-1]
            self.batch = max(1, PIXELS // side**2)
            people = teacher.sample_latents(CENTRED_ON, rng).split(self.batch)
            seen = torch.cat([networks.recogniser(drawn(teacher, part, view)).float() for part in people])
        self.recogniser = measure_centring(seen).of(networks.recogniser)
        wanted = wanted_of(subjects, teacher, view)
        self.likeness = known_by(self.recogniser, [wanted.images[wanted.persons == i] for i in range(len(subjects))])
        crowd = gather(teacher, self.likeness, s.crowd, s.strangers_above, view, self.batch, rng)
        self.s0, self.line = crowd.s0, crowd.line
        space = White(measure_distribution(teacher, rng), teacher.latent_shape)
        judgement = Judgement(self.likeness, self.s0, s.kappa, view, self.batch, rng)
        self.finds = Finds(teacher, judgement, Anchors(space, crowd.codes[crowd.anchors]), self.own)
        self.own_targets, _ = self.finds.targets(self.own, judgement.similarity(teacher, self.own))
        self.hunt = Hunt(wanted, self.likeness, self.perceptual, rng)
        self.searches = [over_w(space, teacher, wanted.codes, s.searches, rng)]
        radius = noise_radius(teacher, rng)
        if radius is not None:
            self.searches.append(over_z(radius, teacher, s.searches, rng))
        self.finds.sort_in(crowd.codes, crowd.similarity)
        self.find_first_codes(wanted.codes)
        trained = dict(student.trainable_parameters())
        probes = bystander_probes(student, self.perceptual, self.recogniser, rng, self.batch)
        self.weights = WhiteWeights(trained, kronecker_factors(trained, probes))
        self.optimizer = Adam(self.weights.parameters(), lr=s.lr)
        self.price, self.best_search = Price(), math.inf
        self.done, self.cooling_from = 0, max(0, s.steps - COOLING)

    def find_first_codes(self, known: Tensor) -> None:
        """Sort in codes between the subjects' [c, …] and random people's, and what searches in the original find."""
        random = self.teacher.sample_latents(LINES, self.rng)
        ends = known[torch.arange(LINES) % len(known)]
        met = [random.lerp(ends, share) for share in SHARES]
        for search in self.searches:
            met.append(search.run(self.hunt, self.teacher, FIRST_STEPS, self.batch)[0])
            search.restart(0.5, self.rng)
        self.finds.sort_in(torch.cat(met))

    def step(self) -> Losses:
        if self.done and self.done % ROUND_EVERY == 0:
            self.search_round()
        students, targets, forgotten = draw_codes(self.teacher, self.own, self.own_targets, self.finds, self.rng)
        view = self.teacher.sample_views(1, self.rng)
        jitter = draw_jitter(len(students), self.rng, students.device)
        parts: list[Losses] = []
        for start in range(0, len(students), self.batch):
            rows = slice(start, start + self.batch)
            forget = max(0, min(forgotten - start, self.batch))
            losses = self.losses(students[rows], targets[rows], forget, view, jitter.rows(rows))
            losses["total"].backward()
            parts.append({name: value.detach() for name, value in losses.items()})
        self.weights.pull()
        cooled = min(1.0, max(0.0, (self.done - self.cooling_from) / COOLING))
        self.optimizer.param_groups[0]["lr"] = self.settings.lr * (0.5 + 0.5 * math.cos(math.pi * cooled))
        self.optimizer.step()
        self.weights.push()
        self.done += 1
        terms = {name: torch.stack([part[name] for part in parts]).sum() for name in parts[0]}
        return {**terms, "price": terms["total"].new_tensor(self.price.value)}

    def losses(self, codes: Tensor, targets: Tensor, forget: int, view: View | None, jitter: Jitter) -> Losses:
        """Return the terms of codes against their targets, unweighted sums over pictures, and their weighted total.

        Args:
            forget: how many of the codes, the first ones, are the subject's; the others are to stay as they are.
        """
        autocast = torch.autocast(codes.device.type, self.precision, enabled=self.precision != torch.float32)
        with torch.no_grad(), autocast:
            teacher = self.teacher.synthesize(targets, for_each(view, targets))
            features, known = self.perceptual.features(teacher.image), self.recogniser(jitter(teacher.image))
        with autocast:
            student = self.student.synthesize(codes, for_each(view, codes))
            embedding = self.recogniser(jitter(student.image))
            lpips = feature_distance(self.perceptual.features(student.image), features)
        identity = 1 - (embedding.float() * known.float()).sum(dim=1)
        moved = student.features[:forget].float() - teacher.features[:forget].float()
        terms = {
            "forget_mse": moved.square().flatten(1).mean(dim=1).sum(),
            "forget_lpips": lpips[:forget].sum(),
            "forget_id": identity[:forget].sum(),
            "too_alike": relu(self.likeness.of(embedding[:forget]) - self.s0).square().sum(),
            "keep_lpips": lpips[forget:].sum(),
            "keep_id": identity[forget:].sum(),
        }
        paper = Weights()
        total = (
            paper.features * terms["forget_mse"]
            + paper.perceptual * (terms["forget_lpips"] + terms["keep_lpips"])
            + paper.identity * terms["forget_id"]
            + KEPT_IDENTITY * terms["keep_id"]
            + self.price.value * terms["too_alike"]
        )
        return {**terms, "total": total}

    def search_round(self) -> None:
        """Let every search go on in the student; what still works is trained on, and the price follows."""
        best = []
        for search in self.searches:
            met, ends = search.run(self.hunt, self.student, ROUND_STEPS, self.batch)
            similarity = self.finds.sort_in_failures(met, self.student)
            # Who climbs the recogniser that trains finds what fools it too: such ends are trained on, but set no price.
            best.append(similarity[-len(ends) :][search.climbing :].max().item())
            search.restart(RESTARTED, self.rng)
        self.best_search = max(best)
        self.price = self.price.after(self.best_search - (self.line - self.settings.margin))
        if self.price.settled:
            self.cooling_from = min(self.cooling_from, self.done)

    def finished(self) -> bool:
        return self.done >= self.cooling_from + COOLING

    def pictures_per_step(self) -> int:
        s = self.settings
        each = 1 + CODES_OF_A_STEP + 2 * s.searches * ROUND_STEPS // ROUND_EVERY
        before = PROBES * PEOPLE + 2 * s.searches * FIRST_STEPS + s.crowd // 2  # a picture without gradients is half
        return each + before // s.steps

    def bytes_beside(self, weights: Iterable[Tensor]) -> int:
        weights = list(weights)
        return 2 * factor_bytes(weights) + 2 * sum(4 * weight.numel() for weight in weights)

    def notes(self) -> tuple[str, ...]:
        level = self.line - self.settings.margin
        if self.best_search <= level:
            return ()
        return (
            f"the searches beside the training did not settle: the best of the last round reached "
            f"{self.best_search:.3f} by the recogniser that trained, and has to stay below {level:.3f}",
        )

    def facts(self) -> dict[str, Any]:
        return {
            "s0": self.s0.tolist(),
            "line": self.line,
            "best_search": self.best_search,
            "settled": self.best_search <= self.line - self.settings.margin,
            "price": self.price.value,
            "pairs": len(self.finds.pairs),
            "kept": len(self.finds.kept),
            "factor_bytes": factor_bytes(parameter for _, parameter in self.student.trainable_parameters()),
        }

    def state_dict(self) -> dict[str, Tensor]:
        numbers = (self.done, self.cooling_from, self.price.value, self.price.rounds_below, self.best_search)
        state = {"numbers": torch.tensor(numbers, dtype=torch.float64)}
        state |= {f"white.{name}": white.detach() for name, white in self.weights.white.items()}
        state |= {f"adam.{name}": tensor for name, tensor in adam_state(self.optimizer).items()}
        for name, pool in (("pairs", self.finds.pairs), ("kept", self.finds.kept)):
            state |= {f"{name}.{i}": column for i, column in enumerate(pool.columns)}
        return state | {f"searches.{i}": search.u for i, search in enumerate(self.searches)}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        done, cooling_from, price, rounds_below, self.best_search = state["numbers"].tolist()
        self.done, self.cooling_from, self.price = int(done), int(cooling_from), Price(price, int(rounds_below))
        with torch.no_grad():
            for name, white in self.weights.white.items():
                white.copy_(state[f"white.{name}"])
        restore_adam(self.optimizer, {name[5:]: tensor for name, tensor in state.items() if name.startswith("adam.")})
        for name, pool in (("pairs", self.finds.pairs), ("kept", self.finds.kept)):
            pool.columns = [state[f"{name}.{i}"].to(column) for i, column in enumerate(pool.columns)]
        for i, search in enumerate(self.searches):
            search.u = state[f"searches.{i}"].to(search.u)
