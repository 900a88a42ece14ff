"""Every way in which this package says no. Each error is one sentence and one remedy, and has an exit code.

UnlearnError
 ├ UsageError        2  something the caller gave cannot be used
 ├ HubError          2  a model or network cannot be had
 ├ UnsafeCheckpoint  3  a weight file asks for code to be run
 ├ Refused           3  the verdict or a release gate says no
 ├ AdapterError      4  a checkpoint and its adapter disagree
 └ PluginError       –  a plugin failed; a warning unless the plugin is required
"""

from __future__ import annotations


class UnlearnError(Exception):
    """Base of all errors that are told to the user in one sentence.

    Args:
        problem: what is wrong, one sentence.
        remedy: what to do about it, one sentence; may be empty where nothing can be done.
    """

    exit_code = 1

    def __init__(self, problem: str, remedy: str = "") -> None:
        super().__init__(problem, remedy)
        self.problem = problem
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.problem} {self.remedy}".strip()


class UsageError(UnlearnError):
    """Something the caller gave cannot be used: an option, a file, a folder."""

    exit_code = 2


class HubError(UnlearnError):
    """A model or a network's weights cannot be had from where they should be."""

    exit_code = 2


class UnsafeCheckpoint(UnlearnError):
    """A weight file asks for code to be run."""

    exit_code = 3


class Refused(UnlearnError):
    """The verdict, or a release gate, refuses the redacted model; `reasons` names each with its source."""

    exit_code = 3

    def __init__(self, reasons: list[str], remedy: str = "") -> None:
        super().__init__("Refused: " + "; ".join(reasons) + ".", remedy)
        self.reasons = reasons


class AdapterError(UnlearnError):
    """A checkpoint is not what its adapter needs; names adapter, file and tensor."""

    exit_code = 4


class PluginError(UnlearnError):
    """A plugin failed; names it."""


class PluginWarning(UserWarning):
    """A plugin is broken, failed, or costs much; names it."""


class DeprecatedHook(PluginWarning):
    """A plugin uses a hook, or an argument of one, that will go; names it and what to use instead."""


class UncheckedWeights(UserWarning):
    """A network's weights were fetched and there was no hash to hold them against; says which to pin."""
