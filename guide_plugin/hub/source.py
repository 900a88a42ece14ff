"""Where the model comes from: a folder, a file or the Hub, listed before anything in it is read."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from guide_plugin.adapter import Adapter, Match, RepoListing
from guide_plugin.errors import PluginWarning, UnlearnError, UsageError
from guide_plugin.hub.suggestion import SUGGESTION, read_suggestion
from guide_plugin.hub.weight_files import holds_weights
from guide_plugin.recipe_suggestion import Suggestion

if TYPE_CHECKING:
    from guide_plugin.hub.client import RemoteModel

SMALL_JSON = 1 << 20
DOCUMENTS = 50


@dataclass(frozen=True)
class Source:
    """A model, on the local disk as far as it was needed.

    Attributes:
        hub: how to find exactly this model again: its folder or file, or "ORG/NAME@COMMIT".
        folder: where its files lie.
        listing: what an adapter may know of it.
        suggestion: what its `unlearn.toml` suggests.
        companions: files that the suggestion names, relative to the folder.
        remote: the commit on the Hub that it is, if it is one.
        sizes: in bytes, of every file of the model, here or not.
    """

    hub: str
    folder: Path
    listing: RepoListing
    suggestion: Suggestion = field(default_factory=Suggestion)
    companions: tuple[str, ...] = ()
    remote: RemoteModel | None = None
    sizes: Mapping[str, int] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The model's name: on the Hub, or of its folder."""
        return self.remote.repo if self.remote else self.folder.resolve().name

    def fetched(self, files: Iterable[str]) -> Source:
        """Return the same model with these files, and the companions, in its folder."""
        names = (*files, *self.companions)
        if self.remote is None or not names:
            return self
        from guide_plugin.hub.download import fetch

        folder = fetch(self.remote, names)
        return replace(self, folder=folder, listing=replace(self.listing, folder=folder))


def find(hub: str, file: str | None, adapters: dict[str, type[Adapter]]) -> tuple[Source, type[Adapter], Match]:
    """Find the model and the one adapter that can load it; of a model on the Hub, only what that takes is fetched.

    Args:
        hub: a folder, a file, or "ORG/NAME[@REVISION]" on the Hub.
        file: which weight file of the model, where it has several.

    Raises:
        UsageError: there is nothing there, it cannot be read, no adapter or several can load it.
        HubError: the Hub does not give it.
    """
    source = pull(hub, file)
    adapter, claim = match(source, adapters)
    return source.fetched(claim.files), adapter, claim


def pull(hub: str, file: str | None = None) -> Source:
    """Find the model and list its files; nothing large is fetched.

    Raises:
        UsageError: there is no such folder or file, it is empty, or its `unlearn.toml` is wrong.
        HubError: the Hub does not give it.
    """
    path = Path(hub).expanduser()
    if path.is_file():
        here = RepoListing({path.name: path.stat().st_size}, {}, path.parent)
        return Source(str(path.resolve()), path.parent, here, sizes=here.files)
    if not path.is_dir():
        if hub.partition("@")[0].count("/") == 1 and not hub.startswith((".", "/", "~")) and not path.parent.exists():
            return _on_the_hub(hub, file)
        raise UsageError(f"There is no folder {hub}.", "Check --hub for a typing mistake.")
    try:
        files = dict(sorted(_walk(path)))
    except OSError as error:
        raise UsageError(f"{hub} cannot be read: {error.strerror}.", "Check the folder's permissions.") from None
    if not files:
        raise UsageError(f"The folder {hub} is empty.", "Give the folder that holds the model's files.")
    suggestion, companions = read_suggestion(path)
    listing = RepoListing(files, dict(_documents(path, files)), path)
    if file is not None:
        listing = _only(file, listing)
    return Source(str(path.resolve()), path, listing, suggestion, companions, sizes=files)


