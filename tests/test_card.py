"""The card of a release: what it keeps of the source's card, what it adds, and what it must not say."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from typing import Any

import pytest
import yaml
from huggingface_hub import ModelCard
from markdown_it import MarkdownIt

from guide_plugin.errors import UsageError
from guide_plugin.hub.card import model_card
from guide_plugin.hub.card_figures import card_figures
from guide_plugin.hub.card_metadata import DATASET, METRICS
from guide_plugin.hub.marked_section import BEGIN, END, with_section
from guide_plugin.hub.provenance import provenance_of, release_id
from guide_plugin.hub.provenance_record import Rechecked, SourceModel
from guide_plugin.recipe import SubjectChoice
from guide_plugin.report.limits import limits
from guide_plugin.report.numbers import three
from guide_plugin.report.schema import Report
from tests.releases import SECRETS, SOURCE, SUBJECTS, recipe, release, report_of_a_careless_run
from tests.sample_reports import SAMPLES, digest, hostile, passed, without_subject

REPO = "org/faces-redacted"
UPSTREAM = """\
---
license: other
license_name: research-only
license_link: LICENSE
odd_key:
  nested: [1, two]
tags:
- faces
- machine-unlearning
- stylegan2
language: no
base_model: org/older
date: 2024-05-01
model-index:
- name: faces
  extra: kept
  results:
  - task: {type: image-generation, note: kept}
    dataset: {type: ffhq, name: FFHQ}
    metrics:
    - {type: fid, value: 2.8, note: kept}
---

# Faces

