"""Make, delete, describe and set up repositories."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from guide_plugin.testing.hub import accounts
from guide_plugin.testing.hub.call import Call, Site, route
from guide_plugin.testing.hub.cards import CardError, metadata, tags
from guide_plugin.testing.hub.discussions import hub_time
from guide_plugin.testing.hub.history import Entry
from guide_plugin.testing.hub.refusal import HubRefusal, no_repository

MODEL = "/api/models/{namespace}/{name}"


def repository_routes(site: Site) -> list[Route]:
    """Return the routes."""
    return [
        route(site, "POST", "/api/repos/create", _create),
        route(site, "DELETE", "/api/repos/delete", _delete),
        route(site, "PUT", f"{MODEL}/settings", _settings),
        route(site, "GET", f"{MODEL}/auth-check", _may_read),
        route(site, "GET", f"{MODEL}/auth-check/write", _may_write),
        route(site, "GET", MODEL, _info),
        route(site, "GET", f"{MODEL}/revision/{{revision}}", _info),
        route(site, "GET", "/api/models/{name}", _single_name),
    ]


def _create(call: Call) -> Response:
    asked = call.json()
    namespace, name = _named(call, asked)
    author = accounts.check_can_write(call.account, namespace)
    if asked.get("type") not in (None, "model"):
        raise HubRefusal(400, "The loopback Hub holds models alone.")
    repo_id = f"{namespace}/{name}"
    url = f"{call.site.url}/{repo_id}"
    try:
        call.site.shelf.create(repo_id, {}, author.name, private=_private(asked) or False)
    except HubRefusal as refusal:
        if refusal.status == 409:
            raise HubRefusal(409, refusal.message, extra={"url": url}) from None
        raise
    return JSONResponse({"url": url, "name": repo_id, "id": repo_id})


def _delete(call: Call) -> Response:
    namespace, name = _named(call, call.json())
    repository = call.site.shelf.get(f"{namespace}/{name}", call.account is None)
    if not accounts.may_see(call.account, repository):
        raise no_repository(call.account is None)
    accounts.check_can_write(call.account, namespace)
    call.site.shelf.delete(repository.id)
    return Response("OK")


def _settings(call: Call) -> Response:
    repository = call.visible()
    call.writer()
    asked = call.json()
    changes: dict[str, Any] = {}
    if "gated" in asked:
        if asked["gated"] not in ("auto", "manual", False):
            raise HubRefusal(400, "gated must be auto, manual or false.")
        changes["gated"] = asked["gated"]
    if (private := _private(asked)) is not None:
        changes["private"] = private
    with repository.lock:
        repository.change_settings(replace(repository.settings, **changes))
    return JSONResponse({"private": repository.settings.private, "gated": repository.settings.gated})


def _may_read(call: Call) -> Response:
    call.readable()
    return Response("OK")


def _may_write(call: Call) -> Response:
    call.visible()
    call.writer()
    return Response("OK")


def _info(call: Call) -> Response:
    repository = call.visible()
    commit = repository.history.find(call.parameters.get("revision", "main"))
    entries = repository.entries(commit)
    readme = next((entry for entry in entries if entry.path == "README.md"), None)
    try:
        card = metadata(repository.history.read(readme.blob_id)) if readme else None
    except CardError:
        card = None
    kept = repository.settings
    body = {
        "_id": repository.id,
        "id": repository.id,
        "modelId": repository.id,
        "author": call.parameters["namespace"],
        "sha": commit,
        "createdAt": kept.created_at,
        "lastModified": hub_time(next(repository.history.walk(commit)).date),
        "private": kept.private,
        "gated": kept.gated,
        "disabled": False,
        "downloads": 0,
        "likes": 0,
        "tags": [*tags(card or {}), "region:us"],
        "cardData": card,
        "siblings": [_sibling(entry, call.flag("blobs")) for entry in entries],
    }
    for key in ("library_name", "pipeline_tag", "model-index"):
        if card and key in card:
            body[key] = card[key]
    return JSONResponse(body)


def _sibling(entry: Entry, blobs: bool) -> dict[str, Any]:
    sibling: dict[str, Any] = {"rfilename": entry.path}
    if blobs:
        sibling |= {"blobId": entry.blob_id, "size": entry.size}
        if entry.lfs:
            pointer_size = len(bytes(entry.lfs))
            sibling["lfs"] = {"sha256": entry.lfs.sha256, "size": entry.size, "pointerSize": pointer_size}
    return sibling


def _single_name(call: Call) -> Response:
    raise no_repository(call.account is None)


def _named(call: Call, asked: dict[str, Any]) -> tuple[str, str]:
    if call.account is None:
        raise no_repository(anonymous=True)
    name, organisation = asked.get("name"), asked.get("organization")
    if not isinstance(name, str) or not isinstance(organisation, str | None):
        raise HubRefusal(400, "name and organization must be texts.")
    return organisation or call.account.name, name


def _private(asked: dict[str, Any]) -> bool | None:
    """Return what a request says of privacy: clients before 1.0 sent `private`, later ones `visibility`."""
    if "visibility" in asked:
        return bool(asked["visibility"] != "public")
    return bool(asked["private"]) if asked.get("private") is not None else None
