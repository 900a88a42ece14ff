"""Whether an adapter is imported and matches a model without torch: found out in a process of its own, where torch
cannot be had. Run as a program, this file is that process: it reads a question from standard input and prints the
answers, both in JSON.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import traceback
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import reduce
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_loader
from pathlib import Path
from types import ModuleType

from guide_plugin.adapter import Adapter, RepoListing

TIMEOUT = 60


@dataclass(frozen=True)
class Answer:
    """What became of one call.

    Attributes:
        asked: where torch was imported, "FILE, line N"; empty where it was not.
        error: the exception in words; empty where there was none.
    """

    asked: str = ""
    error: str = ""

    @property
    def found(self) -> str:
        """What is wrong, in a sentence; empty where nothing is."""
        return f"torch is imported in {self.asked}." if self.asked else self.error


class NoTorch(MetaPathFinder, Loader):
    """Stands in torch's place: it can be found, as by those who only ask whether it is there, but not imported."""

    asked = ""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return spec_from_loader(fullname, self) if fullname == "torch" else None

    def exec_module(self, module: ModuleType) -> None:
        stack = [frame for frame in traceback.extract_stack() if "importlib" not in frame.filename]
        importer = next(frame for frame in reversed(stack) if frame.filename != __file__)
        self.asked = f"{Path(importer.filename).name}, line {importer.lineno}"
        raise ImportError("torch is not to be had here")


def ask(adapter_class: type[Adapter], listing: RepoListing) -> dict[str, Answer]:
    """Import an adapter's class and have it match a model in a process without torch.

    Returns:
        by call: "import", and, where that went well, "match".
    """
    question = {
        "module": adapter_class.__module__,
        "qualname": adapter_class.__qualname__,
        "listing": {**asdict(listing), "folder": str(listing.folder)},
    }
    done = subprocess.run(
        [sys.executable, "-m", __name__],
        input=json.dumps(question),
        env={**os.environ, "PYTHONPATH": os.pathsep.join(folder or str(Path.cwd()) for folder in sys.path)},
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["nothing was said"])[-1]
        return {"import": Answer(error=f"The process ended with {done.returncode}: {last}")}
    return {call: Answer(**answer) for call, answer in json.loads(done.stdout.splitlines()[-1]).items()}


def main() -> None:
    question = json.load(sys.stdin)
    guard = NoTorch()
    sys.meta_path.insert(0, guard)
    answers: dict[str, Answer] = {}
    try:
        module = importlib.import_module(question["module"])
        cls = reduce(getattr, question["qualname"].split("."), module)
        answers["import"] = Answer(guard.asked)
    except Exception as error:
        answers["import"] = Answer(guard.asked, f"{type(error).__name__}: {error}")
    else:
        guard.asked = ""
        listing = question["listing"]
        try:
            cls.match(RepoListing(listing["files"], listing["documents"], Path(listing["folder"])))
            answers["match"] = Answer(guard.asked)
        except Exception as error:
            answers["match"] = Answer(guard.asked, f"{type(error).__name__}: {error}")
    print(json.dumps({call: asdict(answer) for call, answer in answers.items()}))


if __name__ == "__main__":
    main()
