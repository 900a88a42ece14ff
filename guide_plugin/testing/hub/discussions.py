"""Discussions and pull requests of one repository, kept as one JSON file in the shape that the Hub sends."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from guide_plugin.testing.hub.refusal import HubRefusal
from guide_plugin.whole_files import json_bytes, write_whole


@dataclass(frozen=True)
class Discussion:
    """A discussion or a pull request.

    Attributes:
        num: its number; discussions and pull requests are counted together, from 1.
        status: open, closed, draft or merged.
        started_from: for a pull request, the commit it started from; empty for a discussion.
        merged_as: the commit on the branch that it was merged as.
        events: comments, commits and changes of status, in the shape that the Hub sends.
    """

    num: int
    title: str
    author: str
    created_at: str
    status: str
    started_from: str = ""
    merged_as: str = ""
    events: tuple[dict[str, Any], ...] = ()

    @property
    def is_pull_request(self) -> bool:
        """Whether there are commits to merge."""
        return bool(self.started_from)

    @property
    def ref(self) -> str:
        """The reference that a pull request's commits are on."""
        return f"refs/pr/{self.num}"


class Discussions:
    """All discussions of a repository; every change is written before it counts."""

    def __init__(self, path: Path) -> None:
        self._path = path
        kept = json.loads(path.read_bytes()) if path.exists() else []
        self._all = [Discussion(**{**one, "events": tuple(one["events"])}) for one in kept]

    def all(self) -> tuple[Discussion, ...]:
        """Return all, the first first."""
        return tuple(self._all)

    def get(self, num: int) -> Discussion:
        """Return one by its number.

        Raises:
            HubRefusal: 404, there is none.
        """
        if not 1 <= num <= len(self._all):
            raise HubRefusal(404, f"Discussion {num} not found")
        return self._all[num - 1]

    def next_number(self) -> int:
        """Return the number that the next one gets."""
        return len(self._all) + 1

    def open(self, title: str, author: str, text: str, status: str = "open", started_from: str = "") -> Discussion:
        """Begin a discussion, or a pull request that starts from a commit.

        Raises:
            HubRefusal: 400, the title is shorter than 3 or longer than 200 letters.
        """
        title = title.strip()
        if not 3 <= len(title) <= 200:
            raise HubRefusal(400, "The title must be 3 to 200 letters long.")
        opened = Discussion(self.next_number(), title, author, now(), status, started_from)
        self._keep([*self._all, opened])
        self.add_event(opened.num, "comment", author, comment(text))
        return self.get(opened.num)

    def add_event(self, num: int, kind: str, author: str, data: dict[str, Any]) -> dict[str, Any]:
        """Add what happened, and return it in the shape that the Hub sends."""
        name = {"name": author, "type": "user"}
        event = {"id": secrets.token_hex(12), "type": kind, "createdAt": now(), "author": name, "data": data}
        self.update(num, events=(*self.get(num).events, event))
        return event

    def update(self, num: int, **changes: Any) -> Discussion:
        """Change fields of one, and return it."""
        changed = replace(self.get(num), **changes)
        self._keep([changed if one.num == num else one for one in self._all])
        return changed

    def _keep(self, all_of_them: list[Discussion]) -> None:
        write_whole(self._path, json_bytes([vars(one) for one in all_of_them]))
        self._all = all_of_them


def comment(text: str) -> dict[str, Any]:
    """Return the data of a comment."""
    return {"edited": False, "hidden": False, "latest": {"raw": text, "updatedAt": now()}}


def now() -> str:
    """Return the time as the Hub writes it."""
    return hub_time(datetime.now(UTC))


def hub_time(moment: datetime) -> str:
    """Return a time as the Hub writes it: UTC, milliseconds, `Z`."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
