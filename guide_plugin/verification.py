"""Is a published model what its provenance says, and does it come from where it says?"""

from __future__ import annotations

from dataclasses import dataclass

from guide_plugin.errors import HubError, UsageError
from guide_plugin.hub.client import Address, resolve
from guide_plugin.hub.provenance import PROVENANCE, differences, read_provenance
from guide_plugin.hub.provenance_record import Provenance, SourceModel
from guide_plugin.hub.source import pull
from guide_plugin.hub.weight_files import holds_weights
from guide_plugin.plan import Display, Silent


@dataclass(frozen=True)
class Verification:
    """What was found.

    Attributes:
        name: of the model, with its commit where it is on the Hub.
        wrong: sentences on weights and provenance that disagree; with any, the model is not what it says.
        changed: sentences on other files, which people may edit, that are no longer as they were published.
        unchecked: what could not be looked at, and why.
    """

    name: str
    provenance: Provenance
    wrong: tuple[str, ...]
    changed: tuple[str, ...]
    unchecked: tuple[str, ...]


def verify(hub: str, display: Display | None = None) -> Verification:
    """Compute the hashes of a published model's files again and compare them with its provenance.

    Args:
        hub: a folder, or "ORG/NAME[@REVISION]" on the Hub.

    Raises:
        UsageError: it has no provenance, or one that cannot be read.
        HubError: it cannot be had.
    """
    display = display or Silent()
    display.stage("Looking at the model")
    source = pull(hub)
    if PROVENANCE not in source.sizes:
        raise UsageError(f"{source.name} has no {PROVENANCE}.", "Only models that `unlearn --push` published have one.")
    provenance = read_provenance(source.fetched([PROVENANCE]).folder / PROVENANCE)
    display.stage("Computing its hashes")
    names = [name for name in source.sizes if name in provenance.files or holds_weights(name)]
    folder = source.fetched(names).folder
    wrong: list[str] = []
    changed: list[str] = []
    for sentence in differences(provenance, folder):
        about = next((name for name in (*provenance.files, *names) if name in sentence), "")
        (wrong if holds_weights(about) or not about else changed).append(sentence.removesuffix("."))
    wrong += [f"{name} is another file of the source than its own provenance lists" for name in _broken(provenance)]
    display.stage("Asking for the source's hashes")
    elsewhere, unchecked = _source(provenance.source)
    wrong += elsewhere
    return Verification(
        source.hub if source.remote else source.name, provenance, *map(tuple, (wrong, changed, unchecked))
    )


def _broken(provenance: Provenance) -> list[str]:
    """Return the source's files that the last link of the history published with another content."""
    if not provenance.history:
        return []
    published = provenance.history[-1].files
    return [name for name, digest in provenance.source.files.items() if published.get(name, digest) != digest]


def _source(source: SourceModel) -> tuple[list[str], list[str]]:
    """Compare the source's hashes with what the Hub says of its commit, without fetching it."""
    if source.repo is None or source.commit is None:
        return [], ["the source: it was a local folder"]
    try:
        there = resolve(Address(source.repo, source.commit)).files
    except HubError as error:
        return [], [f"the source: {error.problem}"]
    wrong = [
        f"{name} of {source.repo} at {source.commit} is not the file that was redacted"
        for name, digest in source.files.items()
        if name not in there or (there[name].sha256 or digest) != digest
    ]
    return wrong, []
