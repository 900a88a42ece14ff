"""Where the model comes from: a folder on the local disk, listed before anything in it is read."""

from __future__ import annotations

import json
import os
import tomllib
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from guide_plugin.adapter import Adapter, Match, RepoListing
from guide_plugin.errors import HubError, PluginWarning, UnlearnError, UsageError
from guide_plugin.network_file import NetworkFile
from guide_plugin.recipe import NetworkChoice, Suggestion, parse

SMALL_JSON = 1 << 20
SUGGESTION = "unlearn.toml"


@dataclass(frozen=True)
class Source:
    """A model on the local disk.

    Attributes:
        folder: where it lies.
        listing: what is in it.
        suggestion: what its `unlearn.toml` suggests.
        companions: files that the suggestion names, relative to the folder.
    """

    folder: Path
    listing: RepoListing
    suggestion: Suggestion
    companions: tuple[str, ...]


def pull(hub: str) -> Source:
    """Find the model and list its files.

    Raises:
        UsageError: there is no such folder, it is empty, or its `unlearn.toml` is wrong.
        HubError: a model on the Hub was named.
    """
    folder = Path(hub).expanduser()
    if folder.is_file():
        return Source(
            folder.parent, RepoListing({folder.name: folder.stat().st_size}, {}, folder.parent), Suggestion(), ()
        )
    if not folder.is_dir():
        if hub.count("/") == 1 and not hub.startswith((".", "/", "~")) and not folder.parent.exists():
            raise HubError(
                f"There is no folder {hub}, and models cannot be pulled from the Hub yet.",
                f"Download it first (`hf download {hub} --local-dir FOLDER`) and give --hub FOLDER.",
            )
        raise UsageError(f"There is no folder {hub}.", "Check --hub for a typing mistake.")
    try:
        files = dict(sorted(_walk(folder)))
    except OSError as error:
        raise UsageError(f"{hub} cannot be read: {error.strerror}.", "Check the folder's permissions.") from None
    if not files:
        raise UsageError(f"The folder {hub} is empty.", "Give the folder that holds the model's files.")
    suggestion, companions = _read_suggestion(folder)
    return Source(folder, RepoListing(files, dict(_documents(folder, files)), folder), suggestion, companions)


def match(source: Source, adapters: dict[str, type[Adapter]]) -> tuple[type[Adapter], Match]:
    """Return the one adapter that can load the model.

    Raises:
        UsageError: none can (says what is there and which adapters exist), or several can.
    """
    claims = []
    for adapter in adapters.values():
        try:
            claim = adapter.match(source.listing)
        except UnlearnError:
            raise
        except Exception as error:
            warnings.warn(f"adapter {adapter.name} failed in match: {error!r}", PluginWarning, stacklevel=2)
            continue
        if claim:
            claims.append((adapter, claim))
    if not claims:
        for name, size in source.listing.files.items():
            if name.endswith(".json") and size <= SMALL_JSON and name not in source.listing.documents:
                raise UsageError(f"{name} in {source.folder} is not valid JSON.", "Correct it, or fetch it again.")
        some = ", ".join(list(source.listing.files)[:5]) + (", …" if len(source.listing.files) > 5 else "")
        raise UsageError(
            f"No adapter knows the model in {source.folder} ({some}).",
            f"Known adapters: {', '.join(sorted(adapters)) or 'none'}; `unlearn adapters` says what each reads.",
        )
    if len(claims) > 1:
        names = ", ".join(adapter.name for adapter, _ in claims)
        raise UsageError(f"Several adapters claim the model in {source.folder}: {names}.", "Remove one of the plugins.")
    return claims[0]


def _walk(folder: Path) -> Iterable[tuple[str, int]]:
    for here, folders, names in os.walk(folder, onerror=_raise):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            path = Path(here) / name
            if not name.startswith(".") and path.is_file():
                if not path.resolve().is_relative_to(folder.resolve()):
                    raise UsageError(
                        f"{name} in {folder} is a link that leads out of it.", "Put the file itself there."
                    )
                yield path.relative_to(folder).as_posix(), path.stat().st_size


def _raise(error: OSError) -> None:
    raise error


def _documents(folder: Path, files: dict[str, int]) -> Iterable[tuple[str, Any]]:
    for name, size in files.items():
        if name.endswith(".json") and size <= SMALL_JSON:
            try:
                yield name, json.loads((folder / name).read_bytes())
            except (ValueError, RecursionError):
                continue


def _read_suggestion(folder: Path) -> tuple[Suggestion, tuple[str, ...]]:
    """Read `unlearn.toml`; file names in it are relative to the folder and may not leave it."""
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
            inside = (folder / file).resolve()
            if not inside.is_relative_to(folder.resolve()):
                raise UsageError(f"{path} names a file outside the model's folder.", "Correct or remove it.")
            if not inside.is_file():
                raise UsageError(f"{path} names {file}, which does not exist.", "Fetch the whole model folder again.")
            networks[key] = str(chosen.at(inside))
            companions.append(file)
    return Suggestion(method=suggestion.method, networks=networks), (SUGGESTION, *sorted(set(companions)))
