"""Recipe files: what `unlearn init` writes, what a file may say, what its paths mean, what is told of a wrong one."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from guide_plugin import Recipe, UsageError, read_recipe
from guide_plugin.operators.guide.settings import GuideSettings
from guide_plugin.recipe_tables import SETTINGS, table_of, tables
from guide_plugin.recipe_template import recipe_template
from tests.conftest import Run

CANARY = "jane-canary"
HASH = "#sha256=" + 64 * "a"
OPTION = re.compile(r"^(?:# )?(\w+) = .*$", re.MULTILINE)


def write(folder: Path, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "recipe.toml").write_text(text)
    return folder / "recipe.toml"


def options() -> dict[str, dict[str, Any]]:
    """Return the fields that are single options, by table."""
    parts: dict[str, type[BaseModel]] = {**dict(tables()), SETTINGS: GuideSettings}
    return {
        name: {
            key: field
            for key, field in part.model_fields.items()
            if table_of(field) is None and (name, key) != ("method", "settings")
        }
        for name, part in parts.items()
    }


def uncommented() -> dict[str, Any]:
    return tomllib.loads(re.sub(r"^# (?=\w+ = )", "", recipe_template(GuideSettings), flags=re.MULTILINE))


def below(values: dict[str, Any], table: str) -> dict[str, Any]:
    for key in filter(None, table.split(".")):
        values = values[key]
    return values


def problems(values: dict[str, Any]) -> set[tuple[Any, ...]]:
    """Return what is wrong in a recipe's values, as the places of the keys."""
    try:
        Recipe.model_validate(values)
    except ValidationError as error:
        return {problem["loc"] for problem in error.errors()}
    return set()


def test_a_new_recipe_shows_every_option_there_is() -> None:
    written = uncommented()
    assert {table for table in options() if "." in table} == {"method.settings", "audit.rules"}
    for table, fields in options().items():
        shown = {key for key, value in below(written, table).items() if not isinstance(value, dict)}
        assert shown == set(fields), table


def test_a_new_recipe_explains_every_option() -> None:
    blocks = recipe_template(GuideSettings).split("\n\n")
    explained = [block for block in blocks if OPTION.search(block)]
    assert len(explained) == sum(map(len, options().values()))
    for block in explained:
        *about, line = block.strip().splitlines()
        assert len(" ".join(about)) > 10, line
        assert about[-1].endswith("."), line
        assert max(map(len, about)) <= 100


@pytest.mark.parametrize(("table", "key"), [(table, key) for table, fields in options().items() for key in fields])
def test_what_a_new_recipe_shows_is_the_default_or_a_valid_example(table: str, key: str) -> None:
    field, shown = options()[table][key], below(uncommented(), table)[key]
    if key == "hub":
        assert shown == ""
        return
    if not field.examples:
        assert shown == json.loads(json.dumps(field.get_default(call_default_factory=True)))
    if table == SETTINGS:
        GuideSettings.model_validate({key: shown})
        return
    values: dict[str, Any] = {key: shown}
    for name in reversed(list(filter(None, table.split(".")))):
        values = {name: values}
    assert problems({"hub": "model", **values}) <= {(table,)}  # such as a hold-out photo without a photo


def test_a_new_recipe_needs_a_model_alone(run: Run) -> None:
    code, out, _ = run("init")
    assert (code, "unlearn --config recipe.toml --dry-run" in out) == (0, True)
    code, _, err = run("--config", "recipe.toml", "--dry-run")
    assert code == 2
    assert "recipe.toml names no model" in err
    assert "--hub" in err
    text = Path("recipe.toml").read_text("utf-8")
    Path("model").mkdir()
    Path("recipe.toml").write_text(text.replace('hub = ""', 'hub = "model"'), "utf-8")
    assert read_recipe("recipe.toml") == Recipe(hub=str(Path("model").resolve()))


def test_a_recipe_is_never_overwritten(run: Run) -> None:
    Path("mine.toml").write_text("hub = 'mine'")
    code, _, err = run("init", "mine.toml")
    assert code == 2
    assert "exists already" in err
    assert Path("mine.toml").read_text() == "hub = 'mine'"
    code, _, err = run("init", "nowhere/recipe.toml")
    assert code == 2
    assert "cannot be written" in err


PLACED = {
    "subject.code": '[subject]\ncode = "{}"',
    "subject.faces": '[subject]\nfaces = ["{}"]',
    "subject.holdout_faces": '[subject]\nfaces = ["a.jpg"]\nholdout_faces = ["{}"]',
    "subject.control_faces": '[subject]\ncontrol_faces = ["{}"]',
    "audit.inception": '[audit]\ninception = "{}"',
    "audit.real_statistics": '[audit]\nreal_statistics = "{}"',
    "method.settings.w_avg": '[method]\noperator = "guide"\n[method.settings]\nw_avg = "{}"',
}


