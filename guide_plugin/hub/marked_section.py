"""Our section in somebody else's Markdown: found by two comments, replaced or added, all other text as it was."""

from __future__ import annotations

import io

from markdown_it import MarkdownIt
from markdown_it.token import Token

BEGIN, END = "<!-- unlearn:begin -->", "<!-- unlearn:end -->"

CLOSERS = ("-->", "</pre>", "</script>", "</style>", "</textarea>", "?>", "]]>", ">")
"""What ends the HTML blocks that go on over blank lines (CommonMark 0.31, section 4.6)."""


def with_section(text: str, body: str, newline: str = "\n") -> str:
    """Return the text with `body` between the two comments, in place of the section that was there, else at the end.

    Comments inside code do not count, nor does one without the other. Where the text leaves a block open that would
    swallow the section, such as a code block, that is closed first.

    Args:
        body: Markdown, its lines ended by "\\n".
        newline: what ends the lines that are added.
    """
    lines = list(io.StringIO(text, newline=""))
    section = [line + newline for line in ("", BEGIN, "", *body.strip("\n").split("\n"), "", END)]
    spans = _sections(text)
    if spans:
        place = spans[-1][0]
        before = _without(lines[:place], spans[:-1])
        after = lines[spans[-1][1] :]
    else:
        before, after = [*lines, *_closing(text, newline)], []
    while before and not before[-1].strip("\r\n"):
        before.pop()
    if before and not before[-1].endswith(("\n", "\r")):
        before[-1] += newline
    return "".join([*(before or [newline]), *section, *after])


def _sections(text: str) -> list[tuple[int, int]]:
    """Return the lines that each section takes, from the first to the one after the last."""
    found, begun = [], None
    for token in _blocks(text):
        if _is(token, BEGIN) and token.map:
            begun = token.map[0]
        elif _is(token, END) and token.map and begun is not None:
            found.append((begun, token.map[1]))
            begun = None
    return found


def _closing(text: str, newline: str) -> list[str]:
    """Return the lines that close what the text leaves open."""
    last = next((token for token in reversed(_blocks(text)) if token.level == 0), None)
    for closer in ("", last.markup if last and last.type == "fence" else "", *CLOSERS):
        lines = [newline, closer + newline] if closer else []
        blocks = _blocks("".join([text, *lines, "\n\n", BEGIN]))
        if blocks and _is(blocks[-1], BEGIN):
            return lines
    return []


def _blocks(text: str) -> list[Token]:
    markdown = MarkdownIt("commonmark")
    markdown.core.ruler.enableOnly(["normalize", "block"])
    return markdown.parse(text)


def _is(token: Token, comment: str) -> bool:
    return token.type == "html_block" and token.level == 0 and token.content.strip() == comment


def _without(lines: list[str], spans: list[tuple[int, int]]) -> list[str]:
    return [line for i, line in enumerate(lines) if not any(first <= i < last for first, last in spans)]
