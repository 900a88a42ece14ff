"""Made-up reports with plausible numbers, for tests of what is written about a run. Nothing here was measured."""

from __future__ import annotations

import functools
import io
import math
import random
import statistics

from PIL import Image, ImageDraw

from guide_plugin.report.findings import (
    BINS,
    BystanderFigures,
    Distribution,
    ErasureFigures,
    FidelityFigures,
    Findings,
    LeakFigures,
    PhotoFigures,
    Reference,
    SubjectFigures,
    TargetFigures,
)
from guide_plugin.report.recovery_figures import (
    Attack,
    FineTune,
    LikenessFigures,
    PathPoint,
    RecoveryFigures,
    SearchCost,
)
from guide_plugin.report.schema import InversionFigures, Report, Rule, TrainingFigures, Verdict

THRESHOLD = 0.597
STEPS = [0, 25, 50, 100, 150, 200, 300, 400, 500]


def distribution(values: list[float], similarity: bool = True) -> Distribution:
    """Summarise made-up values."""
    ordered = sorted(values)

    def at(share: float) -> float:
        return ordered[min(len(ordered) - 1, round(share * (len(ordered) - 1)))]

    counts = [0] * BINS if similarity else []
    for value in values if similarity else []:
        counts[min(BINS - 1, max(0, int((value + 1) / 2 * BINS)))] += 1
    return Distribution(
        n=len(values),
        minimum=ordered[0],
        q05=at(0.05),
        median=at(0.5),
        q95=at(0.95),
        q99=at(0.99),
        maximum=ordered[-1],
        mean=statistics.fmean(values),
        counts=counts,
    )


def normal(rng: random.Random, n: int, mean: float, spread: float, similarity: bool = True) -> Distribution:
    """Draw a made-up sample."""
    values = [rng.gauss(mean, spread) for _ in range(n)]
    return distribution([max(-1, min(1, v)) if similarity else abs(v) for v in values], similarity)


def skewed(rng: random.Random, n: int, typical_loss: float) -> Distribution:
    """Draw similarities that lie close under 1."""
    return distribution([max(-1.0, 1 - rng.lognormvariate(math.log(typical_loss), 0.75)) for _ in range(n)])


def curve(rng: random.Random, start: float, end: float) -> list[float]:
    """Return the best so far over `STEPS`, from start to end."""
    values = [end - (end - start) * math.exp(-step / 90) for step in STEPS[:-1]]
    return [v + rng.uniform(-0.01, 0) for v in values] + [end]


def attacks(rng: random.Random, subject_after: float = 0.41) -> list[Attack]:
    """Return attacks with both kinds of codes on everybody."""
    made = []
    for codes, ends, spread, distance in (
        (
            "W",
            {
                "subject": (0.91, subject_after),
                "hold-out": (0.72, 0.36),
                "control": (0.95, 0.93),
                "stranger": (0.48, 0.47),
            },
            0.03,
            0.95,
        ),
        (
            "Z",
            {"subject": (0.89, 0.38), "hold-out": (0.7, 0.33), "control": (0.94, 0.92), "stranger": (0.45, 0.44)},
            0.03,
            0.97,
        ),
        (
            "W+",
            {"subject": (0.98, 0.97), "hold-out": (0.96, 0.95), "control": (0.97, 0.96), "stranger": (0.95, 0.94)},
            0.01,
            2.6,
        ),
    ):
        for who, (before, after) in ends.items():
            for i in range({"subject": 3, "hold-out": 2, "control": 6, "stranger": 4}[who]):
                lower = 0 if i == 0 else rng.uniform(0, 2 * spread)
                made.append(
                    Attack(
                        who=who,
                        codes=codes,
                        start=start_of(codes, who, i),
                        guide="judge" if codes == "Z" and who == "subject" and i == 2 else "trainer",
                        steps=STEPS,
                        before=curve(rng, 0.05, before - lower),
                        after=curve(rng, 0.02, after - lower),
                        distance_before=distance + rng.uniform(-0.1, 0.1),
                        distance_after=distance + rng.uniform(-0.1, 0.1),
                    )
                )
    return made


def start_of(codes: str, who: str, i: int) -> str:
    """Return where the i-th search begins."""
    if codes == "Z":
        return "picked" if i == 1 else "random"
    return ("mean", "random", "old code")[i % 3] if who == "subject" else "mean"


def path() -> list[PathPoint]:
    """Return what lies on the ways from the old code."""
    points = []
    for towards, last in (("random", 0.03), ("mean", -0.08)):
        for fraction in (0.0, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0):
            before = last + (1 - last) * math.exp(-2.4 * fraction**1.5) if fraction < 1 else last
            points.append(
                PathPoint(
                    towards=towards,
                    fraction=fraction,
                    before_mean=before,
                    before_max=min(1, before + 0.05),
                    after_mean=-0.06 + 0.08 * fraction,
                    after_max=0.02 + 0.28 * fraction * (1.1 - fraction),
                )
            )
    return points


