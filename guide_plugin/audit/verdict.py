"""From figures to a yes or a no."""

from __future__ import annotations

from guide_plugin.report.schema import Findings, Verdict


def draw_verdict(findings: Findings, *, bystander_median: float, judge_is_trainer: bool) -> Verdict:
    """Draw the verdict.

    It fails where the subject, at their own code (the highest of all views) or on average nearby, is still as
    similar as one stranger in a hundred, or where bystanders changed too much. It is inconclusive where a pass
    would prove nothing: the judge does not recognise even the original's own pictures of the subject, or it is
    the network that trained the forgetting.
    """
    subject, bystanders, limit = findings.subject, findings.bystanders, findings.strangers.q99
    failed = []
    if subject.after_max >= limit:
        failed.append(f"the subject still scores {subject.after_max:.3f}, strangers' 99th percentile is {limit:.3f}")
    if subject.nearby_after_mean >= limit:
        failed.append(
            f"codes near the subject still score {subject.nearby_after_mean:.3f} on average, "
            f"strangers' 99th percentile is {limit:.3f}"
        )
    if bystanders.median < bystander_median:
        failed.append(f"bystanders keep a median similarity of {bystanders.median:.3f}, {bystander_median:g} is asked")
    if failed:
        return Verdict(outcome="fail", reasons=failed)
    vacuous = []
    if subject.nearby_before_mean <= limit:
        vacuous.append("the judge does not tell the subject from strangers even before unlearning")
    if judge_is_trainer:
        vacuous.append("the network that trained the forgetting is the only one that judged it")
    return Verdict(outcome="inconclusive" if vacuous else "pass", reasons=vacuous)
