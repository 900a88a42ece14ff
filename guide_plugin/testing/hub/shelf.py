"""All repositories of a loopback Hub, in one folder, and putting whole folders into them."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from guide_plugin.testing.hub.lfs import pieces
from guide_plugin.testing.hub.names import checked_path, checked_repo_id
from guide_plugin.testing.hub.refusal import HubRefusal, no_repository
from guide_plugin.testing.hub.repository import Commit, Delete, Gated, Repository, Write
from guide_plugin.testing.hub.upload_rules import ATTRIBUTES, SAMPLE, UploadRules

Content = bytes | Path


class Shelf:
    """The repositories in `folder/models/NAMESPACE/NAME`; those that lie there already are found again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "models"
        self._folder.mkdir(parents=True, exist_ok=True)
        self._lock = threading.RLock()
        self._open: dict[str, Repository] = {}

    def close(self) -> None:
        """Let go of all files."""
        with self._lock:
            for repository in self._open.values():
                repository.history.close()
            self._open.clear()

    def ids(self) -> tuple[str, ...]:
        """Return the ids of all repositories."""
        found = (path.parent.relative_to(self._folder) for path in self._folder.glob("*/*/settings.json"))
        return tuple(sorted(path.as_posix() for path in found))

    def get(self, repo_id: str, anonymous: bool = False) -> Repository:
        """Return a repository.

        Raises:
            HubRefusal: RepoNotFound, there is none.
        """
        with self._lock:
            if repo_id not in self._open:
                try:
                    folder = self._folder / checked_repo_id(repo_id)
                except HubRefusal:
                    raise no_repository(anonymous) from None
                if not (folder / "settings.json").is_file():
                    raise no_repository(anonymous)
                self._open[repo_id] = Repository(repo_id, folder)
            return self._open[repo_id]

    def create(
        self, repo_id: str, files: Mapping[str, Content], author: str, private: bool = False, gated: Gated = False
    ) -> Repository:
        """Make a repository with one commit.

        Raises:
            HubRefusal: 409, there is one already; 400, its name or a file is refused.
        """
        with self._lock:
            folder = self._folder / checked_repo_id(repo_id)
            if folder.exists():
                raise HubRefusal(409, f"You already created this model repo: {repo_id}")
            repository = Repository(repo_id, folder)
            try:
                repository.change_settings(replace(repository.settings, private=private, gated=gated))
                changes = stored(repository, {".gitattributes": ATTRIBUTES, **files})
                repository.start(changes, Commit("initial commit", "", author))
            except BaseException:
                repository.history.close()
                shutil.rmtree(folder)
                raise
            self._open[repo_id] = repository
            return repository

    def delete(self, repo_id: str) -> None:
        """Delete a repository with all that is in it."""
        with self._lock:
            self.get(repo_id).history.close()
            del self._open[repo_id]
            shutil.rmtree(self._folder / checked_repo_id(repo_id))


def stored(repository: Repository, files: Mapping[str, Content | None]) -> list[Write | Delete]:
    """Store files in a repository, large ones as such, and return the changes that a commit of them makes.

    Args:
        repository: where to.
        files: path to bytes or to a file on the disk; `None` deletes.
    """
    attributes = files.get(".gitattributes")
    if attributes is None:
        rules = repository.upload_rules(repository.history.find("main"))
    else:
        rules = UploadRules.parse(b"".join(pieces(attributes)))
    changes: list[Write | Delete] = []
    for path, content in files.items():
        if content is None:
            changes.append(Delete(path))
            continue
        size = len(content) if isinstance(content, bytes) else content.stat().st_size
        sample = next(iter(pieces(content)), b"")[:SAMPLE]
        if rules.is_large(checked_path(path), size, sample):
            changes.append(Write(path, repository.lfs.add(content)))
        else:
            changes.append(Write(path, repository.history.write(b"".join(pieces(content)))))
    return changes


def folder_files(folder: Path) -> dict[str, Content]:
    """Return all files below a folder by their path in it; git's own files are left out."""
    return {
        path.relative_to(folder).as_posix(): path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".git" not in path.relative_to(folder).parts
    }
