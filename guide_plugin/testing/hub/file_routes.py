"""List the files of a repository and hand them out, whole or in ranges."""

from __future__ import annotations

import io
import json
from typing import Any
from urllib.parse import parse_qs, quote

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from guide_plugin.testing.hub.call import Call, Site, page, route
from guide_plugin.testing.hub.history import Entry
from guide_plugin.testing.hub.ranges import ranged
from guide_plugin.testing.hub.refusal import no_entry
from guide_plugin.testing.hub.repository import Repository
from guide_plugin.testing.hub.repository_routes import MODEL


def file_routes(site: Site) -> list[Route]:
    """Return the routes."""
    return [
        route(site, "GET", f"{MODEL}/tree/{{rest:path}}", _tree),
        route(site, "POST", f"{MODEL}/paths-info/{{revision}}", _paths_info),
        route(site, "GET", "/{namespace}/{name}/resolve/{rest:path}", _resolve),
    ]


def _tree(call: Call) -> Response:
    repository = call.visible()
    revision, folder = call.split(call.parameters["rest"])
    commit = repository.history.find(revision)
    inside = folder.strip("/") + "/" if folder.strip("/") else ""
    listed = _listing(repository, commit)
    below = [item for path, item in sorted(listed.items()) if path.startswith(inside)]
    if inside and not below:
        raise no_entry(folder, commit)
    if not call.flag("recursive"):
        below = [item for item in below if "/" not in item["path"][len(inside) :]]
    return page(call, below, call.site.page_size)


def _paths_info(call: Call) -> Response:
    repository = call.visible()
    listed = _listing(repository, repository.history.find(call.parameters["revision"]))
    body = call.body.read()
    if call.headers.get("content-type", "").startswith("application/json"):
        paths = json.loads(body).get("paths", [])
    else:
        paths = parse_qs(body.decode()).get("paths", [])
    return JSONResponse([listed[path.strip("/")] for path in paths if path.strip("/") in listed])


def _listing(repository: Repository, commit: str) -> dict[str, dict[str, Any]]:
    folders = repository.history.folders(commit)
    listed = {path: {"type": "directory", "oid": oid, "size": 0, "path": path} for path, oid in folders.items()}
    return {**listed, **{entry.path: _file(entry) for entry in repository.entries(commit)}}


def _file(entry: Entry) -> dict[str, Any]:
    described: dict[str, Any] = {"type": "file", "oid": entry.blob_id, "size": entry.size, "path": entry.path}
    if entry.lfs:
        pointer_size = len(bytes(entry.lfs))
        described["lfs"] = {"oid": entry.lfs.sha256, "size": entry.size, "pointerSize": pointer_size}
    return described


def _resolve(call: Call) -> Response:
    """Answer with a small file, or say where a large one lies: there, no token is needed."""
    repository = call.visible()
    revision, path = call.split(call.parameters["rest"])
    # Before the gate: the Hub tells even those outside it which revisions there are.
    commit = repository.history.find(revision)
    call.readable()
    blob_id = repository.history.files(commit).get(path)
    if blob_id is None:
        raise no_entry(path, commit)
    entry = repository.history.entry(path, blob_id)
    headers = {"X-Repo-Commit": commit}
    if entry.lfs:
        # Clients before 2.0 take the store for the Hub, whose host it shares, and look for the commit there.
        link = call.site.storage_link("get", repository.id, entry.lfs.sha256, entry.size) + f"&commit={commit}"
        headers |= {"X-Linked-Size": str(entry.size), "X-Linked-ETag": f'"{entry.lfs.sha256}"', "Location": link}
        return Response(f"Found. Redirecting to {link}", 302, headers)
    headers |= {"ETag": f'"{blob_id}"', "Content-Disposition": f"inline; filename*=UTF-8''{quote(path)}"}
    content = repository.history.read(blob_id)
    return ranged(call.method, io.BytesIO(content), len(content), call.headers.get("range"), headers)
