"""What the attempts to bring the subject back came to, in sentences made from the figures."""

from __future__ import annotations

from guide_plugin.report.attack_groups import AttackGroup, group_of, grouped, plausible, share_above
from guide_plugin.report.findings import Findings, LeakFigures
from guide_plugin.report.numbers import count, duration, share, three, two
from guide_plugin.report.recovery_figures import FineTune


def plausible_sentences(findings: Findings) -> list[str]:
    """Say how far searches among plausible codes (W and Z) get."""
    attacks = findings.recovery.attacks if findings.recovery else []
    groups = plausible(attacks)
    person, threshold = group_of(groups, "subject", "hold-out"), findings.reference.threshold
    if not person:
        return []
    before, after = max(group.before for group in person), max(group.after for group in person)
    searches = [attack for group in person for attack in group.attacks]
    says = [
        f"Somebody who searches the redacted model among plausible codes gets to {two(after)} at best in "
        f"{_searches(len(searches))}; the threshold is {two(threshold)}. "
        + (
            f"That is the same person: they can be brought back, by {share(share_above(searches, threshold))} of them."
            if after >= threshold
            else "That is not the same person."
        )
    ]
    led = sum(attack.guide == "judge" for attack in searches)
    if led:
        says[0] += f" {count(led)} of them followed the judge’s own opinion of the face, the others the trainer’s."
    says.append(
        f"In the original model the same searches reach {two(before)}"
        + ("." if before >= threshold else ", so they are too weak there too, and their failing now proves little.")
    )
    return says + [_control(group, threshold) for group in group_of(groups, "control")]


def cost_sentence(findings: Findings) -> str | None:
    """Say what the searches took."""
    cost = findings.recovery.cost if findings.recovery else None
    if cost is None:
        return None
    return (
        f"All searches of both models, {count(cost.searches)} with {count(cost.steps)} steps together, took "
        f"{duration(cost.seconds)}."
    )


def likeness_sentences(findings: Findings) -> list[str]:
    """Say what stands beside the recogniser's word: how near the picture lies where the best search ended."""
    found = findings.recovery.likeness if findings.recovery else None
    if found is None:
        return []
    says = [
        f"Where the best search (over {found.codes}) ended, the redacted model’s picture has a perceptual distance of "
        f"{three(found.perceptual)} to the picture searched for. {_nearer(found.nearer, found.people)} nearer to it in "
        f"the original; the nearest 5\u00a0% of them lie within {three(found.perceptual_nearest)}."
    ]
    if found.ms_ssim is None:
        says.append("The pictures are too small for MS-SSIM.")
    else:
        says.append(
            f"By MS-SSIM at {found.scales} scales, 1 for equal pictures, it scores {three(found.ms_ssim)}; "
            f"{count(found.more_alike or 0)} of these people score higher, the nearest 5\u00a0% at least "
            f"{three(found.ms_ssim_nearest)}."
        )
    if found.nearer == 0:
        says.append(
            "So it is nearer to the person than anybody else, whatever the recognisers say. Look at the pictures: "
            "--keep-evidence keeps them in the private folder."
        )
    return says


def layered_sentences(findings: Findings) -> list[str]:
    """Say how far a search with a code for every layer (W+) gets."""
    groups = grouped(findings.recovery.attacks, "W+") if findings.recovery else []
    person, others = group_of(groups, "subject", "hold-out"), group_of(groups, "control", "stranger")
    if not person:
        return []
    after, threshold = max(group.after for group in person), findings.reference.threshold
    compared = ", ".join(f"{_who(group)} {two(group.after)}" for group in others)
    if after < threshold:
        says = [f"Even with a code of its own for every layer the search gets to {two(after)}, below {two(threshold)}."]
        return says + ([f"For comparison: {compared}."] if compared else [])
    anybody = bool(others) and all(group.after >= threshold for group in others)
    says = [f"With a code for every layer the person comes back at {two(after)}"]
    says[0] += f", as anyone does: {compared}." if anybody else f" ({compared})." if compared else "."
    if anybody:
        says.append(
            "So many free numbers can spell out a face that the model itself does not know. This is why the verdict "
            "does not count it; it is still true that this can be done."
        )
    else:
        says.append("The verdict does not count it; it is still true that this can be done.")
    return says


