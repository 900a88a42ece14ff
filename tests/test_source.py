"""Where a model comes from on the local disk: what is listed, chosen and suggested."""

from __future__ import annotations

from pathlib import Path

import pytest

from guide_plugin import PluginHost, Recipe, UsageError
from guide_plugin.hub.source import find, pull
from guide_plugin.plan import Silent, prepare
from hub_adapters.stylegan2.network import Generator
from tests import checkpoint_files as files
from tests.conftest import SUGGESTION, TINY


def with_two_pickles(folder: Path) -> Path:
    for name in ("config.json", "model.safetensors"):
        (folder / name).unlink()
    for seed, name in enumerate(("ffhq.pkl", "afhq.pkl")):
        files.write_nvidia(folder / name, files.random_generator(Generator, TINY, seed), TINY)
    return folder


def test_several_weight_files_are_a_question_that_file_answers(own_tiny_model: Path) -> None:
    folder, adapters = with_two_pickles(own_tiny_model), PluginHost().adapters
    with pytest.raises(UsageError, match=r"Several files.*afhq\.pkl, ffhq\.pkl.*--file"):
        find(str(folder), None, adapters)
    source, _, claim = find(str(folder), "ffhq.pkl", adapters)
    assert claim.files == ("ffhq.pkl",)
    assert "unlearn.toml" in source.companions
    with pytest.raises(UsageError, match=r"no file other\.pkl.*afhq\.pkl, ffhq\.pkl"):
        find(str(folder), "other.pkl", adapters)


def test_a_run_on_one_of_several_files_can_be_planned_again(own_tiny_model: Path) -> None:
    recipe = Recipe(hub=str(with_two_pickles(own_tiny_model)), file="afhq.pkl")
    plan = prepare(recipe, PluginHost(), Silent())
    again = prepare(plan.recipe, PluginHost(), Silent())
    assert again.claim.files == ("afhq.pkl",)
    assert plan.bytes_read == again.bytes_read > 0


def test_the_crop_that_the_owner_suggests_is_followed(own_tiny_model: Path) -> None:
    (own_tiny_model / "unlearn.toml").write_text(f"{SUGGESTION}\n[photos]\ncrop_scale = 1.25\n")
    assert prepare(Recipe(hub=str(own_tiny_model)), PluginHost(), Silent()).recipe.photos.crop_scale == 1.25
    asked = Recipe.model_validate({"hub": str(own_tiny_model), "photos": {"crop_scale": 1.5}})
    assert prepare(asked, PluginHost(), Silent()).recipe.photos.crop_scale == 1.5


@pytest.mark.parametrize("name", ["../secret.safetensors", "/etc/passwd"])
def test_a_suggestion_may_not_name_files_elsewhere(own_tiny_model: Path, name: str) -> None:
    (own_tiny_model / "unlearn.toml").write_text(f'[networks]\njudge = "small:{name}"\n')
    with pytest.raises(UsageError, match="outside the model's folder"):
        pull(str(own_tiny_model))
