"""Files that are not what they should be: one of our errors, never a bug's traceback, and nothing in them runs."""

from __future__ import annotations

import io
import os
import pickle
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import torch

from guide_plugin.errors import UnlearnError
from guide_plugin.hub.source import pull
from guide_plugin.testing.conformance.bench import Bench, draw
from guide_plugin.testing.conformance.clause import Broken, broken_if, clause
from guide_plugin.testing.conformance.file_kinds import kind_of, something_else, torch_file
from guide_plugin.testing.conformance.matching import match_foreign
from guide_plugin.testing.conformance.students import loads_the_same

ERROR_PAGE = b"<!DOCTYPE html>\n<html><head><title>404 Not Found</title></head></html>\n"
MOST_NOISE = 1 << 20

EXPECTED = "raises an `AdapterError`, or another error of this package; so does `match`, or it says None."
MEND = "Catch what your reader raises, and raise `AdapterError(problem, remedy)` with the file's name from it."

Damage = Callable[[Path], Iterator[bytes]]
"""Yields what stands in a file's place, given the whole one."""


@clause(
    expected=f"Of an empty file, `load` {EXPECTED}",
    matters="A full disk leaves such files; a user should read one sentence that names the file.",
    mend=MEND,
    needs=(match_foreign, loads_the_same),
)
def empty_file(bench: Bench) -> None:
    _require_errors(bench, "empty", lambda path: iter([b""]))


@clause(
    expected=f"Of a file that was cut short, `load` {EXPECTED}",
    matters="A download that broke off leaves such files; a user should read one sentence that names the file.",
    mend=MEND,
    needs=(match_foreign, loads_the_same),
)
def truncated_file(bench: Bench) -> None:
    def cut(path: Path) -> Iterator[bytes]:
        whole = path.read_bytes()
        yield from (whole[:length] for length in (len(whole) // 10, len(whole) // 2, len(whole) - 1))

    _require_errors(bench, "cut short", cut)


@clause(
    expected=f"Of a file of something else (a web page, noise), `load` {EXPECTED}",
    matters="Proxies and full quotas answer with web pages, which are saved under the model's name.",
    mend=MEND,
    needs=(match_foreign, loads_the_same),
)
def wrong_file(bench: Bench) -> None:
    def wrong(path: Path) -> Iterator[bytes]:
        yield ERROR_PAGE
        yield np.random.default_rng(0).bytes(min(path.stat().st_size, MOST_NOISE))

    _require_errors(bench, "of something else", wrong)


@clause(
    expected=f"Of a sound file of its kind with something else in it, `load` {EXPECTED}",
    matters="It is the commonest mistake of all: somebody names another model's file.",
    mend="Compare names and shapes of tensors, and keys, with what you need, and raise `AdapterError` with the first.",
    needs=(match_foreign, loads_the_same),
)
def other_content(bench: Bench) -> None:
    def other(path: Path) -> Iterator[bytes]:
        content = something_else(kind_of(path))
        yield from [] if content is None else [content]

    _require_errors(bench, "sound, but of another model,", other)


@clause(
    expected="Reading a weight file runs nothing that stands in it.",
    matters="A pickle is a program: whoever opens a stranger's model would run the stranger's code.",
    mend="Read with `torch.load(…, weights_only=True)`, `numpy.load(…, allow_pickle=False)`, or safetensors.",
    needs=(match_foreign, loads_the_same),
)
def runs_nothing(bench: Bench) -> None:
    sentinel = bench.place / "a-checkpoint-made-this"
    files = [file for file in bench.claim.files if kind_of(bench.folder / file) != "JSON"]
    for file in files:
        for content in _programs(str(sentinel)):
            with _replaced(bench, file, content) as folder:
                with suppress(Exception):
                    bench.adapter_class.match(pull(str(folder)).listing)
                with suppress(Exception):
                    bench.load_from(folder, bench.claim.files)
            broken_if(sentinel.exists(), f"A program that stood in {file} was run.")


class Program:
    """What a pickle of this would do when it is opened: make a folder."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, (self.folder,)


def _programs(sentinel: str) -> Iterator[bytes]:
    program = Program(sentinel)
    yield pickle.dumps(program, protocol=2)
    yield torch_file(program)
    yield torch_file(program, as_zip=False)
    array = io.BytesIO()
    np.save(array, np.array([program], dtype=object), allow_pickle=True)
    yield array.getvalue()


def _require_errors(bench: Bench, what: str, damage: Damage) -> None:
    for file in bench.claim.files:
        for content in damage(bench.folder / file):
            with _replaced(bench, file, content) as folder:
                _require_error(bench, f"{file} {what}", folder)


def _require_error(bench: Bench, what: str, folder: Path) -> None:
    """Have a damaged model matched and loaded: each an error of ours, or as if nothing were wrong."""
    try:
        with suppress(UnlearnError):
            bench.adapter_class.match(pull(str(folder)).listing)
        with suppress(UnlearnError):
            image = draw(bench.load_from(folder, bench.claim.files), bench.codes).image
            broken_if(not torch.equal(image, bench.drawn.image), f"With {what} another model was loaded.")
    except Broken:
        raise
    except Exception as error:
        raise Broken(f"With {what} there was a {type(error).__name__}: {error}") from error


@contextmanager
def _replaced(bench: Bench, file: str, content: bytes) -> Iterator[Path]:
    """Give a copy of the model in which one file is another."""
    path, aside = bench.copy / file, bench.place / "aside"
    path.rename(aside)
    try:
        path.write_bytes(content)
        yield bench.copy
    finally:
        aside.replace(path)


CLAUSES = (empty_file, truncated_file, wrong_file, other_content, runs_nothing)
