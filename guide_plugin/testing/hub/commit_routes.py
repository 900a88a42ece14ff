"""Uploads: how each file is to come, and the commit that makes them count."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator
from typing import Any

from dulwich.ignore import IgnoreFilter
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from guide_plugin.testing.hub.call import Call, Site, route
from guide_plugin.testing.hub.lfs import checked_pointer
from guide_plugin.testing.hub.names import checked_path
from guide_plugin.testing.hub.refusal import HubRefusal
from guide_plugin.testing.hub.repository import Commit, Delete, Repository, Write, checked_parent
from guide_plugin.testing.hub.repository_routes import MODEL
from guide_plugin.testing.hub.upload_rules import LARGEST_REGULAR


def commit_routes(site: Site) -> list[Route]:
    """Return the routes."""
    return [
        route(site, "POST", f"{MODEL}/preupload/{{revision}}", _preupload),
        route(site, "POST", f"{MODEL}/commit/{{revision}}", _commit),
    ]


def _preupload(call: Call) -> Response:
    repository = call.uploadable()
    commit = repository.history.find(call.parameters["revision"])
    files, rules = repository.history.files(commit), repository.upload_rules(commit)
    asked = call.json()
    ignored = IgnoreFilter(line.encode() for line in str(asked.get("gitIgnore", "")).splitlines())
    answers = []
    for file in asked.get("files", []):
        try:
            path, size, sample = checked_path(file["path"]), int(file["size"]), base64.b64decode(file["sample"])
        except (KeyError, TypeError, ValueError) as error:
            raise HubRefusal(400, "Each file must have a path, a size and a sample.") from error
        answer: dict[str, Any] = {
            "path": path,
            "uploadMode": "lfs" if rules.is_large(path, size, sample) else "regular",
            "shouldIgnore": bool(ignored.is_ignored(path)),
        }
        if path in files:
            entry = repository.history.entry(path, files[path])
            answer["oid"] = entry.lfs.sha256 if entry.lfs else entry.blob_id
        answers.append(answer)
    return JSONResponse({"files": answers})


def _commit(call: Call) -> Response:
    """Make a commit, or a pull request with one, of the lines in the body."""
    revision = call.parameters["revision"]
    repository = call.uploadable()
    lines = _lines(call)
    header = next(lines, {})
    if header.get("key") != "header" or not str(header["value"].get("summary", "")).strip():
        raise HubRefusal(400, "The first line must be a header with a summary.")
    about = header["value"]
    commit = Commit(
        title=str(about["summary"]),
        description=str(about.get("description") or ""),
        author=call.contributor().name,
        parent=checked_parent(about.get("parentCommit")),
    )
    changes = [_change(repository, line) for line in lines]
    body = {"success": True, "hookOutput": ""}
    if call.flag("create_pr"):
        oid, opened = repository.commit_as_pull_request(changes, revision, commit)
        body["pullRequestUrl"] = f"{call.site.url}/{repository.id}/discussions/{opened.num}"
    else:
        _check_can_commit(call, repository, revision)
        oid = repository.commit(changes, revision, commit)
    return JSONResponse({**body, "commitOid": oid, "commitUrl": f"{call.site.url}/{repository.id}/commit/{oid}"})


def _check_can_commit(call: Call, repository: Repository, revision: str) -> None:
    number = revision.removeprefix("refs/pr/")
    if number != revision and number.isdecimal():
        if repository.discussions.get(int(number)).author != call.contributor().name:
            call.writer()
        return
    call.writer()


def _lines(call: Call) -> Iterator[dict[str, Any]]:
    for line in call.body:
        if line.strip():
            try:
                found = json.loads(line)
            except ValueError as error:
                raise HubRefusal(400, f"A line of the body is no JSON: {error}") from error
            if not isinstance(found, dict) or not isinstance(found.get("value"), dict):
                raise HubRefusal(400, "Each line must have a key and a value.")
            yield found


def _change(repository: Repository, line: dict[str, Any]) -> Write | Delete:
    kind, value = line.get("key"), line["value"]
    path = checked_path(str(value.get("path", "")).rstrip("/"))
    if kind in ("deletedFile", "deletedFolder"):
        return Delete(path, folder=kind == "deletedFolder")
    if kind == "file":
        content = _content(value)
        if len(content) > LARGEST_REGULAR:
            raise HubRefusal(400, f"{path} is larger than 10 MiB and must be uploaded as a large file.")
        return Write(path, repository.history.write(content))
    if kind == "lfsFile":
        sha256 = str(value.get("oid", ""))
        size = value.get("size", repository.lfs.size(sha256))
        return Write(path, checked_pointer({"oid": sha256, "size": size if size is not None else 0}))
    raise HubRefusal(400, f"Unknown line: {kind!r}")


def _content(value: dict[str, Any]) -> bytes:
    text = str(value.get("content", ""))
    if value.get("encoding") != "base64":
        return text.encode()
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise HubRefusal(400, f"The content is no base64: {error}") from error
