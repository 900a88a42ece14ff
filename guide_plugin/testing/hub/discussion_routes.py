"""Discussions and pull requests: list, read, open, comment, close, merge."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from guide_plugin.testing.hub.call import Call, Site, route
from guide_plugin.testing.hub.discussions import Discussion, comment
from guide_plugin.testing.hub.refusal import HubRefusal
from guide_plugin.testing.hub.repository import Repository
from guide_plugin.testing.hub.repository_routes import MODEL

ALL = f"{MODEL}/discussions"
ONE = f"{ALL}/{{num:int}}"


def discussion_routes(site: Site) -> list[Route]:
    """Return the routes."""
    return [
        route(site, "GET", ALL, _list),
        route(site, "POST", ALL, _open),
        route(site, "GET", ONE, _detail),
        route(site, "POST", f"{ONE}/comment", _comment),
        route(site, "POST", f"{ONE}/title", _rename),
        route(site, "POST", f"{ONE}/status", _change_status),
        route(site, "POST", f"{ONE}/merge", _merge),
    ]


def _list(call: Call) -> Response:
    repository, query = call.visible(), call.query
    wanted: list[Callable[[Discussion], bool]] = []
    if query.get("type", "all") != "all":
        wanted.append(lambda one: one.is_pull_request == (query["type"] == "pull_request"))
    if query.get("status", "all") != "all":
        states = ("open", "draft") if query["status"] == "open" else ("closed", "merged")
        wanted.append(lambda one: one.status in states)
    if "author" in query:
        wanted.append(lambda one: one.author == query["author"])
    found = [one for one in reversed(repository.discussions.all()) if all(test(one) for test in wanted)]
    size = call.site.page_size
    start = size * int(query["p"]) if query.get("p", "").isdecimal() else 0
    listed = [_summary(repository, one) for one in found[start : start + size]]
    return JSONResponse({"discussions": listed, "count": len(found), "start": start})


def _open(call: Call) -> Response:
    repository, author, asked = call.visible(), call.contributor().name, call.json()
    title, text = str(asked.get("title", "")), str(asked.get("description") or "")
    with repository.lock:
        if asked.get("pullRequest"):
            opened = repository.open_pull_request(title, author, text)
        else:
            opened = repository.discussions.open(title, author, text)
    url = f"{call.site.url}/{repository.id}/discussions/{opened.num}"
    return JSONResponse({"num": opened.num, "url": url, "pullRequest": opened.is_pull_request})


def _detail(call: Call) -> Response:
    repository, discussion = _asked(call)
    body = {**_summary(repository, discussion), "events": discussion.events}
    if discussion.is_pull_request:
        changes = {"base": "refs/heads/main"}
        if discussion.merged_as:
            changes["mergeCommitId"] = discussion.merged_as
        body |= {"changes": changes, "filesWithConflicts": repository.conflicts(discussion)}
    return JSONResponse(body)


def _comment(call: Call) -> Response:
    repository, discussion = _asked(call)
    author, text = call.contributor().name, str(call.json().get("comment", ""))
    if not text.strip():
        raise HubRefusal(400, "The comment is empty.")
    with repository.lock:
        event = repository.discussions.add_event(discussion.num, "comment", author, comment(text))
    return JSONResponse({"newMessage": event})


def _rename(call: Call) -> Response:
    repository, discussion = _asked(call)
    author, title = _moderator(call, discussion), str(call.json().get("title", "")).strip()
    if not 3 <= len(title) <= 200:
        raise HubRefusal(400, "The title must be 3 to 200 letters long.")
    with repository.lock:
        data = {"from": discussion.title, "to": title}
        repository.discussions.update(discussion.num, title=title)
        event = repository.discussions.add_event(discussion.num, "title-change", author, data)
    return JSONResponse({"newTitle": event})


def _change_status(call: Call) -> Response:
    repository, discussion = _asked(call)
    author, asked = _moderator(call, discussion), call.json()
    status = asked.get("status")
    if status not in ("open", "closed") or discussion.status == "merged":
        raise HubRefusal(400, f"A discussion that is {discussion.status} cannot become {status}.")
    with repository.lock:
        if text := str(asked.get("comment") or ""):
            repository.discussions.add_event(discussion.num, "comment", author, comment(text))
        repository.discussions.update(discussion.num, status=status)
        event = repository.discussions.add_event(discussion.num, "status-change", author, {"status": status})
    return JSONResponse({"newStatus": event})


def _merge(call: Call) -> Response:
    repository, discussion = _asked(call)
    author, text = call.writer().name, str(call.json().get("comment") or "")
    with repository.lock:
        oid = repository.merge(discussion.num, author)
        if text:
            repository.discussions.add_event(discussion.num, "comment", author, comment(text))
    return JSONResponse({"success": True, "mergeCommitId": oid})


def _asked(call: Call) -> tuple[Repository, Discussion]:
    repository = call.visible()
    return repository, repository.discussions.get(int(call.parameters["num"]))


def _moderator(call: Call, discussion: Discussion) -> str:
    """Return the asker, who began the discussion or may change the repository."""
    asker = call.contributor()
    return asker.name if asker.name == discussion.author else call.writer().name


def _summary(repository: Repository, discussion: Discussion) -> dict[str, Any]:
    return {
        "num": discussion.num,
        "title": discussion.title,
        "author": {"name": discussion.author, "type": "user"},
        "createdAt": discussion.created_at,
        "status": discussion.status,
        "isPullRequest": discussion.is_pull_request,
        "repo": {"name": repository.id, "type": "model"},
    }
