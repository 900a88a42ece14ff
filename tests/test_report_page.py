"""The report as a page: what it says, that anybody can read it, and that it lets nothing in or out."""

from __future__ import annotations

import itertools
import random
import re
import subprocess
import sys
import zipfile
from html.parser import HTMLParser
from pathlib import Path

import pytest

from guide_plugin.report import numbers
from guide_plugin.report.attack_groups import counted, share_above
from guide_plugin.report.curves import thinned
from guide_plugin.report.findings import Findings
from guide_plugin.report.page import evidence_page, page
from guide_plugin.report.recovery_figures import Attack, FineTune, RecoveryFigures
from guide_plugin.report.recovery_words import (
    cost_sentence,
    layered_sentences,
    leak_sentences,
    likeness_sentences,
    plausible_sentences,
)
from guide_plugin.report.schema import Report, Verdict
from guide_plugin.report.summary import summary_rows
from guide_plugin.report.svg import apart
from guide_plugin.report.verdict_words import bystander_words, erasure_words, headline, knowledge_words
from tests.conftest import REPOSITORY
from tests.sample_reports import SAMPLES, THRESHOLD, failed, full, hostile, passed, png, skewed, without_subject

VOID = {"meta", "img", "br", "hr", "link", "input"}
PICTURES = {"bystanders.png": png(), "views.png": png()}


