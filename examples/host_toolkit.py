"""Mount identity unlearning in a privacy toolkit that has plugins of its own.

The toolkit keeps its own `PluginManager` and its own hooks. Its plugins may implement ours as well: they are handed
on, so that a release gate of the toolkit is a release gate of ours.
"""

from __future__ import annotations

import pluggy

from guide_plugin import Outcome, PluginHost, Recipe, hookimpl, unlearn

toolkit_spec = pluggy.HookspecMarker("toolkit")
toolkit_impl = pluggy.HookimplMarker("toolkit")


class ToolkitHooks:
    """What this toolkit asks of its plugins."""

    @toolkit_spec(firstresult=True)
    def redact(self, model: str, seed: int) -> Outcome:
        """Return a redacted copy of the model."""


class IdentityUnlearning:
    """Our package as one plugin of the toolkit: these lines are all that mounting takes."""

    def __init__(self, toolkit: pluggy.PluginManager) -> None:
        self.toolkit = toolkit

    @toolkit_impl
    def redact(self, model: str, seed: int) -> Outcome:
        recipe = Recipe.model_validate({"hub": model, "subject": {"seed": seed}})
        return unlearn(recipe, host=PluginHost(also=self.toolkit.get_plugins()))


class FourEyes:
    """A plugin of the toolkit that is a gate of ours too."""

    @hookimpl
    def unlearn_gate(self) -> str:
        return "a second person has not signed the release"


def make_toolkit() -> pluggy.PluginManager:
    """Return the toolkit with its two plugins."""
    toolkit = pluggy.PluginManager("toolkit")
    toolkit.add_hookspecs(ToolkitHooks)
    toolkit.register(IdentityUnlearning(toolkit))
    toolkit.register(FourEyes())
    return toolkit


if __name__ == "__main__":
    outcome = make_toolkit().hook.redact(model="examples/models/synthetic-faces", seed=3)
    print(outcome.model, *outcome.refusals, sep="\n")
