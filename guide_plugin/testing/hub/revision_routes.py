"""Branches, tags, and the list of commits."""

from __future__ import annotations

from typing import Any

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from guide_plugin.testing.hub.call import Call, Site, page, route
from guide_plugin.testing.hub.discussions import hub_time
from guide_plugin.testing.hub.history import CommitRecord
from guide_plugin.testing.hub.names import checked_reference
from guide_plugin.testing.hub.refusal import HubRefusal, no_revision
from guide_plugin.testing.hub.repository_routes import MODEL

BRANCHES, TAGS, PULL_REQUESTS = "refs/heads/", "refs/tags/", "refs/pr/"


def revision_routes(site: Site) -> list[Route]:
    """Return the routes."""
    return [
        route(site, "GET", f"{MODEL}/refs", _refs),
        route(site, "GET", f"{MODEL}/commits/{{revision}}", _commits),
        route(site, "POST", f"{MODEL}/branch/{{branch}}", _create_branch),
        route(site, "DELETE", f"{MODEL}/branch/{{branch}}", _delete_branch),
        route(site, "POST", f"{MODEL}/tag/{{revision}}", _create_tag),
        route(site, "DELETE", f"{MODEL}/tag/{{tag}}", _delete_tag),
    ]


def _refs(call: Call) -> Response:
    history = call.visible().history

    def listed(prefix: str, prefix_of_name: str = "") -> list[dict[str, str]]:
        return [
            {"name": prefix_of_name + name, "ref": prefix + name, "targetCommit": commit}
            for name, commit in history.refs(prefix).items()
        ]

    body = {"branches": listed(BRANCHES), "tags": listed(TAGS), "converts": []}
    if call.flag("include_prs"):
        body["pullRequests"] = listed(PULL_REQUESTS, PULL_REQUESTS)
    return JSONResponse(body)


def _commits(call: Call) -> Response:
    history = call.visible().history
    commits = history.walk(history.find(call.parameters["revision"]))
    return page(call, [_commit(commit) for commit in commits], min(50, call.site.page_size))


def _commit(commit: CommitRecord) -> dict[str, Any]:
    return {
        "id": commit.oid,
        "title": commit.title,
        "message": commit.message,
        "authors": [{"user": commit.author}],
        "date": hub_time(commit.date),
    }


def _create_branch(call: Call) -> Response:
    start = call.json().get("startingPoint") or "main"
    return _create(call, BRANCHES, call.parameters["branch"], str(start))


def _create_tag(call: Call) -> Response:
    return _create(call, TAGS, str(call.json().get("tag", "")), call.parameters["revision"])


def _create(call: Call, prefix: str, name: str, start: str) -> Response:
    repository = call.visible()
    call.writer()
    ref = prefix + checked_reference(name)
    with repository.lock:
        if not repository.history.move(ref, None, repository.history.find(start)):
            raise HubRefusal(409, f"Reference already exists: {name}")
    return JSONResponse({"ref": ref})


def _delete_branch(call: Call) -> Response:
    if call.parameters["branch"] == "main":
        call.visible()
        call.writer()
        raise HubRefusal(403, "The branch main cannot be deleted.")
    return _delete(call, BRANCHES + call.parameters["branch"])


def _delete_tag(call: Call) -> Response:
    return _delete(call, TAGS + call.parameters["tag"])


def _delete(call: Call, ref: str) -> Response:
    repository = call.visible()
    call.writer()
    with repository.lock:
        head = repository.history.head(ref)
        if head is None or not repository.history.move(ref, head, None):
            raise no_revision(ref)
    return Response("OK")
