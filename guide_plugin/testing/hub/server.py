"""The loopback Hub as an object: start it, fill it, look into it, make it fail."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import uvicorn
from starlette.types import Scope

from guide_plugin.errors import UsageError
from guide_plugin.testing.hub.accounts import Role
from guide_plugin.testing.hub.app import application
from guide_plugin.testing.hub.call import Site
from guide_plugin.testing.hub.discussions import Discussion
from guide_plugin.testing.hub.faults import Faults, Log, Served
from guide_plugin.testing.hub.history import CommitRecord
from guide_plugin.testing.hub.line import Line
from guide_plugin.testing.hub.repository import Commit, Gated
from guide_plugin.testing.hub.shelf import Content, Shelf, folder_files, stored
from guide_plugin.testing.hub.stored_file import StoredFile

HOST = "127.0.0.1"


class LoopbackHub:
    """A model Hub on 127.0.0.1 that the unmodified client talks to: `with LoopbackHub(folder) as hub: ...`.

    Repositories lie in the folder and are found again; tokens are forgotten. Nothing is sent anywhere.

    Args:
        folder: where the repositories lie; made if it is not there.
        port: 0 for any that is free.
        page_size: how many entries a listing holds at a time, as the Hub's do 1000.

    Raises:
        UsageError: on entering, the port is in use.
        HubRefusal: by all methods that ask for what is not there or not allowed.
    """

    def __init__(self, folder: Path, port: int = 0, page_size: int = 1000) -> None:
        self.faults = Faults()
        self._log = Log()
        self._port = port
        self._site = Site(Shelf(folder), page_size)
        line = Line(application(self._site), self.faults, self._log, self._hang_up)
        config = uvicorn.Config(
            line,
            http="h11",
            loop="asyncio",
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="error",
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=1,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._serve, name="loopback-hub", daemon=True)
        self._sockets: list[socket.socket] = []

    def __enter__(self) -> Self:
        for port in (self._port, 0):
            self._sockets.append(_listen(port))
        self._site.url, self._site.storage_url = (f"http://{HOST}:{one.getsockname()[1]}" for one in self._sockets)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.should_exit = True
        self._thread.join()
        for one in self._sockets:
            one.close()
        self._site.shelf.close()

    @property
    def url(self) -> str:
        """Where the Hub is: the client's `endpoint`, or `HF_ENDPOINT`."""
        return self._site.url

    @property
    def repositories(self) -> tuple[str, ...]:
        """The ids of all repositories."""
        return self._site.shelf.ids()

    @property
    def requests(self) -> tuple[Served, ...]:
        """All requests so far."""
        return self._log.all()

    def forget_requests(self) -> None:
        """Begin the list of requests anew."""
        self._log.clear()

    def token(self, user: str, role: Role = "write", organisations: Iterable[str] = ()) -> str:
        """Return a new token of a user, who belongs to these organisations."""
        return self._site.accounts.token(user, role, organisations)

    def create_repo(
        self,
        repo_id: str,
        files: Path | Mapping[str, Content] | None = None,
        private: bool = False,
        gated: Gated = False,
        author: str = "somebody",
    ) -> str:
        """Make a repository with one commit, and return that commit's id.

        Args:
            repo_id: NAMESPACE/NAME.
            files: a folder, or path to bytes or to a file. Large and binary ones are stored as such.
            private: only who belongs to the namespace may know of it.
            gated: only who belongs to the namespace or was let in with `grant` may read its files.
            author: of the commit.
        """
        given = folder_files(files) if isinstance(files, Path) else files or {}
        repository = self._site.shelf.create(repo_id, given, author, private, gated)
        return repository.history.find("main")

    def grant(self, repo_id: str, user: str) -> None:
        """Let a user at the files of a gated repository."""
        self._site.shelf.get(repo_id).grant(user)

    def commit(
        self,
        repo_id: str,
        files: Mapping[str, Content | None],
        message: str = "Somebody else's commit",
        revision: str = "main",
        author: str = "somebody",
    ) -> str:
        """Commit past the client, as somebody else would meanwhile; return the commit's id. `None` deletes a file."""
        repository = self._site.shelf.get(repo_id)
        title, _, description = message.partition("\n")
        return repository.commit(stored(repository, files), revision, Commit(title, description.strip(), author))

    def files(self, repo_id: str, revision: str = "main") -> dict[str, StoredFile]:
        """Return all files of a revision by their path, to be read or compared."""
        repository = self._site.shelf.get(repo_id)
        return {entry.path: StoredFile(repository, entry) for entry in repository.entries(revision)}

    def commits(self, repo_id: str, revision: str = "main") -> tuple[CommitRecord, ...]:
        """Return the commits of a revision, the newest first."""
        history = self._site.shelf.get(repo_id).history
        return tuple(history.walk(history.find(revision)))

    def pull_requests(self, repo_id: str) -> tuple[Discussion, ...]:
        """Return all pull requests, the first first."""
        discussions = self._site.shelf.get(repo_id).discussions
        return tuple(one for one in discussions.all() if one.is_pull_request)

    def _serve(self) -> None:
        self._server.run(sockets=self._sockets)

    def _hang_up(self, scope: Scope) -> None:
        for connection in self._server.server_state.connections:
            if getattr(connection, "client", None) == scope["client"]:
                connection.transport.close()


def _listen(port: int) -> socket.socket:
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((HOST, port))
        listening.listen(128)
    except (OSError, OverflowError) as error:
        listening.close()
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(f"Port {port} of {HOST} cannot be used: {reason}.", "Choose another port.") from error
    return listening
