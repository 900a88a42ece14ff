"""Large files, by the Git LFS protocol: what to upload, where to, and whether it arrived."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from guide_plugin.testing.hub.call import Call, Site, route
from guide_plugin.testing.hub.lfs import Pointer, checked_pointer
from guide_plugin.testing.hub.names import COMMIT
from guide_plugin.testing.hub.ranges import ranged
from guide_plugin.testing.hub.refusal import HubRefusal
from guide_plugin.testing.hub.repository import Repository

OBJECTS = "/{namespace}/{name}.git/info/lfs/objects"


def lfs_routes(site: Site) -> list[Route]:
    """Return the routes."""
    return [
        route(site, "POST", f"{OBJECTS}/batch", _batch),
        route(site, "POST", f"{OBJECTS}/verify", _verify),
        Route("/storage/{namespace}/{name}/{sha256}", _storage(site), methods=["GET", "PUT"]),
    ]


def _batch(call: Call) -> Response:
    """Answer a batch request. Source: the Git LFS specification, Batch API, transfer "basic"."""
    asked = call.json()
    uploads = asked.get("operation") == "upload"
    repository = call.uploadable() if uploads else call.readable()
    objects = [_instructions(call, repository, checked_pointer(one), uploads) for one in asked.get("objects", [])]
    return JSONResponse({"transfer": "basic", "objects": objects}, media_type="application/vnd.git-lfs+json")


def _instructions(call: Call, repository: Repository, pointer: Pointer, uploads: bool) -> dict[str, Any]:
    answer: dict[str, Any] = {"oid": pointer.sha256, "size": pointer.size}
    is_there = repository.lfs.size(pointer.sha256) is not None
    if uploads and not is_there:
        verify = f"{call.site.url}/{repository.id}.git/info/lfs/objects/verify"
        link = call.site.storage_link("put", repository.id, pointer.sha256, pointer.size)
        answer["actions"] = {"upload": {"href": link}, "verify": {"href": verify}}
    elif not uploads and is_there:
        link = call.site.storage_link("get", repository.id, pointer.sha256, pointer.size)
        answer["actions"] = {"download": {"href": link}}
    elif not uploads:
        answer["error"] = {"code": 404, "message": "Object does not exist"}
    return answer


def _verify(call: Call) -> Response:
    repository = call.uploadable()
    pointer = checked_pointer(call.json())
    if repository.lfs.size(pointer.sha256) != pointer.size:
        raise HubRefusal(404, "The large file was not uploaded.")
    return JSONResponse({"message": "OK"})


def _storage(site: Site) -> Callable[[Request], Awaitable[Response]]:
    """Return the store behind the links: it asks for no token, and lets a file through in pieces."""

    async def endpoint(request: Request) -> Response:
        parts, query = request.path_params, request.query_params
        repo_id = f"{parts['namespace']}/{parts['name']}"
        use = "put" if request.method == "PUT" else "get"
        size = int(query.get("size", "")) if query.get("size", "").isdecimal() else -1
        valid = site.signature(use, repo_id, parts["sha256"], size)
        if not hmac.compare_digest(valid.encode(), query.get("signature", "").encode()):
            raise HubRefusal(403, "The link is not valid.")
        lfs = site.shelf.get(repo_id).lfs
        if use == "get":
            file = lfs.path(parts["sha256"]).open("rb")
            headers = {"ETag": f'"{parts["sha256"]}"'}
            if COMMIT.fullmatch(commit := query.get("commit", "")):
                headers["X-Repo-Commit"] = commit
            return ranged(request.method, file, size, request.headers.get("range"), headers)
        with lfs.receive(Pointer(parts["sha256"], size)) as reception:
            async for piece in request.stream():
                reception.write(piece)
        return Response(status_code=200)

    return endpoint