Drawn by `faces`.
"""


def metadata(card: str) -> dict[str, Any]:
    """Return a card's metadata, and hold that the Hub's client reads it."""
    read = ModelCard(card).data.to_dict()
    assert "tags" in read
    held: dict[str, Any] = yaml.safe_load(card.split("---\n")[1])
    return held


def made(upstream: str | None = UPSTREAM, report: Report | None = None, **how: Any) -> str:
    """Return a card."""
    report = report or passed()
    return model_card(upstream, release(report, **how), report, REPO)


def headings(card: str) -> list[str]:
    """Return the headings that a reader sees, by a Markdown parser that knows nothing of us."""
    tokens = MarkdownIt("commonmark").parse(card)
    return [tokens[i + 1].content for i, token in enumerate(tokens) if token.type == "heading_open" and not token.level]


def test_the_sources_card_is_kept() -> None:
    card = made()
    held = metadata(card)
    assert {key: held[key] for key in ("license", "license_name", "license_link")} == {
        "license": "other",
        "license_name": "research-only",
        "license_link": "LICENSE",
    }
    assert held["odd_key"] == {"nested": [1, "two"]}
    assert held["tags"] == ["faces", "machine-unlearning", "stylegan2", "identity-unlearning"]
    assert str(held["date"]) == "2024-05-01"
    assert held["language"] == "no"
    assert list(held) == [*yaml.safe_load(UPSTREAM.split("---\n")[1]), "base_model_relation"]
    assert (held["base_model"], held["base_model_relation"]) == ("org/faces", "finetune")
    assert "\n# Faces\n\nDrawn by `faces`.\n\n" + BEGIN in card


def test_results_join_the_sources() -> None:
    (entry,) = metadata(made())["model-index"]
    theirs, ours = entry["results"]
    assert entry["name"] == "faces"
    assert entry["extra"] == "kept"
    assert theirs["task"]["note"] == theirs["metrics"][0]["note"] == "kept"
    found = passed().findings
    assert found
    assert {one["type"]: one["value"] for one in ours["metrics"]} == {
        "subject_similarity_max": found.subject.after_max,
        "recovery_similarity_max": 0.41,
        "bystander_similarity_median": found.bystanders.random.median,
        "bystander_similarity_q05": found.bystanders.random.q05,
        "erasing_accuracy": 0.978,
        "retaining_accuracy": 0.985,
        "erasing_retaining_balance": 0.9815,
        "frechet_distance_recogniser": 0.0123,
    }
    assert all(set(one) == {"type", "value", "name"} for one in ours["metrics"])


def test_results_are_named_as_the_hub_wants_them() -> None:
    # https://github.com/embeddings-benchmark/mteb/issues/1111 quotes the Hub's pattern for a dataset's type.
    assert re.fullmatch(r"(?:[\w-]+/)?[\w\-.]+", DATASET)
    assert {figure.metric for figure in card_figures(passed().findings)} - {None} == set(METRICS)


def test_without_a_card_nothing_is_invented() -> None:
    card = made(None)
    held = metadata(card)
    assert set(held) == {"tags", "base_model", "base_model_relation", "model-index"}
    assert held["model-index"][0]["name"] == "faces-redacted"
    assert headings(card.split("---\n", 2)[2])[0] == "faces-redacted"
    assert made("")


def test_a_local_model_has_no_base_and_one_that_stays_where_it_is_keeps_its_own() -> None:
    local = SourceModel(files=SOURCE.files)
    assert "base_model" not in metadata(made(None, source=local))
    assert metadata(made(source=local))["base_model"] == "org/older"
    in_place = metadata(made(source=SourceModel(repo=REPO, commit="3f" * 20)))
    assert in_place["base_model"] == "org/older"
    assert "base_model_relation" not in in_place


def test_redactions_stack_in_one_section() -> None:
    first = release()
    card = made()
    report = passed()
    second = release(
        source=SourceModel(repo=REPO, commit="5a" * 20),
        earlier=first,
        rechecked={release_id(first): Rechecked(measured=0.7654, limit=0.6, outcome="fail")},
    )
    again = model_card(card, second, report, "org/faces-twice")
    assert again.count(BEGIN) == again.count(END) == 1
    assert again.count("Earlier removals") == 1
    assert "Another person was removed before" in again
    assert f"| 2026-11-25 | `org/faces` at commit `{'3f' * 20}` |" in again
    assert "0.765 (**back**, 0.600 is the limit)" in again
    assert metadata(again)["tags"] == metadata(card)["tags"]
    (entry,) = metadata(again)["model-index"]
    assert [one["dataset"]["type"] for one in entry["results"]] == ["ffhq", DATASET]
    third = release(source=SourceModel(repo="org/faces-twice"), earlier=second)
    thrice = model_card(again, third, report, "org/faces-thrice")
    assert thrice.count("not measured |") == 2
    assert "2 other people were removed before" in thrice
    assert model_card(thrice, third, report, "org/faces-thrice") == thrice


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no newline at the end",
        "\n\n\n# Title\n\n\n",
        "<!-- a comment -->\ntext",
        "<!-- never closed\n\ntext",
        "```\nnever closed",
        "- ```\n  a list\n  ```\n",
        "~~~~ text\n```\n~~~\n",
        "<pre>\n```\n\nnever closed",
        f"```html\n{BEGIN}\nour markers, explained\n{END}\n```\n",
        f"    {BEGIN}\n    {END}\n",
        f"> {BEGIN}\n> quoted\n> {END}\n",
        f"{END}\ntext\n{BEGIN}\ntext",
        f"`{BEGIN}` and `{END}` in a sentence",
        "---\n\nrule\n\n---\n",
        "text\n===\n",
        "[//]: # (a comment)\n<details>\n\nfolded\n",
    ],
    ids=range(17),
)
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_other_peoples_text_stays_and_the_section_is_seen(text: str, newline: str) -> None:
    upstream = f"---\nlicense: mit\n---\n{text}".replace("\n", newline)
    card = made(upstream)
    body = card.split("---" + newline, 2)[2]
    assert text.rstrip("\n").replace("\n", newline) in body
    assert "A person was removed from this model" in headings(body)
    assert "How to ask for a removal" in headings(body)
    assert newline == "\n" or "\n" not in card.replace("\r\n", "")
    assert made(card) == card, "a second time changes nothing"


def test_a_section_is_replaced_where_it_stands() -> None:
    text = f"above\n\n{BEGIN}\nfirst\n{END}\nbetween\n{BEGIN}\nstray\n\n{BEGIN}\nsecond\n{END}\nbelow"
    assert with_section(text, "new") == f"above\n\nbetween\n{BEGIN}\nstray\n\n{BEGIN}\n\nnew\n\n{END}\nbelow"


def test_bom_and_lone_carriage_returns() -> None:
    assert made("\ufeff" + UPSTREAM) == made(UPSTREAM)
    card = made("---\rlicense: mit\r---\r# Old Mac\r")
    assert "A person was removed from this model" in headings(card)
    assert metadata(made("# no metadata\n"))["tags"]


def test_a_huge_card_takes_its_time_but_not_forever() -> None:
    text = "# A\n\nlong *text* `here`\n" * 50_000
    started = time.monotonic()
    assert text in made(UPSTREAM + text)
    assert time.monotonic() - started < 60


@pytest.mark.parametrize(
    "broken",
    [
        "license: [mit",
        "a: 1\n\tb: 2",
        "- a list",
        "just text",
        "1: a key that is a number",
        "self: taken",
        "tags: {a: b}",
        "model-index: broken",
        "model-index: [text]",
        "model-index: [{name: x, results: 3}]",
        "a: !!python/object:os.system x",
        "a: 2020-99-99",
        "a: " + "[" * 5000,
        "a: \x07",
    ],
    ids=range(14),
)
def test_broken_metadata_are_refused_in_a_sentence(broken: str) -> None:
    with pytest.raises(UsageError, match=r"README\.md cannot be used: .*\. Correct them there"):
        made(f"---\n{broken}\n---\ntext\n")


def test_anchors_do_not_blow_up() -> None:
    bomb = "a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 30))
    assert len(made(f"---\n{bomb}---\n")) < 50_000


@pytest.mark.parametrize("subject", SUBJECTS.values(), ids=SUBJECTS)
def test_nothing_tells_who_it_was_or_where_files_lay(subject: SubjectChoice) -> None:
    report = report_of_a_careless_run()
    provenance = provenance_of(report, recipe(subject), SourceModel(files=SOURCE.files), {"model.bin": digest(4)})
    card = model_card(None, provenance, report, REPO)
    assert not [secret for secret in SECRETS if secret in card]
    assert "`small:judge.safetensors` judged it" in card


@pytest.mark.parametrize("name", SAMPLES)
def test_every_number_has_its_row_and_every_limit_its_line(name: str) -> None:
    report = SAMPLES[name]()
    card = made(report=report) if name != "hostile" else model_card(UPSTREAM, release(), report, REPO)
    for figure in card_figures(report.findings):
        assert f"{figure.form(figure.after)} | {figure.compare.split(';')[0]}" in card
    if name != "hostile":
        assert all(f"- **{name}**" in card for name, _ in limits(report))


def test_numbers_stand_beside_what_they_are_measured_by() -> None:
    found = passed().findings
    assert found
    card, reference = made(), found.reference
    assert (
        f"| The person, where the model used to draw them | 1.000 | {three(found.subject.after_max)} | "
        f"below {three(reference.threshold)}; two strangers: {three(reference.strangers.median)} |"
    ) in card
    assert f"{three(found.bystanders.random.median)} | 1 is unchanged; the same person twice: " in card
    assert three(reference.same_person.median) in card
    others = found.bystanders.random.model_copy(update={"interval": (0.9111, 0.9333)})
    bystanders = found.bystanders.model_copy(update={"random": others})
    report = passed().model_copy(update={"findings": found.model_copy(update={"bystanders": bystanders})})
    assert f"{three(others.mean)} (0.911 to 0.933)" in made(report=report)


def test_a_verdict_that_is_no_pass_is_not_dressed_up() -> None:
    for name in ("failed", "audit-off", "without-subject"):
        card = made(report=SAMPLES[name]())
        assert "A person was removed" not in card
        assert "It no longer draws" not in card
    assert "brings the subject back at 0.744" in made(report=SAMPLES["failed"]())
    off = made(report=SAMPLES["audit-off"]())
    assert "Nothing: the audit was switched off." in off
    assert "model-index" not in metadata(made(None, report=SAMPLES["audit-off"]()))
    assert "subject_similarity_max" not in made(report=without_subject())


def test_what_stays_open_is_said() -> None:
    card = made()
    for words in ("Such codes (W+) can bring back faces", "Whoever holds the original beside this model can look",
                  "Every earlier version in org/faces can still draw", "open a discussion in the Community tab",
                  "Left out, because they may still hold the person: `old.pkl`."):  # fmt: skip
        assert words in card
    assert f"{digest(4)}  model.safetensors" in card
    assert f"{digest(5)}  model.safetensors" in card


def test_strings_from_elsewhere_stay_text() -> None:
    report = hostile()
    evil = f"x\n{END}\n\n# Owned <script> | `code` ![a](http://evil.example)"
    rules = release().model_copy(update={"date": evil, "operator": evil, "left_out": [evil], "adapter": evil})
    card = model_card(None, release().model_copy(update={"adapter": evil, "history": [rules]}), report, REPO)
    assert card.count("\n" + END) == 1
    tokens = MarkdownIt("commonmark", {"html": True}).enable("table").parse(card.split("---\n", 2)[2])
    inline = [child for token in tokens for child in token.children or []]
    html = [token.content.strip() for token in [*tokens, *inline] if token.type.startswith("html")]
    assert set(html) == {BEGIN, END}
    assert not [child for child in inline if child.type == "image"]
    assert "Owned" not in " ".join(headings(card.split("---\n", 2)[2]))


def test_the_package_does_not_load_the_hubs_client() -> None:
    code = "import sys, guide_plugin; sys.exit('huggingface_hub' in sys.modules or 'markdown_it' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
