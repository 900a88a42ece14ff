"""`provenance.json`: what it says, what it must not say, and whether a folder is the release that it describes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from guide_plugin.errors import UsageError
from guide_plugin.hub.provenance import differences, provenance_of, read_provenance, recipe_sha256, release_id
from guide_plugin.hub.provenance_record import Provenance, Rechecked, SourceModel
from guide_plugin.hub.without_folders import without_folders
from guide_plugin.recipe import Machine, SubjectChoice
from guide_plugin.whole_files import json_bytes, sha256
from tests.releases import SECRETS, SOURCE, SUBJECTS, recipe, release, report_of_a_careless_run
from tests.sample_reports import SAMPLES, digest, passed

GONE = Rechecked(measured=0.12, limit=0.6, outcome="pass")


@pytest.mark.parametrize("subject", SUBJECTS.values(), ids=SUBJECTS)
def test_nothing_tells_who_it_was_or_where_files_lay(subject: SubjectChoice) -> None:
    made = provenance_of(
        report_of_a_careless_run(), recipe(subject), SourceModel(files=SOURCE.files), {"model.safetensors": digest(4)}
    )
    written = json_bytes(made.model_dump(mode="json")).decode()
    assert not [secret for secret in SECRETS if secret in written]
    assert made.settings == {"steps": 250, "w_avg": "w_avg.npy", "nested": [{"where": "x.pt"}]}
    assert made.networks.trainer == "small:trainer.safetensors"
    assert made.source.repo is None


@pytest.mark.parametrize(
    ("value", "left"),
    [
        ("/home/me/w.npy", "w.npy"),
        (Path("/home/me/w.npy"), "w.npy"),
        ("../w.npy", "w.npy"),
        ("~/w.npy", "w.npy"),
        ("C:\\Users\\me\\w.npy", "w.npy"),
        ("\\\\server\\me\\w.npy", "w.npy"),
        ("small:/home/a:b/w.pt#sha256=00", "small:w.pt#sha256=00"),
        ("/home/a:b/w.pt", "w.pt"),
        ("/home/me/", ""),
        ("dlib", "dlib"),
        ({"/home/me/a": (1, "b/c")}, {"a": [1, "c"]}),
        (0.5, 0.5),
        (None, None),
    ],
)
def test_of_a_path_the_file_name_is_left(value: Any, left: Any) -> None:
    assert without_folders(value) == left


def test_the_recipe_hash_knows_settings_but_neither_subject_nor_folders() -> None:
    same = {recipe_sha256(recipe(subject, home)) for subject in SUBJECTS.values() for home in ("/home/a", "/mnt/b")}
    assert len(same) == 1
    assert recipe_sha256(recipe(SubjectChoice())) in same
    assert recipe_sha256(recipe(lr=0.002)) not in same
    assert recipe_sha256(recipe().model_copy(update={"machine": Machine(precision="bf16")})) not in same


@pytest.mark.parametrize("name", SAMPLES)
def test_it_reads_back_as_it_was_written(name: str, tmp_path: Path) -> None:
    made = provenance_of(SAMPLES[name](), recipe(), SOURCE, {"model.safetensors": digest(4)}, earlier=release())
    path = tmp_path / "provenance.json"
    path.write_bytes(json_bytes(made.model_dump(mode="json")))
    assert read_provenance(path) == made
    assert release_id(read_provenance(path)) == release_id(made)


def test_the_verdict_is_the_reports() -> None:
    report = passed()
    rules = release(report).verdict.rules
    assert [(r.name, r.asked, r.measured, r.outcome) for r in rules] == [
        (r.name, r.asked, r.measured, r.outcome) for r in report.verdict.rules
    ]
    broken = report.verdict.rules[0].model_copy(update={"measured": float("nan")})
    report = report.model_copy(update={"verdict": report.verdict.model_copy(update={"rules": [broken]})})
    assert release(report).verdict.rules[0].measured is None


def test_history_is_flat_oldest_first_and_keeps_ids() -> None:
    first = release()
    second = release(source=SourceModel(repo="org/once"), earlier=first)
    third = release(
        source=SourceModel(repo="org/twice"),
        earlier=second,
        rechecked={
            release_id(first): GONE,
            release_id(second): Rechecked(measured=None, limit=None, outcome="not measured", why="no code is at hand"),
        },
    )
    assert [one.source.repo for one in third.history] == ["org/faces", "org/once"]
    assert [release_id(one) for one in third.history] == [release_id(first), release_id(second)]
    assert not any(one.history for one in third.history)
    assert third.history[0].rechecked == GONE
    fourth = release(earlier=third)
    assert len(fourth.history) == 3
    assert not any(one.rechecked for one in fourth.history), "measured on a model that is not this one"
    with pytest.raises(ValueError, match="No earlier release"):
        release(earlier=first, rechecked={"0" * 16: GONE})


def test_a_recheck_is_a_number_or_a_reason() -> None:
    with pytest.raises(ValidationError, match="say why"):
        Rechecked(measured=None, limit=0.6, outcome="pass")
    with pytest.raises(ValidationError, match="say why"):
        Rechecked(measured=None, limit=0.6, outcome="not measured")
    with pytest.raises(ValidationError, match="say why"):
        Rechecked(measured=0.1, limit=0.6, outcome="not measured")


def test_the_id_changes_with_what_is_released() -> None:
    ids = {release_id(release()), release_id(release(**{"extra.json": digest(9)}))}
    ids.add(release_id(release(source=SourceModel(repo="org/other"))))
    assert len(ids) == 3
    assert all(len(one) == 16 and set(one) <= set("0123456789abcdef") for one in ids)


def changed(**changes: Any) -> bytes:
    """Return a file that is right apart from `changes`."""
    return json.dumps({**release().model_dump(mode="json"), **changes}).encode()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"{}",
        b"\xff\xfe\x00",
        b"[" * 100_000,
        b"9" * 5000,
        changed(unknown=1),
        changed(files={"../../secret": digest(1)}),
        changed(files={"/etc/passwd": digest(1)}),
        changed(files={"a\nb": digest(1)}),
        changed(files={"a": "no hash"}),
        changed(history=[release(earlier=release()).model_dump(mode="json")]),
        changed(source={"repo": "/home/me", "commit": None, "files": {}}),
        changed(format_version="one"),
    ],
    ids=range(16),
)
def test_a_damaged_file_is_refused_in_a_sentence(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "provenance.json"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=r"provenance\.json is damaged\. Fetch"):
        read_provenance(path)


def test_other_formats_and_missing_files_are_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "provenance.json"
    with pytest.raises(UsageError, match="cannot be read"):
        read_provenance(path)
    path.write_bytes(changed(format_version=2, new_key=True))
    with pytest.raises(UsageError, match="has format 2, this version of guide-plugin reads 1"):
        read_provenance(path)


@pytest.fixture
def released(tmp_path: Path) -> tuple[Provenance, Path]:
    """A folder and its provenance."""
    for name in ("README.md", "model.safetensors", "parts/one.bin"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(name.encode() * 9)
    files = {path.relative_to(tmp_path).as_posix(): sha256(path) for path in tmp_path.rglob("*.*") if path.is_file()}
    made = provenance_of(passed(), recipe(), SOURCE, files)
    (tmp_path / "provenance.json").write_bytes(json_bytes(made.model_dump(mode="json")))
    return made, tmp_path


def test_a_folder_as_it_was_released_has_no_differences(released: tuple[Provenance, Path]) -> None:
    made, folder = released
    (folder / "notes.txt").write_text("somebody's own")
    assert differences(made, folder) == []


def test_a_flipped_byte_a_missing_file_and_extra_weights_are_found(released: tuple[Provenance, Path]) -> None:
    made, folder = released
    flipped = bytearray((folder / "model.safetensors").read_bytes())
    flipped[3] ^= 1
    (folder / "model.safetensors").write_bytes(flipped)
    (folder / "parts" / "one.bin").unlink()
    (folder / "parts" / "Original.PKL").write_bytes(b"x")
    (folder / ".hidden.pt").write_bytes(b"x")
    found = differences(made, folder)
    assert len(found) == 4
    assert found[0].startswith("model.safetensors is not the released file: its SHA-256 begins ")
    assert found[1:] == [
        "parts/one.bin is missing.",
        ".hidden.pt may hold weights, and the release does not list it.",
        "parts/Original.PKL may hold weights, and the release does not list it.",
    ]