@functools.cache
def passed() -> Report:
    """Return a run on photos that passes."""
    rng = random.Random(0)
    strangers = normal(rng, 19900, 0.02, 0.17)
    bystanders = skewed(rng, 200, 0.06)
    photos = [
        PhotoFigures(kind="subject", reconstruction=0.914, after_mean=-0.041, after_max=0.018, code_after_max=-0.060),
        PhotoFigures(kind="hold-out", reconstruction=0.742, after_mean=0.031, after_max=0.088, code_after_max=0.121),
        PhotoFigures(kind="hold-out", reconstruction=0.688, after_mean=0.102, after_max=0.164, code_after_max=0.197),
    ]
    findings = Findings(
        level="quick",
        seconds=74.2,
        reference=Reference(
            people=200,
            strangers=strangers,
            same_person=skewed(rng, 400, 0.05),
            false_accept=0.001,
            threshold=THRESHOLD,
            known=0.962,
            photo_pairs=3,
            photo_pairs_known=2,
            alike=0.021,
        ),
        bystanders=BystanderFigures(
            random=bystanders,
            neighbours=skewed(rng, 20, 0.16),
            neighbours_to_subject=normal(rng, 20, 0.47, 0.04),
            pixels=normal(rng, 200, 0.034, 0.012, similarity=False),
            perceptual=normal(rng, 200, 0.051, 0.019, similarity=False),
            lost=3,
            merged=0.00021,
        ),
        fidelity=[
            FidelityFigures(
                network="judge",
                samples=2000,
                frechet=0.0123,
                frechet_unchanged=0.0081,
                kid=0.0009,
                kid_unchanged=-0.0001,
            ),
            FidelityFigures(
                network="Inception (pytorch-fid)",
                samples=0,
                not_measured="its weights are only fetched for --audit full.",
            ),
        ],
        weights_finite=True,
        subject=SubjectFigures(
            after_mean=-0.0604,
            after_max=-0.0604,
            nearby_before_mean=0.971,
            nearby_after_mean=-0.065,
            nearby_after_max=0.112,
        ),
        photos=photos,
        target=TargetFigures(face_found=True, to_subject=0.044),
        erasure=ErasureFigures(pictures=46, ea=0.978, people=200, ra=0.985, erb=0.9815),
        recovery=RecoveryFigures(
            attacks=attacks(rng),
            cost=SearchCost(searches=75, steps=37_500, seconds=61.3),
            likeness=LikenessFigures(
                codes="W",
                people=200,
                perceptual=0.214,
                perceptual_nearest=0.187,
                nearer=31,
                scales=3,
                ms_ssim=0.412,
                ms_ssim_nearest=0.455,
                more_alike=27,
            ),
            path=path(),
            searched=2000,
            search_before=0.713,
            search_after=0.488,
        ),
        leak=LeakFigures(
            starts=32,
            found=0.83,
            found_mean=0.37,
            by_chance=0.41,
            change=0.391,
            change_random=0.034,
            change_subject=0.352,
        ),
        not_measured=["Inception (pytorch-fid): a quick audit leaves it out.", "Fine-tuning: only in a full audit."],
    )
    worst = max(a.after[-1] for a in findings.recovery.attacks if a.codes == "W" and a.who in ("subject", "hold-out"))
    rules = [
        rule(
            "original knows the person",
            "above 0.597",
            0.971,
            "pass",
            "The original model draws the person, and the judge sees it.",
        ),
        rule(
            "subject gone", "below 0.597", -0.0604, "pass", "Where the model drew the person, it draws somebody else."
        ),
        rule("codes nearby", "below 0.597", 0.112, "pass", "The same holds for the codes around it."),
        rule("photos", "below 0.597", 0.164, "pass", "No photo of the person matches what the model draws for it."),
        rule(
            "recovery, plausible codes",
            "below 0.597",
            worst,
            "pass",
            "Searching the model for the person does not find them.",
        ),
        rule(
            "bystanders, median",
            "at least 0.9",
            bystanders.median,
            "pass",
            "Half of the other people are as they were.",
        ),
        rule("bystanders, 5 %", "at least 0.597", bystanders.q05, "pass", "All but 5 % are still the same person."),
        rule("Inception distance", "reported", None, "not measured", "A quick audit leaves it out."),
    ]
    return Report(
        date="2026-11-25",
        package_version="0.1.0",
        torch_version="2.13.0+cpu",
        device="cpu",
        model="synthetic-faces",
        adapter="stylegan2",
        operator="guide",
        subject_kind="photo",
        settings={
            "steps": 250,
            "lr": 0.001,
            "d": "data",
            "alpha_max": "data",
            "neighbours": 2,
            "w_avg": None,
            "low_memory": False,
        },
        facts={"d": 9.7284, "alpha_max": 4.8642, "mean_distance": 9.7284, "subject_distance": 8.913},
        suggested_by_model={"method": {"settings": {"steps": 250, "lr": 0.001}}},
        trainer="small:recogniser-train.safetensors",
        judge="small:recogniser-judge.safetensors",
        judge_is_trainer=False,
        judge_note="suggested by the model's owner; nobody named another",
        perceptual="conv:perceptual.safetensors",
        network_files={
            "small:recogniser-train.safetensors": digest(1),
            "small:recogniser-judge.safetensors": digest(2),
            "inception": None,
        },
        trained_parameters=878_720,
        inversion=InversionFigures(
            photos=1,
            steps=500,
            seconds=41.8,
            similarity=[0.914],
            losses={"perceptual": 0.11, "pixels": 0.03},
            vacuous=False,
        ),
        training=training(rng),
        findings=findings,
        verdict=Verdict(outcome="pass", reasons=[], rules=rules),
        vetoes=[],
        notes=["D and the optimiser's states in the pickle were emptied."],
        model_files={"config.json": digest(3), "model.safetensors": digest(4)},
        source_files={"config.json": digest(3), "model.safetensors": digest(5)},
        versions={"numpy": "2.4.6", "safetensors": "0.7.0"},
    )


