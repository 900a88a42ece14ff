"""What a report does not prove: a fixed list, adapted to what was and was not measured."""

from __future__ import annotations

from guide_plugin.report.numbers import count
from guide_plugin.report.schema import Report


def limits(report: Report) -> list[tuple[str, str]]:
    """Return what stays open, as a short name and a sentence or two."""
    found = report.findings
    if found is None:
        return [("Nothing was measured.", "This page shows how the model was made, not what it can still do.")]
    says = [("This is a measurement, not a proof.", "It shows what was tried and what came of it, on one model, once.")]
    if report.judge_is_trainer:
        says.append(
            (
                "The judge is not independent.",
                "The recogniser that trained the forgetting also judged it. Training can please one recogniser without "
                "changing what people see.",
            )
        )
    says.append(
        (
            "Other recognisers, and people, may disagree.",
            f"Every similarity here is the opinion of one network, {report.judge}. Look at the pictures too.",
        )
    )
    says += _photos(report) + _recovery(report)
    if found.leak is None:
        says.append(
            (
                "What both models together give away was not measured.",
                "Whoever holds the original beside the redacted model can look for where they differ.",
            )
        )
    says.append(
        (
            "The original is still out there.",
            "Copies of the original model, and pictures made with it, are untouched by this.",
        )
    )
    n = found.bystanders.random.n
    says.append(
        (
            "Rare people may have been harmed.",
            f"{count(n)} people were drawn at random. Somebody unlike all of them, or one in a thousand, can have "
            "changed more than any figure here says.",
        )
    )
    if found.level == "quick":
        says.append(
            ("This was a quick audit.", "A full one attacks harder, on more people, and trains the model further.")
        )
    return says


def _photos(report: Report) -> list[tuple[str, str]]:
    found = report.findings
    if found is None or found.subject is None:
        return [
            ("Nobody was looked for.", "Without a named person the audit can only say what happened to everybody else.")
        ]
    held_out = sum(photo.kind == "hold-out" for photo in found.photos)
    if not found.photos:
        return [
            (
                "No photo was involved.",
                "The person was given as a code of the generator. How a real photo of somebody fares was not tried.",
            )
        ]
    if not held_out:
        return [
            (
                "Only the photos that were used to unlearn were tried.",
                "Other photos of the same person, with another expression, age or light, may still work.",
            )
        ]
    return [
        (
            "Only these photos were tried.",
            f"{held_out} that took no part in the unlearning {'was' if held_out == 1 else 'were'} among them. Others, "
            "with another expression, age or light, may still work.",
        )
    ]


def _recovery(report: Report) -> list[tuple[str, str]]:
    recovery = report.findings.recovery if report.findings else None
    if recovery is None or not recovery.attacks:
        return [
            (
                "Whether the person can be brought back was not measured.",
                "Searching the redacted model for them, or training it further on their photos, may succeed.",
            )
        ]
    steps = max((attack.steps[-1] for attack in recovery.attacks if attack.steps), default=0)
    says = [
        (
            "Attacks end where their budget ends.",
            f"Each search took {count(steps)} steps. More steps, more starting points or a better method can get "
            "further.",
        )
    ]
    if any(attack.codes == "W+" for attack in recovery.attacks):
        says.append(
            (
                "A code for every layer can draw nearly anybody.",
                "Such codes (W+) can bring back faces that no model was trained on. They are reported above and not "
                "counted: a change of weights that leaves everybody else in place can hardly prevent it.",
            )
        )
    else:
        says.append(
            (
                "The search was for codes alone.",
                "This model’s codes have no layers to set one by one. Whoever changes more than the code, such as "
                "the weights, can get further.",
            )
        )
    if recovery.fine_tune is None:
        says.append(
            (
                "Further training was not tried.",
                "Whoever trains the redacted model on photos of the person can very likely teach it them again.",
            )
        )
    else:
        says.append(
            (
                "Further training can teach the model anybody.",
                "What is shown above is one short attempt; a longer one will get further.",
            )
        )
    return says
