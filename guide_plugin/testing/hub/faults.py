"""What can go wrong on the way, as data; and what was served."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from guide_plugin.errors import UsageError


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong with requests. Give what it matches, and one thing or more that happens.

    Attributes:
        match: a regular expression, searched for in "METHOD /path?query". The path is quoted as it was sent.
        skip: how many matching requests go well before.
        times: how many then go wrong; `None` for all.
        before: called before the request is handled, in a thread: somebody else acts in between.
        drop: close the connection before the "request" is handled, or after, in place of the "reply".
        status: answer with this status, without handling the request.
        retry_after: seconds, sent in `Retry-After` with that status.
        cut_after: close the connection after so many bytes of the reply's body.
        flip_byte: flip all bits of this byte of the reply's body, counted from 0.
        bytes_per_second: how fast the reply's body is sent.
    """

    match: str
    skip: int = 0
    times: int | None = 1
    before: Callable[[], object] | None = None
    drop: Literal["request", "reply"] | None = None
    status: int | None = None
    retry_after: int | None = None
    cut_after: int | None = None
    flip_byte: int | None = None
    bytes_per_second: int | None = None

    def __post_init__(self) -> None:
        effects = (self.before, self.drop, self.status, self.cut_after, self.flip_byte, self.bytes_per_second)
        if all(effect is None for effect in effects):
            raise UsageError("The fault does nothing.", "Give before, drop, status, cut_after or another effect.")
        try:
            re.compile(self.match)
        except re.error as error:
            raise UsageError(f"{self.match!r} is no regular expression: {error}.") from error


@dataclass(frozen=True)
class Served:
    """A request that came in.

    Attributes:
        method: such as GET.
        path: with query, quoted as it was sent.
        status: of the reply; `None` where no reply was sent.
        received: bytes of the request's body that were read.
        sent: bytes of the reply's body that were sent.
        authorized: whether there was an `Authorization` header; never what was in it.
        fault: what went wrong on purpose.
    """

    method: str
    path: str
    status: int | None
    received: int
    sent: int
    authorized: bool
    fault: Fault | None


class Faults:
    """The faults that are in force. May be used from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._matched: list[tuple[Fault, list[int]]] = []

    def add(self, fault: Fault) -> None:
        """Let a fault happen from now on; `skip` and `times` count from here."""
        with self._lock:
            self._matched.append((fault, [0]))

    def clear(self) -> None:
        """Let all go well from now on."""
        with self._lock:
            self._matched.clear()

    def due(self, line: str) -> Fault | None:
        """Return what happens to a request, "METHOD /path?query". All faults count it; the first that is due acts."""
        due = None
        with self._lock:
            for fault, count in self._matched:
                if re.search(fault.match, line):
                    turn = count[0] - fault.skip
                    count[0] += 1
                    if due is None and turn >= 0 and (fault.times is None or turn < fault.times):
                        due = fault
        return due


class Log:
    """The requests that were served, in the order in which they ended."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._served: list[Served] = []

    def add(self, served: Served) -> None:
        """Note a request."""
        with self._lock:
            self._served.append(served)

    def all(self) -> tuple[Served, ...]:
        """Return all requests so far."""
        with self._lock:
            return tuple(self._served)

    def clear(self) -> None:
        """Forget them."""
        with self._lock:
            self._served.clear()
