"""Names that are safe: of repositories, files and references. Everything else is refused before it meets the disk."""

from __future__ import annotations

import re

from guide_plugin.testing.hub.refusal import HubRefusal

_NAMESPACE = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,40}[A-Za-z0-9])?")
_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9_])?")
_REFERENCE = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._+/-]{0,200}[A-Za-z0-9_])?")
COMMIT = re.compile(r"[0-9a-f]{40}")
SHA256 = re.compile(r"[0-9a-f]{64}")


def checked_namespace(name: str) -> str:
    """Return the name of a user or an organisation as it is.

    Raises:
        HubRefusal: 400, it is not one that the Hub allows.
    """
    if not _NAMESPACE.fullmatch(name):
        raise HubRefusal(400, f"Invalid namespace: {name!r}")
    return name


def checked_repo_id(repo_id: str) -> str:
    """Return `NAMESPACE/NAME` as it is.

    Raises:
        HubRefusal: 400, it is not one that the Hub allows.
    """
    namespace, slash, name = repo_id.partition("/")
    wrong = not slash or not _NAMESPACE.fullmatch(namespace) or not _NAME.fullmatch(name)
    if wrong or ".." in name or "--" in name or name.lower().endswith((".git", ".ipynb")):
        raise HubRefusal(400, f"Invalid repository name: {repo_id!r}")
    return repo_id


def checked_path(path: str) -> str:
    """Return the path of a file inside a repository as it is.

    Raises:
        HubRefusal: 400, it is absolute, leaves the repository, or names git's own files.
    """
    parts = path.split("/")
    if any(part in ("", ".", "..") or part.lower() == ".git" or len(part.encode()) > 255 for part in parts):
        raise HubRefusal(400, f"Invalid path: {path!r}")
    if "\\" in path or any(ord(letter) < 32 or ord(letter) == 127 for letter in path):
        raise HubRefusal(400, f"Invalid path: {path!r}")
    return path


def checked_reference(name: str) -> str:
    """Return the name of a new branch or tag as it is.

    Raises:
        HubRefusal: 400, it would be mistaken for something else or is not one that git allows.
    """
    parts = name.split("/")
    ambiguous = parts[0] == "refs" or name == "HEAD" or COMMIT.fullmatch(name)
    if not _REFERENCE.fullmatch(name) or ambiguous or ".." in name:
        raise HubRefusal(400, f"Invalid reference for a branch or tag: {name!r}")
    if any(not part or part.startswith(".") or part.endswith((".", ".lock")) for part in parts):
        raise HubRefusal(400, f"Invalid reference for a branch or tag: {name!r}")
    return name
