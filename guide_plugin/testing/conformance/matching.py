"""An adapter's claim on models: on its own, on nobody else's, and without torch."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from guide_plugin.errors import UnlearnError
from guide_plugin.testing.conformance.bench import Bench
from guide_plugin.testing.conformance.clause import NotHere, broken_if, clause
from guide_plugin.testing.conformance.declaration import complete, name
from guide_plugin.testing.conformance.foreign import foreign_listings


@clause(
    expected="Importing the adapter's class imports no torch.",
    matters="Every command lists the plugins; with torch each of them, even `unlearn --help`, waits for seconds.",
    mend="Import torch and the network inside `load` and the methods, and under `TYPE_CHECKING` for annotations.",
    needs=(complete,),
)
def import_without_torch(bench: Bench) -> None:
    cls = bench.adapter_class
    if cls.__module__ == "__main__" or "<locals>" in cls.__qualname__:
        raise NotHere("the class does not stand in a module that another process could import")
    answer = bench.without_torch["import"]
    broken_if(bool(answer.found), answer.found)


@clause(
    expected="`match` claims the model that the adapter is checked with.",
    matters="A model that nobody claims is refused as unknown.",
    mend="Look in `match` at what its message lists, and return a `Match` with the files that `load` reads.",
    needs=(complete, name),
)
def match_claims(bench: Bench) -> str:
    return bench.claim.summary


@clause(
    expected="`match` names files of the model, each once, as POSIX paths, and says in one line what the model is.",
    matters="Just these files are fetched from the Hub and handed to `load`; the line is shown to people.",
    mend="Return `Match((name, …), summary)` with keys of `listing.files`.",
    needs=(match_claims,),
)
def match_files(bench: Bench) -> None:
    files, summary = bench.claim.files, bench.claim.summary
    broken_if(not isinstance(files, tuple) or not files, f"`files` is {files!r}.")
    broken_if(len(set(files)) < len(files), f"`files` names a file twice: {files!r}.")
    unknown = [file for file in files if file not in bench.listing.files]
    broken_if(bool(unknown), f"`files` names {unknown}, the model has {list(bench.listing.files)}.")
    is_line = isinstance(summary, str) and len(summary.splitlines()) == 1
    broken_if(not is_line, f"`summary` is {summary!r}.")


@clause(
    expected="`match` answers without torch.",
    matters="Every adapter is asked about every model, and the wrong ones should cost nothing.",
    mend="Decide from names, sizes and `listing.documents`; look into a weight file without torch, or not at all.",
    needs=(import_without_torch, match_claims),
)
def match_without_torch(bench: Bench) -> None:
    answer = bench.without_torch["match"]
    broken_if(bool(answer.found), answer.found)


@clause(
    expected="`match` answers, if only with None, where no file is here yet: `listing.folder` is None.",
    matters="A model on the Hub is matched before anything large is fetched.",
    mend="Return None where names and documents say too little and `listing.folder` is None.",
    needs=(match_claims,),
)
def match_on_the_hub(bench: Bench) -> None:
    claim = bench.adapter_class.match(replace(bench.listing, folder=None))
    broken_if(claim is not None and claim != bench.claim, f"`match` then returned {claim!r}.")


@clause(
    expected="`match` says None to folders of others: empty ones, texts, other families' models, other documents.",
    matters="A model that several adapters claim is refused, so a greedy adapter takes other people's models away.",
    mend="Claim by what only your models have, such as your own `model_type` in `config.json`, not by file names.",
    needs=(match_on_the_hub,),
)
def match_foreign(bench: Bench) -> None:
    cls, claim = bench.adapter_class, bench.claim
    listings = list(foreign_listings(bench.new_folder("foreign"), cls.name))
    if any(file in bench.listing.documents for file in claim.files):
        other = {file: {"model_type": "somebody-elses"} for file in bench.listing.documents}
        hub = replace(bench.listing, documents=other, folder=None)
        listings.append(("a model with files of the same names that says it is something else", hub))
    for what, listing in listings:
        with suppress(UnlearnError):
            answer = cls.match(listing)
            broken_if(answer is not None, f"`match` claims {what}: {answer!r}.")


CLAUSES = (import_without_torch, match_claims, match_files, match_without_torch, match_on_the_hub, match_foreign)
