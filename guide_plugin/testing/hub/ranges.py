"""Bodies in ranges: what lets a broken download go on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import IO

from starlette.responses import Response, StreamingResponse

from guide_plugin.testing.hub.lfs import PIECE

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


def ranged(method: str, file: IO[bytes], size: int, asked: str | None, headers: dict[str, str]) -> Response:
    """Return a file, or the one range of it that was asked for; closes the file once it is sent.

    Args:
        method: GET, or HEAD for the headers alone.
        file: open for reading.
        size: its size in bytes.
        asked: the `Range` header. One that is no single range of bytes is passed over, as RFC 9110 (14.2) says.
        headers: to send along.
    """
    headers = {**headers, "Accept-Ranges": "bytes"}
    start, stop, status = 0, size, 200
    found = _RANGE.fullmatch(asked) if asked else None
    if found and (found[1] or found[2]):
        if found[1]:
            start, stop = int(found[1]), min(size, int(found[2]) + 1 if found[2] else size)
        else:
            start = max(0, size - int(found[2]))
        if start >= stop:
            file.close()
            return Response(status_code=416, headers={**headers, "Content-Range": f"bytes */{size}"})
        status = 206
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
    headers |= {"Content-Length": str(stop - start), "Content-Type": "application/octet-stream"}
    if method == "HEAD":
        file.close()
        return Response(status_code=status, headers=headers)
    return StreamingResponse(_pieces(file, start, stop), status, headers)


def _pieces(file: IO[bytes], start: int, stop: int) -> Iterator[bytes]:
    with file:
        file.seek(start)
        while start < stop:
            piece = file.read(min(PIECE, stop - start))
            if not piece:
                return
            start += len(piece)
            yield piece
