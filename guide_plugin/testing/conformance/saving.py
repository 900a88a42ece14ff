"""What `save` writes of a model whose weights were changed, and what it leaves alone."""

from __future__ import annotations

from pathlib import Path

import torch

from guide_plugin.adapter import Match, Saved
from guide_plugin.hub.source import pull
from guide_plugin.testing.conformance.bench import Bench, apart, draw, sample
from guide_plugin.testing.conformance.clause import Broken, broken_if, clause
from guide_plugin.testing.conformance.file_kinds import kind_of
from guide_plugin.testing.conformance.students import loads_the_same, training_is_seen

HALF = 1e-2
"""Of the pictures' range: what weights rounded to half precision may change, where a file keeps such ones."""


@clause(
    expected="`save(folder)` writes the model and returns a `Saved` with a tuple of paths and notes in words.",
    matters="What was unlearned is lost with the process otherwise.",
    mend="Return `guide_plugin.Saved((path, …), notes)`.",
    needs=(training_is_seen, loads_the_same),
)
def saves(bench: Bench) -> None:
    saved = bench.rewritten.saved
    broken_if(not isinstance(saved, Saved), f"`save` returned {type(saved).__name__}.")
    paths = isinstance(saved.files, tuple) and saved.files and all(isinstance(path, Path) for path in saved.files)
    broken_if(not paths, f"`files` is {saved.files!r}.")
    notes = isinstance(saved.notes, tuple) and all(isinstance(note, str) for note in saved.notes)
    broken_if(not notes, f"`notes` is {saved.notes!r}.")


@clause(
    expected="`Saved.files` are exactly the files that now lie in the folder, none of them empty.",
    matters="What lies outside is not published, and what is not named is not expected there.",
    mend="Write into `folder` alone, remove temporary files, and name all others.",
    needs=(saves,),
)
def saved_files(bench: Bench) -> None:
    folder, named = bench.rewritten.folder.resolve(), {path.resolve() for path in bench.rewritten.saved.files}
    outside = [path.name for path in named if not path.is_relative_to(folder)]
    broken_if(bool(outside), f"Outside of the folder: {', '.join(outside)}.")
    missing = [path.name for path in named if not path.is_file() or not path.stat().st_size]
    broken_if(bool(missing), f"Missing or empty: {', '.join(missing)}.")
    unnamed = [path.name for path in folder.rglob("*") if path.is_file() and path.resolve() not in named]
    broken_if(bool(unnamed), f"Not named: {', '.join(unnamed)}.")


@clause(
    expected="`save` leaves the files that the model was loaded from as they are.",
    matters="The original is what every later audit compares with.",
    mend="Read the original where it is copied from; open nothing of it for writing.",
    needs=(saves,),
)
def original_untouched(bench: Bench) -> None:
    _ = bench.rewritten
    changed = [file for file, digest in bench.digests.items() if bench.digest(file) != digest]
    broken_if(bool(changed), f"Changed: {', '.join(changed)}.")


@clause(
    expected="`match` claims the folder that `save` wrote.",
    matters="Whoever downloads the redacted model could not open it.",
    mend="Write what `match` looks for beside the weights, such as `config.json`.",
    needs=(saved_files,),
)
def saved_is_claimed(bench: Bench) -> str:
    return _claim_on_saved(bench).summary


@clause(
    expected="What was saved and loaded again gives the same codes, mean code and pictures, bit for bit.",
    matters="What is published would not be what was audited.",
    mend="Save the weights as they are now, in float32, with every buffer that pictures or codes depend on.",
    needs=(saved_is_claimed,),
)
def saved_and_loaded(bench: Bench) -> None:
    before, folder = bench.rewritten.adapter, bench.rewritten.folder
    after = bench.load_from(folder, _claim_on_saved(bench).files)
    pairs = {
        "pictures": (draw(before, bench.codes).image, draw(after, bench.codes).image),
        "codes": (sample(before), sample(after)),
        "mean code": (before.mean_latent(), after.mean_latent()),
    }
    other = [name for name, (was, became) in pairs.items() if not torch.equal(was, became)]
    broken_if(bool(other), f"Other {' and '.join(other)}.")


@clause(
    expected="Every file that `match` named is written back under its name, as a file of the same kind.",
    matters="The tools that the model came from could not load the redacted one.",
    mend="Write the format that the model came in beside your own, under the names that it came with.",
    needs=(saved_files,),
)
def format_kept(bench: Bench) -> str:
    folder, kinds = bench.rewritten.folder, {}
    for file in bench.claim.files:
        broken_if(not (folder / file).is_file(), f"{file} is missing.")
        kinds[file] = kind_of(folder / file)
        was = kind_of(bench.folder / file)
        broken_if(kinds[file] != was, f"{file} came as {was}, and was written as {kinds[file]}.")
    return ", ".join(f"{file}: {kind}" for file, kind in kinds.items())


@clause(
    expected=f"Loaded from those names, the model draws the new pictures, to {HALF:g} of their range (half precision).",
    matters="A file of the old format with other weights in it is a redaction that most people never see.",
    mend="Write the weights as they are now into every file.",
    needs=(format_kept, saved_and_loaded),
)
def format_loads(bench: Bench) -> None:
    again = bench.load_from(bench.rewritten.folder, bench.claim.files)
    far = apart(draw(again, bench.codes).image, draw(bench.rewritten.adapter, bench.codes).image)
    broken_if(far > HALF, f"They differ by {far:.1g} of the range.")


def _claim_on_saved(bench: Bench) -> Match:
    listing = pull(str(bench.rewritten.folder)).listing
    claim = bench.adapter_class.match(listing)
    if claim is None:
        raise Broken(f"`match` returned None for {', '.join(listing.files)}.")
    return claim


CLAUSES = (
    saves,
    saved_files,
    original_untouched,
    saved_is_claimed,
    saved_and_loaded,
    format_kept,
    format_loads,
)
