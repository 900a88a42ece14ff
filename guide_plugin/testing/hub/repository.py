"""One repository on the disk: its commits, its large files, its pull requests, who may see it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from guide_plugin.testing.hub.cards import problems
from guide_plugin.testing.hub.discussions import Discussion, Discussions, now
from guide_plugin.testing.hub.history import Entry, History
from guide_plugin.testing.hub.lfs import LfsStore, Pointer
from guide_plugin.testing.hub.merging import conflicting, merged
from guide_plugin.testing.hub.names import COMMIT
from guide_plugin.testing.hub.refusal import HubRefusal, no_entry, no_revision
from guide_plugin.testing.hub.upload_rules import UploadRules
from guide_plugin.whole_files import json_bytes, write_whole

Gated = Literal["auto", "manual", False]
BEHIND = "A commit has happened since. Please refresh and try again."


@dataclass(frozen=True)
class Settings:
    """Who may see a repository and its files; `granted` are the users who were let through the gate."""

    private: bool = False
    gated: Gated = False
    granted: tuple[str, ...] = ()
    created_at: str = ""


@dataclass(frozen=True)
class Write:
    """A file that a commit puts in place: a small one by its blob id, a large one by its pointer."""

    path: str
    content: str | Pointer


@dataclass(frozen=True)
class Delete:
    """A file, or a folder with all in it, that a commit takes away."""

    path: str
    folder: bool = False


@dataclass(frozen=True)
class Commit:
    """What a commit says of itself; `parent` is the commit that the author thinks is the latest."""

    title: str
    description: str
    author: str
    parent: str | None = None

    @property
    def message(self) -> str:
        """The message as git keeps it."""
        return f"{self.title}\n\n{self.description}".strip()


class Repository:
    """A repository in a folder. What changes it happens one at a time, and wholly or not at all."""

    def __init__(self, repo_id: str, folder: Path) -> None:
        self.id = repo_id
        self.lock = threading.RLock()
        self.history = History(folder / "git")
        self.lfs = LfsStore(folder / "lfs")
        self.discussions = Discussions(folder / "discussions.json")
        self._settings_path = folder / "settings.json"
        if not self._settings_path.exists():
            self.change_settings(Settings(created_at=now()))
        kept = json.loads(self._settings_path.read_bytes())
        self.settings = Settings(**{**kept, "granted": tuple(kept["granted"])})

    def change_settings(self, settings: Settings) -> None:
        """Change who may see the repository."""
        write_whole(self._settings_path, json_bytes(asdict(settings)))
        self.settings = settings

    def grant(self, user: str) -> None:
        """Let a user through the gate."""
        with self.lock:
            self.change_settings(replace(self.settings, granted=(*self.settings.granted, user)))

    def entries(self, revision: str) -> list[Entry]:
        """Return all files of a revision.

        Raises:
            HubRefusal: 404 RevisionNotFound.
        """
        files = self.history.files(self.history.find(revision))
        return [self.history.entry(path, blob_id) for path, blob_id in files.items()]

    def upload_rules(self, commit: str) -> UploadRules:
        """Return which files are large ones after this commit."""
        blob_id = self.history.files(commit).get(".gitattributes")
        return UploadRules.parse(self.history.read(blob_id) if blob_id else b"")

    def commit(self, changes: Iterable[Write | Delete], revision: str, about: Commit) -> str:
        """Add a commit to a branch or to a pull request (`refs/pr/N`), and return its id.

        Raises:
            HubRefusal: 404, there is no such branch or no such file to delete; 412, `about.parent` is not the
                latest commit; 400, a large file was never uploaded or the model card is wrong.
        """
        with self.lock:
            ref = revision if revision.startswith("refs/") else f"refs/heads/{revision}"
            head = self.history.head(ref)
            if head is None:
                raise no_revision(revision)
            if about.parent is not None and about.parent != head:
                raise HubRefusal(412, BEHIND)
            oid = self._record(changes, head, about)
            self._move(ref, head, oid)
            if ref.startswith("refs/pr/"):
                self._tell_of_commit(int(ref.removeprefix("refs/pr/")), oid, about)
            return oid

    def commit_as_pull_request(
        self, changes: Iterable[Write | Delete], revision: str, about: Commit
    ) -> tuple[str, Discussion]:
        """Open a pull request with one commit on it; it starts from `about.parent`, or the latest commit."""
        with self.lock:
            head = self.history.find(revision)
            start = self.history.find(about.parent) if about.parent else head
            oid = self._record(changes, start, about)
            opened = self.discussions.open(about.title, about.author, about.description, "open", start)
            self._move(opened.ref, None, oid)
            self._tell_of_commit(opened.num, oid, about)
            return oid, self.discussions.get(opened.num)

    def open_pull_request(self, title: str, author: str, text: str) -> Discussion:
        """Open a pull request that has no commit yet; the Hub calls it a draft."""
        with self.lock:
            start = self.history.find("main")
            opened = self.discussions.open(title, author, text, "draft", start)
            self._move(opened.ref, None, start)
            return opened

    def merge(self, num: int, author: str) -> str:
        """Merge a pull request into main as one commit, and return that commit's id.

        Raises:
            HubRefusal: 400, it is not an open pull request; 409, both sides changed the same file.
        """
        with self.lock:
            pull_request = self.discussions.get(num)
            if not pull_request.is_pull_request or pull_request.status != "open":
                raise HubRefusal(400, f"Only an open pull request can be merged; this is {pull_request.status}.")
            main = self.history.find("main")
            files = merged(*self._sides(pull_request))
            oid = self.history.record(files, (main,), f"{pull_request.title} (#{num})", author)
            self._move("refs/heads/main", main, oid)
            self.discussions.update(num, status="merged", merged_as=oid)
            self.discussions.add_event(num, "status-change", author, {"status": "merged"})
            return oid

    def conflicts(self, pull_request: Discussion) -> list[str]:
        """Return the files that main and an open pull request both changed."""
        return conflicting(*self._sides(pull_request)) if pull_request.status in ("open", "draft") else []

    def start(self, changes: Iterable[Write | Delete], about: Commit) -> str:
        """Record the first commit, on main, and return its id."""
        with self.lock:
            oid = self._record(changes, None, about)
            self._move("refs/heads/main", None, oid)
            return oid

    def _record(self, changes: Iterable[Write | Delete], parent: str | None, about: Commit) -> str:
        files = self.history.files(parent) if parent else {}
        for change in changes:
            if isinstance(change, Delete):
                _delete(files, change)
            else:
                files[change.path] = self._blob(change)
        folders = {path.rsplit("/", depth)[0] for path in files for depth in range(1, path.count("/") + 1)}
        if clash := sorted(folders & files.keys()):
            raise HubRefusal(400, f"{clash[0]} is both a file and a folder.")
        if wrong := problems(self.history.read(files["README.md"])) if "README.md" in files else []:
            raise HubRefusal(400, "Invalid metadata in README.md: " + " ".join(wrong))
        return self.history.record(files, (parent,) if parent else (), about.message, about.author)

    def _blob(self, change: Write) -> str:
        if isinstance(change.content, str):
            return change.content
        if self.lfs.size(change.content.sha256) != change.content.size:
            raise HubRefusal(400, f"{change.path} points to a large file that was never uploaded.")
        return self.history.write(bytes(change.content))

    def _move(self, ref: str, old: str | None, new: str) -> None:
        if not self.history.move(ref, old, new):
            raise HubRefusal(412, BEHIND)

    def _tell_of_commit(self, num: int, oid: str, about: Commit) -> None:
        self.discussions.add_event(num, "commit", about.author, {"subject": about.title, "oid": oid})

    def _sides(self, pull_request: Discussion) -> tuple[dict[str, str], dict[str, str], dict[str, str]]:
        files = self.history.files
        heads = (self.history.find("main"), self.history.find(pull_request.ref))
        return files(pull_request.started_from), files(heads[0]), files(heads[1])


def _delete(files: dict[str, Any], change: Delete) -> None:
    inside = [path for path in files if change.folder and path.startswith(change.path.rstrip("/") + "/")]
    gone = inside if change.folder else [path for path in files if path == change.path]
    if not gone:
        raise no_entry(change.path)
    for path in gone:
        del files[path]


def checked_parent(parent: object) -> str | None:
    """Return a commit id that a request names as the latest commit.

    Raises:
        HubRefusal: 400, it is no full commit id.
    """
    if parent is None or (isinstance(parent, str) and COMMIT.fullmatch(parent)):
        return parent
    raise HubRefusal(400, "parentCommit must be a full commit id.")
