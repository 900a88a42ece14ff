"""Which figures a report gets, and what they say to those who do not see them."""

from __future__ import annotations

import math

from markupsafe import Markup

from guide_plugin.report.attack_groups import AttackGroup, grouped
from guide_plugin.report.curves import Curve, Range, small_plot, thinned
from guide_plugin.report.findings import Findings
from guide_plugin.report.numbers import count, plain, three, two
from guide_plugin.report.plots import Hill, Marks, Upright, strip
from guide_plugin.report.recovery_figures import FineTune, PathPoint
from guide_plugin.report.schema import TrainingFigures


def subject_figure(findings: Findings) -> Markup:
    """Draw strangers, the same person, and where the subject stood and stands."""
    reference, subject = findings.reference, findings.subject
    strangers, same = reference.strangers, reference.same_person
    rows: list[Hill | Marks] = [
        Hill(f"Two different people, {count(strangers.n)} pairs", strangers),
        Hill(f"The same person twice, {count(same.n)} pairs", same, "hill same"),
    ]
    if subject:
        rows.append(
            Marks(_way("At their own code", subject.before, subject.after_max), subject.before, subject.after_max)
        )
        near = subject.nearby_before_mean, subject.nearby_after_max
        rows.append(Marks(_way("At codes nearby", *near), *near))
    for i, photo in enumerate(findings.photos, 1):
        kind = "used to unlearn" if photo.kind == "subject" else "held out"
        label = _way(f"Photo {i} ({kind})", photo.reconstruction, photo.after_max)
        rows.append(Marks(label, photo.reconstruction, photo.after_max))
    marks = "; ".join(row.label for row in rows if isinstance(row, Marks))
    description = (
        f"Pairs of different people lie around {three(strangers.median)}, the same person around {three(same.median)}; "
        f"the threshold is {three(reference.threshold)}. {marks}."
    )
    return strip(
        "subject-plot", "Similarity to the person, before and after", description, rows, [_threshold(findings)]
    )


def bystander_figure(findings: Findings) -> Markup:
    """Draw how like themselves everybody else stayed."""
    everybody, neighbours = findings.bystanders.random, findings.bystanders.neighbours
    rows: list[Hill | Marks] = [
        Hill(f"{count(everybody.n)} random people, before against after", everybody, "hill same")
    ]
    if neighbours is not None and findings.subject:
        label = f"The {count(neighbours.n)} of them most like the person"
        rows.append(Hill(label, neighbours, "hill same"))
    rules = [
        _threshold(findings),
        Upright(f"5\u00a0% changed more than this, {three(everybody.q05)}", everybody.q05, "mark"),
        Upright(f"median {three(everybody.median)}", everybody.median, "mark"),
    ]
    description = (
        f"Half of the people kept at least {three(everybody.median)}, all but 5\u00a0% at least "
        f"{three(everybody.q05)}; the one who changed most has {three(everybody.minimum)}. "
        f"The threshold is {three(findings.reference.threshold)}."
    )
    return strip("bystander-plot", "How like themselves other people stayed", description, rows, rules)


def attack_figures(findings: Findings, codes: str) -> list[Markup]:
    """Draw the attacks with one kind of codes, a plot for each kind of person."""
    recovery = findings.recovery
    groups = grouped(recovery.attacks, codes) if recovery else []
    every = [v for g in groups for a in g.attacks for v in (*a.before, *a.after) if math.isfinite(v)]
    low = min(0.0, math.floor(10 * min(every, default=0.0)) / 10)
    prefix = {"W": "w", "Z": "z", "W+": "w-plus"}[codes]
    return [
        _attack_figure(f"{prefix}-{group.who}", group, Range(low, 1, findings.reference.threshold)) for group in groups
    ]