def distance_sentence(findings: Findings) -> str | None:
    """Say how far from the mean the codes lie that the searches found."""
    if not findings.recovery:
        return None
    parts = [
        f"at {two(max(group.distance for group in person))} with "
        + {"W": "plausible codes (W)", "Z": "plausible codes (Z)", "W+": "a code per layer"}[codes]
        for codes in ("W", "Z", "W+")
        if (person := group_of(grouped(findings.recovery.attacks, codes), "subject", "hold-out"))
    ]
    if not parts:
        return None
    return (
        "Measured from the mean, where a typical random person lies at 1, the codes found for the person lie "
        + ", ".join(parts)
        + "."
    )


def search_sentence(findings: Findings) -> str | None:
    """Say whether the person turns up by chance."""
    found, threshold = findings.recovery, findings.reference.threshold
    if not found or not found.searched:
        return None
    met = "somebody who counts as the person" if found.search_after >= threshold else "nobody who counts as the person"
    return (
        f"Among {count(found.searched)} random people of the redacted model there is {met}: the most alike scores "
        f"{three(found.search_after)}, in the original model {three(found.search_before)}."
    )


def fine_tune_sentence(tune: FineTune, threshold: float) -> str:
    """Say what training the redacted model further gives."""
    photos = "other photos of the person" if tune.photos == "hold-out" else "the very photos that were unlearned"
    back = next((step for step, value in zip(tune.steps, tune.subject, strict=True) if value >= threshold), None)
    says = f"Trained further on {photos}, the redacted model "
    if back is None:
        says += f"does not come back over the threshold in {count(tune.steps[-1])} steps ({two(tune.subject[-1])})."
    else:
        says += f"draws the person again from step {count(back)} on; it ends at {two(tune.subject[-1])}."
    return says + f" Somebody who was never unlearned, trained on alike, reaches {two(tune.control[-1])}."


def leak_sentences(leak: LeakFigures, threshold: float) -> list[str]:
    """Say what one learns who holds both models."""
    says = [
        f"From {count(leak.starts)} random starting points we looked for the codes whose picture differs most between "
        f"the two models. The faces found there have a similarity to the person of up to {three(leak.found)} (mean "
        f"{three(leak.found_mean)}); as many random faces reach {three(leak.by_chance)}."
    ]
    if leak.found >= threshold and leak.by_chance >= threshold:
        says.append("Random faces come as close, so the search says nothing here: the threshold is too low for this.")
    elif leak.found >= threshold:
        says.append(
            "That finds the person: whoever holds both models can learn who was removed. Do not publish the redacted "
            "model where the original can be had, if the removal itself must stay secret."
        )
    elif leak.found > leak.by_chance:
        says.append(
            "That is closer than chance but below the threshold: the search points towards the person without reaching "
            "them. A more patient search may get further."
        )
    else:
        says.append("That is no closer than chance: this search did not lead to the person.")
    return says


def _control(group: AttackGroup, threshold: float) -> str:
    how = "one search" if len(group.attacks) == 1 else f"median of {len(group.attacks)}"
    found = f"{two(group.after)} ({how}; {two(group.before)} in the original model)"
    over = f"over {group.codes}, at {found}"
    if group.after >= threshold:
        return f"People who were never unlearned are still found {over}, so the search itself works."
    return f"But people who were never unlearned are not found either {over}: this search is too weak to say much."


def _who(group: AttackGroup) -> str:
    return {"control": "people never unlearned", "stranger": "people the model never saw"}[group.who]


def _searches(n: int) -> str:
    return "one search" if n == 1 else f"{n} searches"


def _nearer(n: int, people: int) -> str:
    if n == 0:
        return f"None of {count(people)} other people is"
    return f"{count(n)} of {count(people)} other people {'is' if n == 1 else 'are'}"
