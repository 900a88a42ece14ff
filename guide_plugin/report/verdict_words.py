"""The verdict in one plain sentence, and the key figures in a few."""

from __future__ import annotations

from dataclasses import dataclass

from guide_plugin.report.attack_groups import group_of, plausible
from guide_plugin.report.findings import Findings
from guide_plugin.report.numbers import count, share, three, two
from guide_plugin.report.schema import Report


@dataclass(frozen=True)
class Headline:
    """What stands at the top.

    Attributes:
        mark: which sign goes with it: "pass", "fail" or "unclear".
        word: the verdict in a word.
        sentence: and in a sentence.
    """

    mark: str
    word: str
    sentence: str


def headline(report: Report) -> Headline:
    """Return the verdict; a gate's veto outweighs a pass."""
    outcome, found = report.verdict.outcome, report.findings
    if outcome == "fail":
        return Headline("fail", "Failed", "The redacted model does not meet what was asked of it.")
    if outcome == "pass" and report.vetoes:
        return Headline("fail", "Refused", "The measurements pass, but a release check says no.")
    if outcome == "pass" and found and found.subject is None and not found.photos:
        return Headline("pass", "Passed", "Other people remain as they were; nobody was named who should be gone.")
    if outcome == "pass":
        return Headline(
            "pass", "Passed", "The person is gone and other people remain, by every rule that was measured."
        )
    if found is None:
        return Headline(
            "unclear", "Not judged", "The audit was switched off, so nothing says whether the person is gone."
        )
    if found.subject is None and not found.photos:
        return Headline("unclear", "Inconclusive", "Nobody was named, so nothing says whether anybody is gone.")
    return Headline("unclear", "Inconclusive", "The measurements cannot tell whether the person is gone.")


def summary(report: Report) -> list[str]:
    """Return the key figures in at most four sentences."""
    found = report.findings
    if found is None:
        return ["The model was changed and written, but nobody looked at the result. Treat it as unchanged."]
    says = [] if found.weights_finite else ["The redacted model holds numbers that are not finite: it is broken."]
    return [*says, *_subject(found), _bystanders(found), *_recovery(found)]


def subject_kind(kind: str) -> str:
    """Say who was unlearned."""
    return {
        "photo": "a person, given by photos",
        "seed": "a person made up by the generator, given by a seed",
        "code": "a person given by a latent code",
        "name": "a person whom the model knows by name",
        "rehearsal": "a random made-up person, as a rehearsal",
        "none": "nobody named",
    }.get(kind, kind)


def _subject(found: Findings) -> list[str]:
    threshold = found.reference.threshold
    says = []
    if found.subject:
        after = found.subject.after_max
        says.append(
            f"Where the model drew the person before, its picture now has a similarity of {three(after)} to them; "
            f"from {three(threshold)} on, two pictures count as the same person"
            + (", so the person is still there." if after >= threshold else ".")
        )
    if found.photos:
        after = max(photo.after_max for photo in found.photos)
        before = [three(value) for value in sorted({photo.reconstruction for photo in found.photos})]
        scores = (
            "The photo of them now scores"
            if len(found.photos) == 1
            else f"{len(found.photos)} photos of them now score"
        )
        says.append(
            f"{scores} {three(after)} at most against what the model draws in their place; before, "
            f"{' to '.join(dict.fromkeys((before[0], before[-1])))}."
        )
    return says


def _bystanders(found: Findings) -> str:
    everybody = found.bystanders.random
    return (
        f"Of {count(everybody.n)} other people, half kept a similarity to themselves of at least "
        f"{three(everybody.median)} (1 is unchanged), and all but 5\u00a0% at least {three(everybody.q05)}."
    )


def bystander_words(found: Findings) -> str:
    """Say whether other people are still themselves, the worst of them first."""
    everybody, threshold = found.bystanders.random, found.reference.threshold
    if everybody.minimum >= threshold:
        return f"All of them still count as themselves; the one who changed most has {three(everybody.minimum)}."
    if everybody.q05 < threshold:
        return (
            f"More than 5\u00a0% of them no longer count as themselves: 5\u00a0% score below {three(everybody.q05)}, "
            f"the one who changed most {three(everybody.minimum)}."
        )
    return (
        f"Not everybody still counts as themselves: the one who changed most has {three(everybody.minimum)}, below the "
        f"threshold of {three(threshold)}. That is fewer than 5\u00a0%."
    )


def _recovery(found: Findings) -> list[str]:
    threshold = found.reference.threshold
    groups = plausible(found.recovery.attacks) if found.recovery else []
    person = group_of(groups, "subject", "hold-out")
    if not person:
        return []
    after = max(group.after for group in person)
    if after >= threshold:
        return [f"Somebody who searches for the person still finds them, at {two(after)}."]
    return [f"Somebody who searches for the person among plausible codes gets to {two(after)} at best."]


def knowledge_words(found: Findings) -> str | None:
    """Say how well the judge knows people on this model, and whether it sees them from their mean on."""
    reference = found.reference
    if reference.known is None:
        return None
    says = (
        f"Of pairs of pictures of one person, the judge knows {share(reference.known)} by that threshold. The rest, it "
        "would not find again."
    )
    if reference.photo_pairs:
        says += (
            f" Of {count(reference.photo_pairs)} pairs of the person’s photos it knows {reference.photo_pairs_known}."
        )
    if reference.centred:
        says += (
            f" To the judge’s own embeddings all people of this model look alike (the median pair of strangers scores "
            f"{three(reference.alike)}), so every similarity is taken from their mean."
        )
    return says


def erasure_words(found: Findings) -> str | None:
    """Say who is verified before and after, as methods are ranked by it."""
    erased = found.erasure
    if erased is None:
        return None
    return (
        f"Of {count(erased.pictures)} pictures that the judge verified as the person when the original drew them "
        "(their own code, codes nearby, photos, and what the counted searches end at), it no longer verifies "
        f"{share(erased.ea)} when the redacted model draws them (EA); of {count(erased.people)} other people it still "
        f"verifies {share(erased.ra)} (RA). The harmonic mean of both is {three(erased.erb)} (ERB)."
    )


def similarity_words(found: Findings) -> str:
    """Say what a similarity is, in figures of this very generator and judge."""
    reference = found.reference
    return (
        f"Similarity is what a face recogniser says of two pictures: 1 is the same picture, 0 or less two faces with "
        f"nothing in common. Here two different people score {three(reference.strangers.median)} in the middle and the "
        f"same person twice {three(reference.same_person.median)}. The threshold is {three(reference.threshold)}: "
        f"{share(reference.false_accept)} of the pairs of different people lie above it. All of this was measured on "
        f"{count(reference.people)} people drawn by the original model."
    )