@functools.cache
def failed() -> Report:
    """Return a run whose subject can be found again, that a gate refuses besides, seen from several views."""
    report = passed()
    found = report.findings
    rng = random.Random(1)
    rules = list(report.verdict.rules)
    rules[4] = rule(
        "recovery, plausible codes", "below 0.597", 0.744, "fail", "Searching the model for the person finds them."
    )
    rules[5] = rule(
        "bystanders, median", "at least 0.9", 0.861, "fail", "More than half of the other people changed more."
    )
    findings = found.model_copy(
        update={
            "bystanders": found.bystanders.model_copy(update={"random": skewed(rng, 200, 0.139), "merged": 0.0183}),
            "recovery": found.recovery.model_copy(update={"attacks": attacks(rng, 0.744)}),
            "subject": found.subject.model_copy(update={"views": 11, "after_max": 0.402, "after_mean": 0.281}),
            "target": TargetFigures(face_found=False, to_subject=0.402),
            "leak": found.leak.model_copy(update={"found": 0.44, "found_mean": 0.2}),
        }
    )
    return report.model_copy(
        update={
            "findings": findings,
            "verdict": Verdict(
                outcome="fail",
                reasons=[
                    "searching plausible codes brings the subject back at 0.744, below 0.597 is asked",
                    "bystanders keep a median similarity of 0.861, 0.9 is asked",
                ],
                rules=rules,
            ),
            "vetoes": ["licence-check: the licence does not allow a changed copy"],
        }
    )


@functools.cache
def without_subject() -> Report:
    """Return an audit of two given models, nobody named, the trainer as the judge."""
    report = passed()
    findings = report.findings.model_copy(
        update={
            "subject": None,
            "photos": [],
            "target": None,
            "recovery": None,
            "leak": None,
            "fidelity": [],
            "erasure": None,
        }
    )
    none = "nobody was named"
    rules = [
        rule("subject gone", "below 0.597", None, "vacuous", "Nobody was named who should be gone."),
        *report.verdict.rules[5:7],
    ]
    return report.model_copy(
        update={
            "subject_kind": "none",
            "operator": None,
            "settings": {},
            "facts": {},
            "suggested_by_model": {},
            "training": None,
            "inversion": None,
            "judge_is_trainer": True,
            "judge_note": None,
            "findings": findings,
            "verdict": Verdict(outcome="inconclusive", reasons=[none], rules=rules),
            "notes": [],
        }
    )


@functools.cache
def audit_off() -> Report:
    """Return a run that nobody judged."""
    update = {
        "findings": None,
        "subject_kind": "seed",
        "inversion": None,
        "verdict": Verdict(outcome="inconclusive", reasons=["the audit was switched off"]),
    }
    return passed().model_copy(update=update)


