"""What an adapter's class says of itself, before there is a model."""

from __future__ import annotations

import inspect

from guide_plugin.adapter import API_VERSION, Adapter
from guide_plugin.testing.conformance.bench import Bench
from guide_plugin.testing.conformance.clause import Broken, broken_if, clause
from guide_plugin.vision.crops import FRAMES


@clause(
    expected="The class derives from `guide_plugin.Adapter` and defines all of its abstract methods.",
    matters="Nothing can be loaded with a class that Python refuses to make an object of.",
    mend="Derive from `guide_plugin.Adapter` and define what is missing.",
)
def complete(bench: Bench) -> None:
    cls = bench.adapter_class
    broken_if(not (inspect.isclass(cls) and issubclass(cls, Adapter)), f"{cls!r} is no `Adapter`.")
    missing = ", ".join(sorted(cls.__abstractmethods__))
    broken_if(bool(missing), f"Not defined: {missing}.")


@clause(
    expected="`name` is a word of its own, without white space.",
    matters="The name stands in commands, reports and the plugin list; nobody could ask for the adapter without it.",
    mend='Give the class an attribute such as `name = "dcgan"`.',
    needs=(complete,),
)
def name(bench: Bench) -> None:
    given = getattr(bench.adapter_class, "name", None)
    broken_if(not isinstance(given, str) or not given or given.split() != [given], f"`name` is {given!r}.")


@clause(
    expected=f"`api_version` is {API_VERSION}, the version of the contract that is checked here.",
    matters="A plugin that speaks another version is disabled when it is loaded.",
    mend=f"Leave `api_version` away, or set it to {API_VERSION} once the adapter keeps that contract.",
    needs=(complete,),
)
def api_version(bench: Bench) -> None:
    given = getattr(bench.adapter_class, "api_version", None)
    broken_if(given != API_VERSION, f"`api_version` is {given!r}.")


@clause(
    expected="`alignment` names the face crop that the generator was trained on.",
    matters="A person's photo is cut out as the training pictures were; cut otherwise, the search finds somebody else.",
    mend=f"Set `alignment`: {', '.join(sorted(FRAMES))} are known; name another crop by a word of its own.",
    needs=(complete,),
)
def alignment(bench: Bench) -> str:
    given = getattr(bench.adapter_class, "alignment", None)
    if not isinstance(given, str) or not given:
        raise Broken(f"`alignment` is {given!r}.")
    if given in FRAMES:
        return given
    return f"{given!r}, a crop that is not known here: people can be named by seed or code, not by photo"


CLAUSES = (complete, name, api_version, alignment)