def _attack_figure(name: str, group: AttackGroup, span: Range) -> Markup:
    several = len(group.attacks) > 1
    curves = []
    if several or not group.after_curve:
        curves += [Curve(a.before, "thin before") for a in group.attacks]
        curves += [Curve(a.after, "thin after") for a in group.attacks]
    if group.after_curve:
        curves.append(Curve(group.before_curve, "before", f"before {two(group.before)}"))
        curves.append(Curve(group.after_curve, "after", f"after {two(group.after)}"))
    how = f"{group.rule} of {len(group.attacks)} searches" if several else "one search"
    steps = group.attacks[0].steps
    description = (
        f"{how}: in the original model the similarity ends at {three(group.before)}, in the redacted one at "
        f"{three(group.after)}; the threshold is {three(span.across)}."
    )
    ends = (f"step {count(steps[0])}", count(steps[-1]))
    return small_plot(name, group.name, description, steps, ends, curves, span)


def path_figures(findings: Findings) -> list[Markup]:
    """Draw the similarity along the ways from the subject's old code."""
    points = findings.recovery.path if findings.recovery else []
    titles = {"random": "Towards random people", "mean": "Towards the average face"}
    return [
        _path_figure(f"path-{towards}", titles[towards], some, findings.reference.threshold)
        for towards in titles
        if (some := sorted((p for p in points if p.towards == towards), key=lambda p: p.fraction))
    ]


def _path_figure(name: str, title: str, points: list[PathPoint], threshold: float) -> Markup:
    curves = [
        Curve([p.before_mean for p in points], "before", f"before {two(points[-1].before_mean)}"),
        Curve([p.after_max for p in points], "after thin"),
        Curve([p.after_mean for p in points], "after", f"after {two(points[-1].after_mean)}"),
    ]
    values = [v for curve in curves for v in curve.values if math.isfinite(v)]
    low = min(0.0, math.floor(10 * min(values, default=0.0)) / 10)
    fractions = [point.fraction for point in points]
    description = (
        f"From the old code ({three(points[0].before_mean)} before, {three(points[0].after_mean)} after) the mean "
        f"similarity goes to {three(points[-1].before_mean)} before and {three(points[-1].after_mean)} after; "
        f"the highest after is {three(max(p.after_max for p in points))}."
    )
    ends = ("old code", f"{100 * fractions[-1]:.0f}\u00a0% of the way")
    return small_plot(name, title, description, fractions, ends, curves, Range(low, 1, threshold))


def fine_tune_figure(tune: FineTune, threshold: float) -> Markup:
    """Draw what training the redacted model further gives."""
    curves = [
        Curve(tune.control, "before", f"others {two(tune.control[-1])}"),
        Curve(tune.subject, "after", f"person {two(tune.subject[-1])}"),
    ]
    values = [v for v in (*tune.subject, *tune.control) if math.isfinite(v)]
    span = Range(min(0.0, math.floor(10 * min(values, default=0.0)) / 10), 1, threshold)
    description = (
        f"The person goes from {three(tune.subject[0])} to {three(tune.subject[-1])}, somebody who was never unlearned "
        f"from {three(tune.control[0])} to {three(tune.control[-1])}."
    )
    ends = (f"step {count(tune.steps[0])}", count(tune.steps[-1]))
    return small_plot("fine-tune", "Training it further", description, tune.steps, ends, curves, span)


def loss_figures(training: TrainingFigures) -> list[Markup]:
    """Draw every loss term, each over its own range."""
    return [
        _loss_figure(f"loss-{i}", name.replace("_", " "), values)
        for i, (name, values) in enumerate(training.losses.items())
        if values
    ]


def _loss_figure(name: str, title: str, values: list[float]) -> Markup:
    steps, means = thinned(values)
    finite = [value for value in means if math.isfinite(value)]
    span = Range(min(0.0, min(finite, default=0.0)), max(finite, default=1.0) or 1.0)
    description = f"From {plain(values[0])} at the first step to {plain(values[-1])} at step {count(len(values))}."
    ends = ("step 1", count(len(values)))
    return small_plot(name, title, description, steps, ends, [Curve(means, "after", f"{means[-1]:.3g}")], span)


def _threshold(findings: Findings) -> Upright:
    threshold = findings.reference.threshold
    return Upright(f"threshold {three(threshold)}", threshold)


def _way(label: str, before: float, after: float) -> str:
    return f"{label}: {three(before)} → {three(after)}"
