"""Unlearn many people, one after the other, and lay what was measured side by side.

`python -m examples.synthetic_faces.bench --seeds 0:20` takes each of twenty people out of the demo model, and writes
into its folder a run folder for each, `bench.txt` and `bench.json` with the figures, and `bench.png` with the faces of
those who were unlearned. `--photos 1000:1010` does the same with photos of people whom the model never saw. The same
command again goes on where a stopped bench was.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import shutil
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from guide_plugin import PluginHost, Recipe, UnlearnError, UsageError, pipeline
from guide_plugin.assessment import hashes
from guide_plugin.operator import Losses
from guide_plugin.plan import Plan, Silent, prepare
from guide_plugin.report.contact_sheet import png
from guide_plugin.report.schema import Report
from guide_plugin.run_dir import RunDir
from guide_plugin.training import Interrupted
from guide_plugin.whole_files import json_bytes, write_whole

from .bench_figures import Figures, as_json, figures_of, table
from .bench_picture import picture
from .person import write_pictures

DEMO = Path(__file__).parent.parent / "models" / "synthetic-faces"
PICTURES = 5
"""Of every photographed person: those that are known, and the hold-outs."""
RECORD = "bench.json"


@dataclass(frozen=True)
class Person:
    """Who is unlearned: a name for rows and run folders, and the subject as a recipe names it."""

    name: str
    subject: dict[str, Any]


class Telling:
    """A display that prints the stages of one person's run, since several may run side by side."""

    def __init__(self, name: str) -> None:
        self.name = name

    def stage(self, text: str) -> None:
        print(f"{self.name}: {text} …", file=sys.stderr, flush=True)

    def step(self, step: int, steps: int, losses: Losses) -> None: ...


def drawn_people(seeds: range) -> list[Person]:
    """Return the people whom the generator draws from these seeds."""
    return [Person(f"seed-{seed}", {"seed": seed}) for seed in seeds]


def photographed_people(seeds: range, known: int, folder: Path) -> list[Person]:
    """Return people whom the generator never saw, by pictures in `folder`, made where they are missing.

    Args:
        known: how many of a person's five pictures are there to unlearn; the others are hold-outs.
    """
    people = []
    for seed in seeds:
        place = folder / str(seed)
        files = [place / f"{i}.png" for i in range(PICTURES)]
        if not all(file.is_file() for file in files):
            shutil.rmtree(place, ignore_errors=True)
            write_pictures(place, seed, PICTURES)
        subject = {"faces": files[:known], "holdout_faces": files[known:]}
        people.append(Person(f"person-{seed}", subject))
    return people


def bench(recipe: Recipe, people: list[Person], folder: Path, jobs: int = 1) -> list[Figures]:
    """Unlearn every person by the same recipe, each in a run of its own; write table and picture after each.

    Args:
        recipe: one run; whom it names does not count.
        folder: holds the runs; what is done there already is not done again.
        jobs: how many runs are side by side, each in a process of its own with one thread.

    Returns:
        The figures of all people, in their order.

    Raises:
        UsageError: the folder holds a bench of another recipe or model.
    """
    plan = prepare(recipe, PluginHost(), Silent())  # what is wrong with the recipe is said here, before any run
    folder.mkdir(parents=True, exist_ok=True)
    asked = {
        "recipe": recipe.model_dump(mode="json", exclude_unset=True),
        "files": hashes(plan.source.folder, (*plan.claim.files, *plan.source.companions)),
    }
    _refuse_another(folder / RECORD, asked)
    done: dict[str, Figures] = {}
    for name, figures in _carried_out(recipe, people, folder, jobs):
        done[name] = figures
        rows = [done[person.name] for person in people if person.name in done]
        write_whole(folder / RECORD, json_bytes({**asked, **as_json(rows)}))
        write_whole(folder / "bench.txt", table(rows).encode())
    _draw(plan, done, people, folder)
    return [done[person.name] for person in people]


def _refuse_another(record: Path, asked: dict[str, Any]) -> None:
    if not record.is_file():
        return
    before = json.loads(record.read_text("utf-8"))
    if any(before[key] != value for key, value in asked.items()):
        raise UsageError(f"{record} is of another recipe or model.", "Choose another --output.")