def _on_the_hub(hub: str, file: str | None) -> Source:
    from guide_plugin.hub.client import Address, remember, resolve
    from guide_plugin.hub.download import fetch

    address = Address.parse(hub)
    remote = resolve(address)
    sizes = {name: found.size for name, found in sorted(remote.files.items())}
    small = [name for name, size in sizes.items() if name.endswith(".json") and size <= SMALL_JSON][:DOCUMENTS]
    wanted = [*small, *({SUGGESTION} & sizes.keys())]
    folder = fetch(remote, wanted) if wanted else Path()
    if not remote.cached:
        remember(address, remote.commit)
    suggestion, companions = read_suggestion(folder, sizes) if SUGGESTION in wanted else (Suggestion(), ())
    listing = RepoListing(sizes, dict(_documents(folder, {name: sizes[name] for name in small})))
    source = Source(f"{remote.repo}@{remote.commit}", folder, listing, suggestion, companions, remote, sizes)
    return source if file is None else replace(source, listing=_only(file, listing))


def _only(file: str, listing: RepoListing) -> RepoListing:
    """Return the listing of this one weight file, which then has to say itself what it is."""
    if file not in listing.files:
        weights = ", ".join(name for name in listing.files if holds_weights(name)) or "none"
        raise UsageError(f"The model has no file {file}.", f"Its weight files: {weights}.")
    return RepoListing({file: listing.files[file]}, {}, listing.folder)


def match(source: Source, adapters: dict[str, type[Adapter]]) -> tuple[type[Adapter], Match]:
    """Return the one adapter that can load the model.

    Where names do not tell what a model on the Hub is, its only weight file is fetched and looked into.

    Raises:
        UsageError: none can (says what is there and which adapters exist), or several can.
    """
    claims = claims_of(source.listing, adapters)
    if not claims and source.remote and source.listing.folder is None:
        source = replace(source, listing=_look_into(source))
        claims = claims_of(source.listing, adapters)
    where = source.name if source.remote else source.folder
    if not claims:
        for name, size in source.listing.files.items():
            if name.endswith(".json") and size <= SMALL_JSON and name not in source.listing.documents:
                raise UsageError(f"{name} in {where} is not valid JSON.", "Correct it, or fetch it again.")
        some = ", ".join(list(source.listing.files)[:5]) + (", …" if len(source.listing.files) > 5 else "")
        raise UsageError(
            f"No adapter knows the model in {where} ({some}).",
            f"Known adapters: {', '.join(sorted(adapters)) or 'none'}; `unlearn adapters` says what each reads.",
        )
    if len(claims) > 1:
        names = ", ".join(adapter.name for adapter, _ in claims)
        raise UsageError(f"Several adapters claim the model in {where}: {names}.", "Remove one of the plugins.")
    return claims[0]


def claims_of(listing: RepoListing, adapters: dict[str, type[Adapter]]) -> list[tuple[type[Adapter], Match]]:
    """Ask every adapter whether it can load the model; one that breaks is told and passed over.

    Raises:
        UnlearnError: the first adapter's that refuses the model, where no other claims it.
    """
    claims: list[tuple[type[Adapter], Match]] = []
    refusals: list[UnlearnError] = []
    for adapter in adapters.values():
        try:
            claim = adapter.match(listing)
        except UnlearnError as error:
            refusals.append(error)
            continue
        except Exception as error:
            warnings.warn(f"adapter {adapter.name} failed in match: {error!r}", PluginWarning, stacklevel=2)
            continue
        if claim:
            claims.append((adapter, claim))
    if refusals and not claims:
        raise refusals[0]
    return claims


def candidates(source: Source) -> list[str]:
    """Return the weight file that the model may be, or none; `UsageError` where there are several: then say which."""
    files, companions = source.listing.files, set(source.companions)
    found = [name for name in files if holds_weights(name) and name not in companions]
    if len(found) > 1:
        from guide_plugin.report.text import size_in_words

        listed = ", ".join(f"{name} ({size_in_words(files[name])})" for name in found)
        raise UsageError(f"{source.name} has several weight files: {listed}.", "Say which one with --file NAME.")
    return found


def _look_into(source: Source) -> RepoListing:
    found = candidates(source)
    if not found or source.remote is None:
        return source.listing
    from guide_plugin.hub.download import fetch

    return RepoListing({name: source.sizes[name] for name in found}, {}, fetch(source.remote, found))


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
