"""The operator, as a plugin: its class is imported where it is used, since it needs torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from guide_plugin import hookimpl

if TYPE_CHECKING:
    from guide_plugin import RegisterOperator

    from your_name.unlearning import YourNameOperator


def load() -> type[YourNameOperator]:
    from your_name.unlearning import YourNameOperator

    return YourNameOperator


@hookimpl
def unlearn_register_operators(register: RegisterOperator) -> None:
    register("your-name", load, "the mean person in the subject's place, compared pixel by pixel")