class Page(HTMLParser):
    """Reads a page: its elements, ids, text; notes tags that do not close."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.wrong: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(html)
        self.close()
        self.wrong += self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.wrong.append(f"/{tag}")

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.words.append(data)

    def all(self, *tags: str) -> list[dict[str, str | None]]:
        """Return the attributes of all elements of a kind."""
        return [attributes for tag, attributes in self.elements if tag in tags]

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


@pytest.fixture(params=SAMPLES)
def report(request: pytest.FixtureRequest) -> Report:
    return SAMPLES[request.param]()


def test_it_is_sound_html(report: Report) -> None:
    for html in (page(report, PICTURES), page(report, {}), evidence_page(report, {"a <photo>": png()})):
        read = Page(html)
        assert not read.wrong
        ids = [attributes["id"] for _, attributes in read.elements if "id" in attributes]
        assert len(ids) == len(set(ids))
        named = [ids_named for _, a in read.elements for ids_named in (a.get("aria-labelledby") or "").split()]
        linked = [(a["href"] or "").removeprefix("#") for a in read.all("a")]
        assert {*named, *linked} <= set(ids)


def test_it_is_accessible(report: Report) -> None:
    read = Page(page(report, PICTURES))
    tags = [tag for tag, _ in read.elements]
    assert read.all("html")[0]["lang"] == "en"
    assert tags.count("h1") == tags.count("main") == tags.count("nav") == tags.count("header") == 1
    levels = [int(tag[1]) for tag in tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    assert tags.count("table") == tags.count("caption")
    assert all("scope" in attributes for attributes in read.all("th"))
    assert all(attributes["alt"] for attributes in read.all("img"))
    for attributes in read.all("svg"):
        outermost = attributes.get("class") in ("plot", "sign")
        assert not outermost or attributes.get("role") == "img" or attributes.get("aria-hidden") == "true"
    plots = [a for a in read.all("svg") if a.get("role") == "img"]
    assert len(plots) == tags.count("desc") == tags.count("title") - 1


def test_it_asks_for_nothing_from_elsewhere_and_runs_nothing(report: Report) -> None:
    html = page(report, PICTURES)
    read = Page(html)
    assert not read.all("script", "link", "iframe", "object", "embed", "base", "form", "video", "audio", "style-src")
    assert len(read.all("img")) == 2
    for _, attributes in read.elements:
        assert not any(name.startswith("on") for name in attributes)
        for name in ("src", "href", "xlink:href", "data", "action", "srcset"):
            assert (attributes.get(name) or "#").startswith(("#", "data:image/png;base64,"))
    style = html[html.index("<style>") : html.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style
    assert "default-src 'none'" in html


def test_strings_from_elsewhere_stay_text() -> None:
    for html in (page(hostile(), {}), evidence_page(hostile(), {"<script>": png()})):
        assert "<script" not in html
        assert "<img src=http" not in html
        assert "&lt;script&gt;" in html


def test_it_is_small(report: Report) -> None:
    assert len(page(report, {}).encode()) < 150_000


def test_only_pictures_of_others_get_in() -> None:
    html = page(passed(), {"bystanders.png": png(), "subject.png": png(64, 64), "../private/photo.png": png(64, 64)})
    assert html.count("data:image/png") == 1
    with pytest.raises(ValueError, match="no PNG"):
        page(passed(), {"bystanders.png": b"<svg onload=alert(1)>"})


def test_evidence_says_that_it_is_private_and_keeps_the_order() -> None:
    captions = ["Photo", "Original", "Redacted", "Recovered, W", "Recovered, W+"]
    html = evidence_page(passed(), {caption: png(64, 64) for caption in captions})
    assert "PRIVATE. Do not publish" in html
    assert re.findall(r"<figcaption>(.*?)</figcaption>", html) == captions
    assert Page(html).all("title")
    assert "PRIVATE" in html[html.index("<title>") : html.index("</title>")]


def test_the_verdict_comes_first_in_words() -> None:
    read = Page(page(failed(), {}))
    start = read.text[:1200]
    assert "Failed. The redacted model does not meet" in start
    assert "searching plausible codes brings the subject back at 0.744" in start
    assert "licence-check" in start
    assert headline(passed().model_copy(update={"vetoes": ["no"]})).word == "Refused"
    assert headline(passed()).word == "Passed"
    assert headline(without_subject()).word == "Inconclusive"
    assert "switched off" in headline(SAMPLES["audit-off"]()).sentence
    assert (
        headline(passed().model_copy(update={"verdict": Verdict(outcome="inconclusive", reasons=[])})).mark == "unclear"
    )


def test_all_rules_and_hashes_are_there() -> None:
    report = passed()
    text = Page(page(report, {})).text
    assert all(rule.name in text and rule.says in text for rule in report.verdict.rules)
    assert all(digest in text for digest in report.model_files.values())
    assert "−0.060" in text
    assert not re.search(r"(?<![\w.-])-\d", text)


def findings_with(*attacks: tuple[str, str, float, float]) -> Findings:
    """Return findings whose attacks (who, codes, before, after) are just these."""
    found = passed().findings
    assert found
    assert found.recovery
    made = [
        Attack(who=who, codes=codes, start="mean", steps=[0, 9], before=[0, before], after=[0, after],
               distance_before=1, distance_after=1)
        for who, codes, before, after in attacks
    ]  # fmt: skip
    recovery: RecoveryFigures = found.recovery.model_copy(update={"attacks": made})
    return found.model_copy(update={"recovery": recovery})


def test_recovery_is_said_as_it_was_measured() -> None:
    held = findings_with(("subject", "W", 0.9, 0.41), ("hold-out", "W", 0.8, 0.3), ("control", "W", 0.95, 0.93))
    first, second, third = plausible_sentences(held)
    assert "gets to 0.41 at best in 2 searches; the threshold is 0.60. That is not the same person." in first
    assert second == "In the original model the same searches reach 0.90."
    assert "still found over W, at 0.93" in third
    broken = plausible_sentences(findings_with(("hold-out", "W", 0.9, 0.7), ("subject", "W", 0.9, 0.1)))
    assert "0.70 at best" in broken[0]
    assert "they can be brought back" in broken[0]
    weak = plausible_sentences(findings_with(("subject", "W", 0.5, 0.4), ("control", "W", 0.5, 0.4)))
    assert "proves little" in weak[1]
    assert "too weak" in weak[2]
    assert plausible_sentences(findings_with(("control", "W", 1, 1))) == []


def test_searches_over_noise_count_and_are_told_apart() -> None:
    found = findings_with(
        ("subject", "W", 0.9, 0.41), ("subject", "Z", 0.8, 0.7), ("hold-out", "Z", 0.8, 0.1),
        ("control", "W", 0.9, 0.9), ("control", "Z", 0.9, 0.2),
    )  # fmt: skip
    says = plausible_sentences(found)
    assert "0.70 at best in 3 searches" in says[0]
    assert "they can be brought back, by 33\u00a0% of them" in says[0]
    assert "still found over W, at 0.90" in says[2]
    assert "not found either over Z, at 0.20" in says[3]
    assert share_above(counted(found.recovery.attacks), THRESHOLD) == pytest.approx(1 / 3)
    rows = {row.key: row for row in summary_rows(found)}
    assert (rows["recovered_w"].after, rows["recovered_z"].after) == (0.41, 0.7)
    assert (rows["recovered_z_controls"].before, rows["recovered_z_controls"].after) == (0.9, 0.2)
    assert rows["searches_above"].after == pytest.approx(1 / 3)
    assert rows["searches_above"].before == 1.0
    assert "3 searches" in rows["searches_above"].label


def test_what_the_searches_ended_at_and_cost_is_said() -> None:
    found = passed().findings
    near, structure = likeness_sentences(found)
    assert "has a perceptual distance of 0.214" in near
    assert "31 of 200 other people are nearer" in near
    assert "lie within 0.187" in near
    assert "at 3 scales" in structure
    assert "27 of these people score higher" in structure
    assert cost_sentence(found) == "All searches of both models, 75 with 37,500 steps together, took 61 s."
    likeness = found.recovery.likeness.model_copy(update={"nearer": 0, "ms_ssim": None})
    closest = found.model_copy(update={"recovery": found.recovery.model_copy(update={"likeness": likeness})})
    says = likeness_sentences(closest)
    assert "None of 200 other people is nearer" in says[0]
    assert "too small for MS-SSIM" in says[1]
    assert "nearer to the person than anybody else" in says[2]


def test_how_well_the_judge_knows_people_and_who_is_verified_is_said() -> None:
    found = passed().findings
    assert knowledge_words(found) == (
        "Of pairs of pictures of one person, the judge knows 96\u00a0% by that threshold. The rest, it would not find "
        "again. Of 3 pairs of the person’s photos it knows 2."
    )
    centred = found.reference.model_copy(update={"alike": 0.65, "centred": True})
    says = knowledge_words(found.model_copy(update={"reference": centred}))
    assert "the median pair of strangers scores 0.650" in says
    assert "taken from their mean" in says
    assert "no longer verifies 98\u00a0%" in erasure_words(found)
    assert "0.982 (ERB)" in erasure_words(found) or "0.981 (ERB)" in erasure_words(found)
    text = Page(page(passed(), {})).text
    for sentence in (knowledge_words(found), erasure_words(found), *likeness_sentences(found), cost_sentence(found)):
        assert " ".join(sentence.split()) in text
    assert ", led by the judge" in text
    assert "from the most alike of many random codes" in text
    rows = {row.key: row.after for row in summary_rows(found)}
    assert (rows["ea"], rows["ra"], rows["erb"]) == (0.978, 0.985, 0.9815)


def test_a_report_of_the_version_before_is_read_and_shown() -> None:
    told = passed().model_dump(mode="json")
    told["schema_version"] = 2
    found = told["findings"]
    found["recovery"]["attacks"] = [a for a in found["recovery"]["attacks"] if a["codes"] != "Z"]
    for attack in found["recovery"]["attacks"]:
        del attack["guide"]
    for part, names in (
        (found, ["erasure"]),
        (found["recovery"], ["cost", "likeness"]),
        (found["reference"], ["known", "photo_pairs", "photo_pairs_known", "alike", "centred"]),
    ):
        for name in names:
            del part[name]
    old = Report.model_validate(told)
    read = Page(page(old, {}))
    assert not read.wrong
    assert "(Z)" not in read.text
    assert "ERB" not in read.text
    assert {"ea", "judge_knows"}.isdisjoint(row.key for row in summary_rows(old.findings))


@pytest.mark.parametrize("left", ["attacks", "path", "fine_tune", "nothing", "one step", "no steps"])
def test_recovery_may_lack_parts(left: str) -> None:
    findings = findings_with(("subject", "W", 0.9, 0.4))
    recovery = findings.recovery
    assert recovery
    (attack,) = recovery.attacks
    parts = {
        "attacks": {"attacks": []},
        "path": {"path": []},
        "fine_tune": {"fine_tune": FineTune(photos="subject", steps=[], subject=[], control=[])},
        "nothing": {"attacks": [], "path": [], "searched": 0},
        "one step": {"attacks": [attack.model_copy(update={"steps": [9], "before": [0.9], "after": [0.4]})]},
        "no steps": {"attacks": [attack.model_copy(update={"steps": [], "before": [], "after": []})]},
    }[left]
    found = findings.model_copy(update={"recovery": recovery.model_copy(update=parts)})
    assert not Page(page(passed().model_copy(update={"findings": found}), {})).wrong


def test_a_code_per_layer_is_compared_with_what_anyone_gets() -> None:
    anyone = layered_sentences(findings_with(("subject", "W+", 0.98, 0.97), ("stranger", "W+", 0.95, 0.94)))
    assert "comes back at 0.97, as anyone does: people the model never saw 0.94." in anyone[0]
    alone = layered_sentences(findings_with(("subject", "W+", 0.98, 0.97), ("stranger", "W+", 0.5, 0.4)))
    assert "as anyone does" not in alone[0]
    below = layered_sentences(findings_with(("subject", "W+", 0.98, 0.2)))
    assert "0.20, below 0.60" in below[0]


@pytest.mark.parametrize(
    ("found", "chance", "says"),
    [(0.8, 0.4, "finds the person"), (0.5, 0.4, "closer than chance"), (0.3, 0.4, "no closer"), (0.8, 0.7, "too low")],
)
def test_the_leak_is_said_as_it_was_measured(found: float, chance: float, says: str) -> None:
    findings = passed().findings
    assert findings
    assert findings.leak
    leak = findings.leak.model_copy(update={"found": found, "by_chance": chance})
    assert says in leak_sentences(leak, findings.reference.threshold)[1]


def test_other_people_who_changed_are_not_passed_over() -> None:
    findings = passed().findings
    assert findings
    for typical, says in ((0.001, "All of them"), (0.08, "Not everybody"), (0.3, "More than 5")):
        random_people = skewed(random.Random(0), 200, typical)
        others = findings.bystanders.model_copy(update={"random": random_people})
        assert says in bystander_words(findings.model_copy(update={"bystanders": others}))


def test_limits_follow_what_was_measured() -> None:
    quick, thorough, nobody = (Page(page(r, {})).text for r in (passed(), full(), without_subject()))
    assert "Further training was not tried." in quick
    assert "Further training can teach the model anybody." in thorough
    assert "This was a quick audit." in quick
    assert "This was a quick audit." not in thorough
    assert "No photo was involved." in thorough
    assert "The judge is not independent." in nobody
    assert "The judge is not independent." not in quick
    assert "Nobody was looked for." in nobody
    assert "Fine-tuning: only in a full audit." in quick


def test_numbers() -> None:
    assert numbers.three(-0.0604) == "−0.060"
    assert numbers.three(-0.0001) == "0.000"
    assert numbers.three(None) == "not measured"
    assert numbers.three(float("nan")) == "not a number"
    assert [numbers.share(x) for x in (0, 0.00021, 0.001, 0.0183, 0.5, 1)] == [
        f"{x}\u00a0%" for x in ("0", "0.021", "0.1", "1.8", "50", "100")
    ]
    assert [numbers.plain(x) for x in (True, None, -3, 0.00002, 1e-9, {"a": [1, 2.5]})] == [
        "yes", "not set", "−3", "0.00002", "1e−09", "a 1, 2.5",
    ]  # fmt: skip
    assert numbers.minus("from -0.1 to 1-2, --audit, x-1, (-3)") == "from −0.1 to 1-2, --audit, x-1, (−3)"


def test_labels_move_apart_and_stay_inside() -> None:
    places = apart([100, 98, 99], 15, 0, 110)
    assert sorted(places) == [places[1], places[2], places[0]]
    assert max(places) <= 110
    assert min(abs(a - b) for i, a in enumerate(places) for b in places[:i]) >= 15
    assert apart([10, 60], 15, 0, 110) == [10, 60]


def test_long_curves_are_thinned_to_means() -> None:
    steps, means = thinned([float(i) for i in range(1000)])
    assert len(steps) == len(means) <= 150
    assert means[0] == sum(range(7)) / 7
    assert thinned([1.0, 2.0]) == ([0.0, 1.0], [1.0, 2.0])


def luminance(colour: str) -> float:
    """Return the relative luminance of `#rrggbb` (WCAG 2)."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_contrast_suffices_in_both_schemes() -> None:
    html = page(passed(), {})
    schemes = [dict(re.findall(r"--(\w+): (#\w{6});", block)) for block in re.findall(r":root \{([^}]*#[^}]*)\}", html)]
    schemes = [scheme for scheme in schemes if "ink" in scheme]
    assert len(schemes) == 2
    for scheme in schemes:
        paper = luminance(scheme["paper"])
        for name, least in {"ink": 7, "muted": 4.5, "accent": 4.5, "pass": 4.5, "fail": 4.5, "unclear": 4.5,
                            "edge": 3, "hill": 3, "same": 3}.items():  # fmt: skip
            light, dark = sorted((luminance(scheme[name]), paper), reverse=True)
            assert (light + 0.05) / (dark + 0.05) >= least, (name, scheme[name])


def test_the_wheel_holds_the_templates(tmp_path: Path) -> None:
    pytest.importorskip("hatchling")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=REPOSITORY, check=True, capture_output=True)
    names = zipfile.ZipFile(next(tmp_path.glob("*.whl"))).namelist()
    assert {f"guide_plugin/report/{name}.html.jinja" for name in ("base", "report", "evidence")} <= set(names)
