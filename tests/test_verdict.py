"""The verdict's rules, one by one: each can fail alone, and says so in its own words."""

from __future__ import annotations

from typing import Any

import pytest

from guide_plugin.audit.verdict import draw_verdict, unaudited
from guide_plugin.recipe import Rules
from guide_plugin.report.findings import Distribution, FidelityFigures, Findings
from guide_plugin.report.recovery_figures import Attack

SEARCHED = {"path": [], "searched": 1, "search_before": 0.0, "search_after": 0.0}


def flat(value: float) -> Distribution:
    numbers = dict.fromkeys(("minimum", "q05", "median", "q95", "q99", "maximum", "mean"), value)
    return Distribution(n=1, **numbers)


def attack(after: float, who: str = "subject", codes: str = "W") -> Attack:
    return Attack.model_validate(
        {
            "who": who,
            "codes": codes,
            "start": "mean",
            "steps": [1],
            "before": [0.9],
            "after": [after],
            "distance_before": 1.0,
            "distance_after": 1.0,
        }
    )


def photo(after: float, kind: str = "subject", code: float = 0.1) -> dict[str, Any]:
    return {"kind": kind, "reconstruction": 0.9, "after_mean": after, "after_max": after, "code_after_max": code}


def findings(
    *,
    own: float = 0.1,
    nearby: float = 0.1,
    known: float = 0.95,
    kept: float = 0.95,
    lowest: float = 0.7,
    judge_knows: float = 0.95,
    ratio: float = 0.5,
    finite: bool = True,
    target: dict[str, Any] | None = None,
    photos: tuple[dict[str, Any], ...] = (),
    attacks: tuple[Attack, ...] = (),
) -> Findings:
    return Findings.model_validate(
        {
            "level": "quick",
            "seconds": 1.0,
            "reference": {
                "people": 200,
                "strangers": flat(0.0),
                "same_person": flat(0.9),
                "false_accept": 0.001,
                "threshold": 0.5,
                "known": judge_knows,
            },
            "bystanders": {
                "random": flat(kept).model_copy(update={"q05": lowest}),
                "neighbours": None,
                "neighbours_to_subject": None,
                "pixels": flat(0.0),
                "perceptual": flat(0.0),
                "lost": 0,
                "merged": 0.0,
            },
            "fidelity": [FidelityFigures(network="judge", samples=200, frechet=ratio / 10, frechet_unchanged=0.1)],
            "weights_finite": finite,
            "subject": {
                "after_mean": own,
                "after_max": own,
                "nearby_before_mean": known,
                "nearby_after_mean": nearby,
                "nearby_after_max": nearby,
            },
            "photos": photos,
            "target": target or {"face_found": True, "to_subject": 0.1},
            "recovery": {"attacks": attacks, **SEARCHED} if attacks else None,
        }
    )


@pytest.mark.parametrize(
    ("changed", "rule", "said"),
    [
        ({"own": 0.5}, "subject's own code", "the subject at their own code scores 0.500"),
        ({"nearby": 0.6}, "codes near the subject", "codes near the subject score on average 0.600"),
        ({"photos": (photo(0.6),)}, "subject's photos", "the subject's photo scores 0.600"),
        ({"photos": (photo(0.1, code=0.7),)}, "subject's photos", "scores 0.700"),
        ({"photos": (photo(0.1), photo(0.6, "hold-out"))}, "hold-out photos", "only judges scores 0.600"),
        ({"attacks": (attack(0.55),)}, "recovery, plausible codes", "brings the subject back to 0.550"),
        ({"attacks": (attack(0.1), attack(0.8, "hold-out"))}, "recovery from hold-out photos", "back to 0.800"),
        ({"target": {"face_found": True, "to_subject": 0.6}}, "somebody else in their place", "scores 0.600"),
        ({"target": {"face_found": False, "to_subject": 0.1}}, "a face in their place", "is no face"),
        ({"kept": 0.89}, "bystanders, median", "0.890, 0.9 is asked"),
        ({"lowest": 0.5}, "bystanders, 5th percentile", "0.500, 0.6 is asked"),
        ({"ratio": 1.2}, "pictures as a whole", "1.20 times as far"),
        ({"finite": False}, "weights finite", "NaN or Inf"),
    ],
)
def test_each_rule_fails_alone(changed: dict[str, Any], rule: str, said: str) -> None:
    verdict = draw_verdict(findings(**changed), Rules(), judge_is_trainer=False, reproduced=0.9)
    assert verdict.outcome == "fail"
    assert [found.name for found in verdict.rules if found.outcome == "fail"] == [rule]
    assert len(verdict.reasons) == 1
    assert said in verdict.reasons[0]


def test_what_meets_every_rule_passes() -> None:
    found = findings(photos=(photo(0.1), photo(0.2, "hold-out")), attacks=(attack(0.4), attack(0.99, codes="W+")))
    verdict = draw_verdict(found, Rules(), judge_is_trainer=False, reproduced=0.9)
    assert (verdict.outcome, verdict.reasons) == ("pass", [])
    assert {rule.outcome for rule in verdict.rules} == {"pass"}


@pytest.mark.parametrize(
    ("changed", "judge_is_trainer", "reproduced", "said"),
    [
        ({"known": 0.4}, False, 0.9, "does not tell the subject from strangers"),
        ({"judge_knows": 0.894}, False, 0.9, "knows 89.4% of the pairs of pictures that show one person on this model"),
        ({}, True, 0.9, "only one that judged"),
        ({}, False, 0.3, "there was nothing to unlearn"),
    ],
)
def test_a_pass_that_proves_nothing_is_inconclusive(
    changed: dict[str, Any], judge_is_trainer: bool, reproduced: float, said: str
) -> None:
    found = findings(**changed)
    verdict = draw_verdict(found, Rules(), judge_is_trainer=judge_is_trainer, reproduced=reproduced)
    assert verdict.outcome == "inconclusive"
    assert said in verdict.reasons[0]
    failing = draw_verdict(findings(own=0.9, **changed), Rules(), judge_is_trainer=judge_is_trainer, reproduced=0.3)
    assert failing.outcome == "fail"


def test_rules_are_data() -> None:
    strict, lax = Rules(bystander_median=0.97), Rules(bystander_median=0.5, bystander_q05=0.1, frechet=10)
    found = findings(ratio=5)
    assert draw_verdict(found, strict, judge_is_trainer=False, reproduced=None).outcome == "fail"
    assert draw_verdict(found, lax, judge_is_trainer=False, reproduced=None).outcome == "pass"


def test_a_recogniser_whose_strangers_score_high_is_measured_from_there() -> None:
    """Strangers at 0.8: a bystander at 0.95 has kept three quarters of themselves."""
    found = findings(kept=0.95, lowest=0.95)
    high = found.reference.model_copy(update={"strangers": flat(0.8), "threshold": 0.93})
    verdict = draw_verdict(
        found.model_copy(update={"reference": high}), Rules(), judge_is_trainer=False, reproduced=None
    )
    measured = {rule.name: rule.measured for rule in verdict.rules}
    assert measured["bystanders, median"] == pytest.approx(0.75)
    assert verdict.outcome == "fail"


def test_nothing_measured_passes_nothing() -> None:
    assert unaudited().outcome == "inconclusive"
