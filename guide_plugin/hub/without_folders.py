"""Settings as they may be published: of every path, the file's name is left."""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import Any

SEPARATOR = re.compile(r"[/\\]")


def without_folders(value: Any) -> Any:
    """Return a setting, or any nest of them, in which no folder is named.

    A string with a separator in it counts as a path, in "NAME:FILE" what follows the colon, whatever system it comes
    from. A path that ends in a separator names a folder alone and becomes empty.
    """
    if isinstance(value, dict):
        return {_file_name(str(key)): without_folders(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [without_folders(item) for item in value]
    if isinstance(value, str | PurePath):
        return _file_name(str(value))
    return value


def _file_name(text: str) -> str:
    if not SEPARATOR.search(text):
        return text
    name, colon, path = text.partition(":")
    is_drive = len(name) == 1
    if not colon or is_drive or SEPARATOR.search(name):
        name, colon, path = "", "", text
    return name + colon + SEPARATOR.split(path)[-1]
