"""Which files go into git as they are, and which as a pointer to a large file."""

from __future__ import annotations

import codecs
import fnmatch
from dataclasses import dataclass

LARGEST_REGULAR = 10 << 20
"""Bytes above which a file has to be a large one."""

SAMPLE = 512
"""How many of a file's first bytes are looked at."""

_LARGE = """
7z arrow bin bz2 ckpt ftz gz h5 joblib mlmodel model msgpack npy npz onnx ot parquet pb pickle pkl pt pth rar
safetensors tar tflite tgz wasm xz zip zst
"""

ATTRIBUTES = "".join(f"*.{ending} filter=lfs diff=lfs merge=lfs -text\n" for ending in _LARGE.split()).encode()
"""The `.gitattributes` of a new repository."""


@dataclass(frozen=True)
class UploadRules:
    """What a repository's `.gitattributes` says, as pairs of a pattern and whether it means large files."""

    patterns: tuple[tuple[str, bool], ...]

    @classmethod
    def parse(cls, attributes: bytes) -> UploadRules:
        """Read a `.gitattributes` file; what it does not say about large files is left out."""
        patterns = []
        for line in attributes.decode("utf-8", "replace").splitlines():
            words = line.split()
            if not words or words[0].startswith("#"):
                continue
            for word in words[1:]:
                if word in ("filter=lfs", "-filter", "!filter"):
                    patterns.append((words[0], word == "filter=lfs"))
        return cls(tuple(patterns))

    def is_large(self, path: str, size: int, sample: bytes) -> bool:
        """Say whether a file is stored as a large one.

        Args:
            path: inside the repository.
            size: in bytes.
            sample: its first bytes; a file that is no UTF-8 text is stored as a large one.
        """
        if size == 0 or path in (".gitattributes", ".gitignore"):
            return False
        if size > LARGEST_REGULAR or _is_binary(sample):
            return True
        named = [large for pattern, large in self.patterns if _matches(pattern, path)]
        return bool(named) and named[-1]


def _is_binary(sample: bytes) -> bool:
    try:
        # The sample may end in the middle of a letter.
        text = codecs.getincrementaldecoder("utf-8")().decode(sample)
    except UnicodeDecodeError:
        return True
    return "\0" in text


def _matches(pattern: str, path: str) -> bool:
    if "/" not in pattern:
        return fnmatch.fnmatchcase(path.rsplit("/", 1)[-1], pattern)
    return fnmatch.fnmatchcase(path, pattern.lstrip("/").replace("**/", "*"))
