"""What a model's owner suggests: the file `unlearn.toml` beside the model."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path

from guide_plugin.errors import UsageError
from guide_plugin.network_file import NetworkFile
from guide_plugin.recipe import NetworkChoice, parse
from guide_plugin.recipe_suggestion import Suggestion

SUGGESTION = "unlearn.toml"


def read_suggestion(folder: Path, coming: Mapping[str, int] | None = None) -> tuple[Suggestion, tuple[str, ...]]:
    """Read `unlearn.toml`; file names in it are relative to the folder and may not leave it.

    Args:
        coming: the files that the folder will have; by default those that it has.
    """
    path = folder / SUGGESTION
    if not path.is_file():
        return Suggestion(), ()
    try:
        suggestion = parse(Suggestion, tomllib.loads(path.read_text("utf-8")), SUGGESTION)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not valid TOML: {error}.", "Correct or remove it.") from None
    networks, companions = dict(suggestion.networks), []
    for key in NetworkChoice.model_fields.keys() & networks.keys():
        chosen = NetworkFile.parse(str(networks[key]))
        if chosen.file:
            file = chosen.file.as_posix()
            inside = Path(os.path.normpath(folder / file)) if coming is not None else (folder / file).resolve()
            root = folder if coming is not None else folder.resolve()
            if not inside.is_relative_to(root):
                raise UsageError(f"{path} names a file outside the model's folder.", "Correct or remove it.")
            if not (inside.is_file() if coming is None else inside.relative_to(root).as_posix() in coming):
                raise UsageError(f"{path} names {file}, which does not exist.", "Fetch the whole model folder again.")
            networks[key] = str(chosen.at(inside))
            companions.append(file)
    return suggestion.model_copy(update={"networks": networks}), (SUGGESTION, *sorted(set(companions)))
