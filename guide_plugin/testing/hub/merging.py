"""Bring together two sets of changes to the same files, file by file."""

from __future__ import annotations

from collections.abc import Mapping

from guide_plugin.testing.hub.refusal import HubRefusal


def merged(base: Mapping[str, str], ours: Mapping[str, str], theirs: Mapping[str, str]) -> dict[str, str]:
    """Return the files with both sides' changes, as path to blob id.

    Args:
        base: the files that both sides started from.
        ours: the files on the branch that is merged into.
        theirs: the files on the branch that is merged.

    Raises:
        HubRefusal: 409, both sides changed the same file to different things; `extra` names them.
    """
    conflicts = conflicting(base, ours, theirs)
    if conflicts:
        raise HubRefusal(409, "This pull request has conflicts.", extra={"filesWithConflicts": conflicts})
    result = dict(ours)
    for path in _changed(base, theirs):
        if path in theirs:
            result[path] = theirs[path]
        else:
            result.pop(path, None)
    return result


def conflicting(base: Mapping[str, str], ours: Mapping[str, str], theirs: Mapping[str, str]) -> list[str]:
    """Return the paths that both sides changed to different things."""
    both = _changed(base, ours) & _changed(base, theirs)
    return sorted(path for path in both if ours.get(path) != theirs.get(path))


def _changed(base: Mapping[str, str], side: Mapping[str, str]) -> set[str]:
    return {path for path in base.keys() | side.keys() if base.get(path) != side.get(path)}