def _carried_out(recipe: Recipe, people: list[Person], folder: Path, jobs: int) -> Iterator[tuple[str, Figures]]:
    if jobs == 1:
        for person in people:
            yield person.name, run(recipe, person, folder)
        return
    os.environ["OMP_NUM_THREADS"] = "1"  # read by the processes that are started below
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, context, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        running = {pool.submit(run, recipe, person, folder): person.name for person in people}
        for finished in as_completed(running):
            yield running[finished], finished.result()


def run(recipe: Recipe, person: Person, folder: Path) -> Figures:
    """Unlearn one person, or go on with their run, or read what it came to; a run that cannot be is a row too."""
    own, name = RunDir(folder / person.name), person.name.replace("-", " ")
    if own.report.is_file():
        return figures_of(name, Report.model_validate_json(own.report.read_bytes()))
    try:
        if own.recipe.is_file() and own.subject.is_file():
            return figures_of(name, pipeline.resume(own.folder, display=Telling(name)).report)
        shutil.rmtree(own.folder, ignore_errors=True)  # stopped before there was anything to go on with
        said = recipe.model_dump(exclude_unset=True)
        asked = Recipe.model_validate({**said, "subject": person.subject})
        return figures_of(name, pipeline.unlearn(asked, own.folder, display=Telling(name)).report)
    except Interrupted:
        raise
    except UnlearnError as error:
        return Figures(name, "not run", (error.problem,))


def _draw(plan: Plan, done: dict[str, Figures], people: list[Person], folder: Path) -> None:
    runs = [(RunDir(folder / person.name), done[person.name]) for person in people]
    write_whole(folder / "bench.png", png(picture(plan, [(own, row) for own, row in runs if own.report.is_file()])))


def _range(text: str) -> range:
    first, _, end = text.partition(":")
    try:
        return range(int(first), int(end) if end else int(first) + 1)
    except ValueError:
        raise argparse.ArgumentTypeError("write FIRST:END, such as 0:20, or one number") from None


def _setting(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError("write KEY=VALUE")
    return key, value


def main() -> None:
    """Run the bench that the command line asks for, and print its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    who = parser.add_mutually_exclusive_group()
    who.add_argument("--seeds", type=_range, default=range(20), metavar="FIRST:END", help="people of the generator")
    who.add_argument("--photos", type=_range, metavar="FIRST:END", help="people whom the generator never saw")
    known = range(1, PICTURES)
    parser.add_argument("--known", type=int, default=1, choices=known, help="of a person's photos, those to unlearn")
    parser.add_argument("--hub", default=str(DEMO), help="the model")
    parser.add_argument("--operator", help="the unlearning method, by default that of the recipe")
    parser.add_argument(
        "--set",
        dest="settings",
        type=_setting,
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a setting of the method",
    )
    parser.add_argument("--audit", choices=("quick", "full"), default="quick", help="how much is measured")
    parser.add_argument("--keep-evidence", action="store_true", help="draw what the best search found too")
    parser.add_argument("--jobs", type=int, default=1, help="runs side by side, each with one thread")
    parser.add_argument("--output", type=Path, help="the bench's folder [runs/bench-seeds or runs/bench-photos-KNOWN]")
    options = parser.parse_args()
    method: dict[str, Any] = {"settings": dict(options.settings)}
    if options.operator:
        method["operator"] = options.operator
    audit = {"level": options.audit, "keep_evidence": options.keep_evidence}
    recipe = Recipe.model_validate({"hub": options.hub, "method": method, "audit": audit})
    if options.photos is None:
        folder = options.output or Path("runs") / "bench-seeds"
        people = drawn_people(options.seeds)
    else:
        folder = options.output or Path("runs") / f"bench-photos-{options.known}"
        people = photographed_people(options.photos, options.known, folder / "people")
    try:
        rows = bench(recipe, people, folder, options.jobs)
    except UnlearnError as error:
        sys.exit(f"Error: {error}")
    print(table(rows))
    print(*(folder / name for name in (RECORD, "bench.txt", "bench.png")), sep="\n")


if __name__ == "__main__":
    main()