@pytest.mark.parametrize("where", PLACED)
def test_paths_are_relative_to_the_recipe(where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")

    def read(path: str) -> str:
        write(tmp_path / "recipes", 'hub = "model"\n' + PLACED[where].format(path))
        value: Any = read_recipe("../recipes/recipe.toml").model_dump(mode="json")
        for key in where.split("."):
            value = value[key]
        return value[0] if isinstance(value, list) else value

    folder = tmp_path.resolve() / "recipes"
    assert read("a/b.c") == str(folder / "a/b.c")
    assert read("../b.c") == str(folder.parent / "b.c")
    assert read("/a/b.c") == "/a/b.c"
    assert read("~/b.c") == str(Path.home() / "b.c")


@pytest.mark.parametrize("key", ["perceptual", "trainer", "judge", "encoder"])
def test_weights_are_relative_to_the_recipe(key: str, tmp_path: Path) -> None:
    table = "photos" if key == "encoder" else "networks"

    def read(choice: str) -> str:
        recipe = read_recipe(write(tmp_path, f'hub = "model"\n[{table}]\n{key} = "{choice}"'))
        return str(getattr(getattr(recipe, table), key))

    assert read("small:a.bin") == f"small:{tmp_path.resolve() / 'a.bin'}"
    assert read(f"small:a.bin{HASH}") == f"small:{tmp_path.resolve() / 'a.bin'}{HASH}"
    assert read("facenet") == "facenet"


def test_a_model_beside_the_recipe_is_meant_before_one_on_the_hub(tmp_path: Path) -> None:
    def read(hub: str) -> str:
        return read_recipe(write(tmp_path, f'hub = "{hub}"')).hub

    assert read("org/name") == "org/name"
    assert read("org/name@v1.0") == "org/name@v1.0"
    assert read("org/name@refs/pr/3") == "org/name@refs/pr/3"
    for local in ("model", "./org/name", "../models/name", "models/for/faces"):
        assert Path(read(local)) == (tmp_path / local).resolve()
    (tmp_path / "org" / "name").mkdir(parents=True)
    assert read("org/name") == str(tmp_path.resolve() / "org/name")


def test_settings_that_look_like_paths_stay_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    recipe = read_recipe(
        write(tmp_path, 'hub = "m"\n[method]\noperator = "guide"\n[method.settings]\nd = "data"\nlow_memory = true')
    )
    assert recipe.method.settings == {"d": "data", "low_memory": True}


def test_options_have_the_last_word_key_by_key(run: Run, tiny_model: Path, tmp_path: Path) -> None:
    file = write(
        tmp_path / "recipes",
        f'hub = "{tiny_model}"\n[method]\ntraining_seed = 5\n[method.settings]\nsteps = 7\nlr = 0.5\n'
        '[machine]\ndevice = "cpu"\n[audit]\nlevel = "off"\n',
    )
    code, out, err = run("--config", file, "--steps", "3", "--dry-run", "--json")
    assert code == 0, err
    plan = json.loads(out)
    assert (plan["settings"]["steps"], plan["settings"]["lr"]) == (3, 0.5)
    assert plan["settings"]["d"] == "data"  # the model owner's word counts where nobody else said one
    assert plan["model"] == str(tiny_model)


def test_what_is_not_said_stays_unset_for_the_model_to_suggest(tmp_path: Path) -> None:
    file = write(tmp_path, "[photos]\nsteps = 9\n[method.settings]\nlr = 0.5\n")
    recipe = read_recipe(file, {"hub": "org/name", "method": {"settings": {"steps": "3"}}, "networks": {}})
    assert recipe.model_dump(exclude_unset=True) == {
        "hub": "org/name",
        "photos": {"steps": 9},
        "method": {"settings": {"lr": 0.5, "steps": "3"}},
        "networks": {},
    }


def test_a_run_by_recipe_is_written_down_whole(run: Run, own_tiny_model: Path, tmp_path: Path) -> None:
    file = write(tmp_path / "recipes", 'hub = "../tiny"\n[audit]\nlevel = "off"\n[machine]\ndevice = "cpu"\n')
    code, out, err = run("--config", file, "--seed", "3", "--output", "run", "--json")
    assert code == 3, err  # nothing was measured, so nothing passes
    told = json.loads(out)
    assert told["verdict"] != "pass"
    assert told["refusals"]
    asked = json.loads(Path("run/private/recipe.json").read_text())["recipe"]
    assert Recipe.model_validate(asked).model_dump(mode="json") == asked
    assert (asked["hub"], asked["subject"]["seed"]) == (str(own_tiny_model.resolve()), 3)


WRONG = {
    "unknown key": ("[subject]\nfacs = ['x']", "no option facs in [subject]", "Did you mean faces?"),
    "unknown table": ("[sujbect]\nseed = 1", "no option sujbect", "Did you mean subject?"),
    "unknown setting": ("[method.settings]\nzzz = 1", "no option zzz in [method.settings]", "Known there: "),
    "key in another table": ("[subject]\nfrechet = 1", "no option frechet", "It belongs in [audit.rules]"),
    "key below a table": ("[subject]\nfile = 'x'", "no option file in [subject]", "at the top"),
    "setting outside": ("[method]\nlr = 1", "no option lr in [method]", "[method.settings]"),
    "wrong number": (f"[method]\ntraining_seed = '{CANARY}'", "method.training_seed", "Correct it there"),
    "wrong choice": (
        f"[audit]\nlevel = '{CANARY}'",
        "audit.level: Input should be 'quick', 'full'",
        "Correct it there",
    ),
    "wrong setting": (f"[method.settings]\nsteps = '{CANARY}'", "method.settings.steps", "Correct it there"),
    "no list": (f"[subject]\nfaces = '{CANARY}.jpg'", "subject.faces: it takes a list", "Correct it there"),
    "no table": (f"subject = '{CANARY}'", "subject: it is a table", "[subject]"),
    "wrong hash": ("[networks]\njudge = 'small:x#sha256=12'", "networks: judge", "sha256sum"),
    "two subjects": (f"[subject]\nseed = 1\ncode = '{CANARY}.npy'", "not by several of them", "Correct it there"),
    "nowhere to": ("[release]\npublic = true", "need --push", "Correct it there"),
    "bad place": ("[release]\npush = 'name'", "ORG/NAME", "Correct it there"),
    "no TOML": ("[subject", "not valid TOML", "line 2"),
    "no text": ("\udcff", "not valid TOML", "Correct it there"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_a_wrong_recipe_is_told_with_file_and_key(kind: str, run: Run, tmp_path: Path) -> None:
    text, problem, remedy = WRONG[kind]
    file = tmp_path / "recipe.toml"
    file.write_bytes(f"hub = 'model'\n{text}\n".encode("utf-8", "surrogateescape"))
    code, out, err = run("--config", file)
    assert (code, out) == (2, "")
    assert err.startswith("Error: ")
    assert len(err.splitlines()) == 1
    assert str(file) in err
    assert problem in err
    assert remedy in err
    assert CANARY not in err


def test_who_is_wrong_is_told(run: Run, tmp_path: Path) -> None:
    file = write(tmp_path, "hub = 'model'\n[subject]\nseed = 1\n[method.settings]\nsteps = 3\n")
    _, _, err = run("--config", file, "--training-seed", 10**12)
    assert err.startswith("Error: The options: method.training_seed")
    _, _, err = run("--config", file, "--code", "a.npy")
    assert f"{file} with the options beside it: " in err
    _, _, err = run("--config", file, "--recogniser-weights", "a.bin")
    assert "--recogniser NAME:FILE" in err


@pytest.mark.parametrize(("name", "problem"), [("none.toml", "There is no recipe"), (".", "cannot be read")])
def test_a_recipe_that_cannot_be_read_is_told(name: str, problem: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=problem):
        read_recipe(tmp_path / name)


def test_the_release_options_are_in_the_recipe() -> None:
    from guide_plugin.cli import command as cli
    from guide_plugin.options import recipe_from

    arguments = ["--hub", "m", "--file", "b.pkl", "--push", "org/name", "--public", "--create-pr", "--in-place"]
    context = cli.make_context("unlearn", [*arguments, "--require", "lawyer", "--require", "tester"])
    recipe = recipe_from(context.params)
    assert recipe.file == "b.pkl"
    assert recipe.release.model_dump() == {
        "push": "org/name",
        "public": True,
        "create_pr": True,
        "in_place": True,
        "required": ("lawyer", "tester"),
    }


@pytest.mark.parametrize("option", ["--public", "--create-pr", "--in-place"])
def test_release_options_without_a_place_are_refused(option: str, run: Run, tiny_model: Path) -> None:
    code, _, err = run("--hub", tiny_model, option, "--dry-run")
    assert code == 2
    assert "need --push ORG/NAME" in err