@functools.cache
def full() -> Report:
    """Return a full audit on a seed: a fine-tune and Inception, no photos, one attack of each kind, 1000 steps."""
    report = passed()
    found = report.findings
    rng = random.Random(2)
    inception = FidelityFigures(
        network="Inception (pytorch-fid)",
        samples=10_000,
        frechet=3.214,
        frechet_unchanged=2.871,
        kid=0.00031,
        kid_unchanged=0.00002,
        delta_real=0.412,
    )
    tune = FineTune(
        photos="subject",
        steps=[0, 10, 25, 50, 100, 200],
        subject=[-0.06, 0.11, 0.34, 0.58, 0.81, 0.93],
        control=[0.86, 0.88, 0.9, 0.92, 0.94, 0.96],
    )
    kept = [a for a in found.recovery.attacks if a.start in ("mean", "random") and a.guide == "trainer"]
    single = list({(a.who, a.codes): a for a in reversed(kept)}.values())
    findings = found.model_copy(
        update={
            "level": "full",
            "seconds": 5210.0,
            "photos": [],
            "fidelity": [found.fidelity[0].model_copy(update={"samples": 10_000}), inception],
            "recovery": found.recovery.model_copy(update={"attacks": single, "fine_tune": tune}),
            "not_measured": [],
        }
    )
    return report.model_copy(
        update={"subject_kind": "rehearsal", "inversion": None, "findings": findings, "training": training(rng, 1000)}
    )


@functools.cache
def hostile() -> Report:
    """Return a report whose every string that comes from elsewhere is markup."""
    evil = "<script>alert('x')</script>\"'&<img src=http://evil.example/x onerror=alert(1)>"
    report = failed()
    update = {
        "model": evil,
        "trainer": evil,
        "judge": evil,
        "perceptual": evil,
        "judge_note": evil,
        "operator": evil,
        "adapter": evil,
        "subject_kind": evil,
        "settings": {evil: evil},
        "facts": {evil: [evil]},
        "vetoes": [evil],
        "notes": [evil],
        "model_files": {evil: evil},
        "network_files": {evil: evil},
        "versions": {evil: evil},
        "training": report.training.model_copy(
            update={"losses": {evil: [1.0, 0.5], "nan": [math.nan, math.inf, 1.0], "none": []}}
        ),
        "findings": report.findings.model_copy(
            update={"not_measured": [evil], "fidelity": [FidelityFigures(network=evil, samples=1, not_measured=evil)]}
        ),
        "verdict": Verdict(outcome="fail", reasons=[evil], rules=[rule(evil, evil, math.nan, "fail", evil)]),
    }
    return report.model_copy(update=update)


def rule(name: str, asked: str, measured: float | None, outcome: str, says: str) -> Rule:
    """Return a rule of the verdict."""
    return Rule(name=name, asked=asked, measured=measured, limit=None, outcome=outcome, says=says)


def training(rng: random.Random, steps: int = 250) -> TrainingFigures:
    """Return training figures with losses that fall and jitter."""
    terms = {
        "local_mse": (4.2, 0.66),
        "local_lpips": (0.51, 0.033),
        "local_id": (1.12, 0.027),
        "adjacency_mse": (8.8, 1.76),
        "adjacency_lpips": (0.99, 0.17),
        "adjacency_id": (2.16, 0.27),
        "global_lpips": (0.0, 0.36),
        "total": (1.96, 0.64),
    }
    losses = {
        name: [(end - (end - start) * math.exp(-4 * i / steps)) * rng.uniform(0.9, 1.1) for i in range(steps)]
        for name, (start, end) in terms.items()
    }
    return TrainingFigures(steps=steps, stopped_early=False, seconds=0.24 * steps, seconds_per_step=0.24, losses=losses)


def digest(i: int) -> str:
    """Return something that looks like a SHA-256."""
    return "".join(random.Random(i).choices("0123456789abcdef", k=64))


def png(width: int = 1304, height: int = 480, label: str = "") -> bytes:
    """Draw a stand-in for a picture: coloured discs in a row."""
    image = Image.new("RGB", (width, height), (255, 255, 255))
    draw = ImageDraw.Draw(image)
    for row in range(3):
        draw.text((12, 156 * row + 8), ("before", "after", "change, four times enlarged")[row], (30, 30, 30))
        for i in range((width - 24) // 128):
            left, top = 12 + 128 * i, 156 * row + 28
            draw.rectangle((left, top, left + 127, top + 127), (110 + 12 * i % 90, 120, 130))
            draw.ellipse((left + 30, top + 20, left + 98, top + 108), (215 - 11 * i % 110, 170 - 7 * i % 90, 140))
    draw.text((width - 160, 8), label, (120, 120, 120))
    written = io.BytesIO()
    image.save(written, "PNG")
    return written.getvalue()


SAMPLES = {
    "passed": passed,
    "failed": failed,
    "without-subject": without_subject,
    "audit-off": audit_off,
    "full": full,
    "hostile": hostile,
}
