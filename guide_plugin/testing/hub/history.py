"""The commits of one repository: a bare git repository, so that every id is the real thing."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from dulwich.index import commit_tree
from dulwich.objects import Blob, Commit, ObjectID, Tree
from dulwich.refs import Ref
from dulwich.repo import Repo

from guide_plugin.testing.hub.lfs import Pointer, parse_pointer
from guide_plugin.testing.hub.names import COMMIT
from guide_plugin.testing.hub.refusal import no_revision

FILE_MODE = 0o100644


@dataclass(frozen=True)
class Entry:
    """A file in a commit.

    Attributes:
        path: inside the repository.
        blob_id: git's SHA-1 of what git holds: the file, or the pointer to it.
        size: of the file in bytes, also where it is a large one.
        lfs: the pointer, for large files.
    """

    path: str
    blob_id: str
    size: int
    lfs: Pointer | None


@dataclass(frozen=True)
class CommitRecord:
    """One commit; `title` is the first line of its message, `message` the rest."""

    oid: str
    title: str
    message: str
    author: str
    date: datetime
    parents: tuple[str, ...]


class History:
    """A bare git repository in a folder, made if it is not there."""

    def __init__(self, folder: Path) -> None:
        if not folder.exists():
            folder.mkdir(parents=True)
            Repo.init_bare(folder, default_branch=b"main").close()
        self._git = Repo(str(folder))
        # Two threads that write the same object at once would meet over git's lock file.
        self._writing = threading.RLock()
        self._known: dict[str, tuple[int, Pointer | None]] = {}

    def close(self) -> None:
        """Let go of the files."""
        self._git.close()

    def refs(self, prefix: str) -> dict[str, str]:
        """Return name and commit of all references below a prefix such as `refs/heads/`."""
        found = self._git.refs.as_dict(Ref(prefix.rstrip("/").encode()))
        return {name.decode(): oid.decode() for name, oid in sorted(found.items())}

    def move(self, ref: str, old: str | None, new: str | None) -> bool:
        """Let a reference point elsewhere, only if it points where it is thought to; say whether it did.

        Args:
            ref: its full name.
            old: the commit it should point to now; `None` for a reference that should not be there yet.
            new: the commit it shall point to; `None` deletes it.
        """
        name, refs = Ref(ref.encode()), self._git.refs
        if new is None:
            return bool(refs.remove_if_equals(name, _id(old) if old else None))
        if old is None:
            return bool(refs.add_if_new(name, _id(new)))
        return bool(refs.set_if_equals(name, _id(old), _id(new)))

    def find(self, revision: str) -> str:
        """Return the commit of a branch, a tag, a full reference or a full commit id.

        Raises:
            HubRefusal: 404 RevisionNotFound.
        """
        names = [revision] if revision.startswith("refs/") else [f"refs/heads/{revision}", f"refs/tags/{revision}"]
        for name in names:
            if oid := self.head(name):
                return oid
        if COMMIT.fullmatch(revision) and _id(revision) in self._git.object_store:
            found = self._git[_id(revision)]
            if isinstance(found, Commit):
                return revision
        raise no_revision(revision)

    def head(self, ref: str) -> str | None:
        """Return the commit that a reference, by its full name, points to."""
        try:
            return str(self._git.refs[Ref(ref.encode())].decode())
        except (KeyError, ValueError):
            return None

    def files(self, commit: str) -> dict[str, str]:
        """Return path and blob id of all files in a commit, in git's order."""
        tree = self._commit(commit).tree
        return {entry.path.decode(): entry.sha.decode() for entry in self._git.object_store.iter_tree_contents(tree)}

    def folders(self, commit: str) -> dict[str, str]:
        """Return path and tree id of all folders in a commit."""
        listed = self._git.object_store.iter_tree_contents(self._commit(commit).tree, include_trees=True)
        return {
            entry.path.decode(): entry.sha.decode()
            for entry in listed
            if entry.path and isinstance(self._git[entry.sha], Tree)
        }

    def entry(self, path: str, blob_id: str) -> Entry:
        """Return what there is to say about a file."""
        if blob_id not in self._known:
            content = self.read(blob_id)
            pointer = parse_pointer(content)
            self._known[blob_id] = (pointer.size if pointer else len(content), pointer)
        return Entry(path, blob_id, *self._known[blob_id])

    def read(self, blob_id: str) -> bytes:
        """Return what git holds of a file."""
        return bytes(self._git[_id(blob_id)].as_raw_string())

    def write(self, content: bytes) -> str:
        """Store the content of a small file, and return its blob id."""
        blob = Blob.from_string(content)
        with self._writing:
            self._git.object_store.add_object(blob)
        return blob.id.decode()

    def record(self, files: Mapping[str, str], parents: tuple[str, ...], message: str, author: str) -> str:
        """Store a commit of these files, path to blob id, and return its id. No reference points to it yet."""
        store = self._git.object_store
        listed = [(path.encode(), _id(blob), FILE_MODE) for path, blob in files.items()]
        commit = Commit()
        with self._writing:
            commit.tree = commit_tree(store, listed)
        commit.parents = [_id(parent) for parent in parents]
        commit.author = commit.committer = f"{author} <{author}@users.noreply.localhost>".encode()
        commit.author_time = commit.commit_time = int(time.time())
        commit.author_timezone = commit.commit_timezone = 0
        commit.encoding = b"UTF-8"
        commit.message = message.encode()
        with self._writing:
            store.add_object(commit)
        return commit.id.decode()

    def walk(self, commit: str) -> Iterator[CommitRecord]:
        """Yield a commit and those before it, the newest first."""
        oid: str | None = commit
        while oid:
            found = self._commit(oid)
            title, _, message = found.message.decode().partition("\n")
            parents = tuple(parent.decode() for parent in found.parents)
            author = found.author.decode().partition(" <")[0]
            date = datetime.fromtimestamp(found.commit_time, UTC)
            yield CommitRecord(oid, title, message.strip(), author, date, parents)
            oid = parents[0] if parents else None

    def _commit(self, oid: str) -> Commit:
        found = self._git[_id(oid)]
        if not isinstance(found, Commit):
            raise no_revision(oid)
        return found


def _id(oid: str) -> ObjectID:
    return ObjectID(oid.encode())
