"""One request, as the handlers see it: who asks, for which repository, with what body."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from tempfile import SpooledTemporaryFile
from typing import IO, Any
from urllib.parse import quote, unquote

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, QueryParams
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from guide_plugin.testing.hub import accounts
from guide_plugin.testing.hub.accounts import Account, Accounts
from guide_plugin.testing.hub.refusal import HubRefusal, no_repository
from guide_plugin.testing.hub.repository import Repository
from guide_plugin.testing.hub.shelf import Shelf

SMALL_BODY = 4 << 20
"""Bytes of a request's body that stay in memory; what is longer goes to the disk."""


@dataclass
class Site:
    """What all requests share. `key` signs links to large files.

    The store of large files has an address of its own, as the Hub's has: from 2.0 on the client sends no token there.
    Both addresses are known once the server has its ports.
    """

    shelf: Shelf
    page_size: int
    accounts: Accounts = field(default_factory=Accounts)
    key: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    url: str = ""
    storage_url: str = ""

    def storage_link(self, use: str, repo_id: str, sha256: str, size: int) -> str:
        """Return a link that lets its holder fetch (`use` "get") or upload ("put") one large file, without a token."""
        signature = self.signature(use, repo_id, sha256, size)
        return f"{self.storage_url}/storage/{repo_id}/{sha256}?use={use}&size={size}&signature={signature}"

    def signature(self, use: str, repo_id: str, sha256: str, size: int) -> str:
        """Return what makes a link to a large file valid."""
        return hmac.new(self.key, f"{use} {repo_id} {sha256} {size}".encode(), hashlib.sha256).hexdigest()


@dataclass(frozen=True)
class Call:
    """One request. `parameters` are the named parts of its path, unquoted."""

    site: Site
    account: Account | None
    parameters: Mapping[str, str]
    query: QueryParams
    headers: Headers
    method: str
    raw_path: str
    body: IO[bytes]

    @property
    def repo_id(self) -> str:
        """The repository that the path names."""
        return f"{self.parameters['namespace']}/{self.parameters['name']}"

    def json(self) -> dict[str, Any]:
        """Return the body, a JSON object.

        Raises:
            HubRefusal: 400, it is none.
        """
        try:
            value = json.loads(self.body.read() or b"{}")
        except ValueError as error:
            raise HubRefusal(400, f"The body is no JSON: {error}") from error
        if not isinstance(value, dict):
            raise HubRefusal(400, "The body must be a JSON object.")
        return value

    def flag(self, name: str) -> bool:
        """Return whether a query parameter says yes."""
        return self.query.get(name, "").lower() in ("1", "true")

    def visible(self) -> Repository:
        """Return the repository that the path names.

        Raises:
            HubRefusal: RepoNotFound, there is none, or the asker may not know of it.
        """
        anonymous = self.account is None
        repository = self.site.shelf.get(self.repo_id, anonymous)
        if not accounts.may_see(self.account, repository):
            raise no_repository(anonymous)
        return repository

    def readable(self) -> Repository:
        """Return the repository whose files the asker may read."""
        repository = self.visible()
        accounts.check_can_read(self.account, repository)
        return repository

    def uploadable(self) -> Repository:
        """Return the repository for an upload: whoever may read may upload, for a pull request."""
        repository = self.readable()
        self.contributor()
        return repository

    def contributor(self) -> Account:
        """Return the asker, who may propose changes."""
        return accounts.check_can_contribute(self.account)

    def writer(self) -> Account:
        """Return the asker, who may change the repository that the path names."""
        return accounts.check_can_write(self.account, self.parameters["namespace"])

    def split(self, rest: str) -> tuple[str, str]:
        """Return revision and path of `REVISION/PATH`; a reference in full may come unquoted, as on the Hub."""
        parts = rest.split("/")
        length = 3 if parts[0] == "refs" and len(parts) > 2 else 1
        return unquote("/".join(parts[:length])), unquote("/".join(parts[length:]))


def route(site: Site, method: str, path: str, handler: Callable[[Call], Response]) -> Route:
    """Return a route whose handler runs in a thread of its own, with the body ready to be read."""

    async def endpoint(request: Request) -> Response:
        with SpooledTemporaryFile(SMALL_BODY) as body:
            async for piece in request.stream():
                body.write(piece)
            body.seek(0)
            parts = request.path_params
            call = Call(
                site=site,
                account=site.accounts.who(request.headers.get("authorization")),
                parameters={name: value if name == "rest" else unquote(str(value)) for name, value in parts.items()},
                query=request.query_params,
                headers=request.headers,
                method=request.method,
                raw_path=request.url.path,
                body=body,
            )
            return await run_in_threadpool(handler, call)

    return Route(path, endpoint, methods=[method])


def page(call: Call, items: list[dict[str, Any]], size: int) -> Response:
    """Return one page of a list, with the link to the next one."""
    start = int(call.query.get("cursor", "0")) if call.query.get("cursor", "0").isdecimal() else 0
    size = min(size, int(limit)) if (limit := call.query.get("limit", "")).isdecimal() and int(limit) else size
    headers = {}
    if start + size < len(items):
        others = "".join(f"&{key}={quote(value)}" for key, value in call.query.multi_items() if key != "cursor")
        headers["Link"] = f'<{call.site.url}{call.raw_path}?cursor={start + size}{others}>; rel="next"'
    return JSONResponse(items[start : start + size], headers=headers)


async def refuse(_: Request, error: Exception) -> Response:
    """Answer with a refusal in the shape that the client reads."""
    if not isinstance(error, HubRefusal):
        raise error
    # Headers are Latin-1, and messages may quote what was asked for.
    headers = {"X-Error-Message": error.message.encode("ascii", "replace").decode(), **error.headers}
    if error.code:
        headers["X-Error-Code"] = error.code
    return JSONResponse({"error": error.message, **error.extra}, error.status, headers)
