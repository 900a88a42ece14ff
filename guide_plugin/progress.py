"""Progress on the terminal: a live bar where there is one, a line now and then where there is none."""

from __future__ import annotations

import time
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from guide_plugin.operator import Losses
from guide_plugin.standard_output import kept_for_the_result

REFRESH = 0.25


class Lines:
    """A `Display` on standard error; while it is in use, standard output is kept for the result."""

    def __init__(self) -> None:
        self.standard_output = kept_for_the_result()
        self.console = Console(stderr=True, highlight=False)
        self.progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[loss]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=self.console,
            transient=True,
        )
        self.task: TaskID | None = None
        self.doing = ""
        self.shown = 0.0
        self.begun = 0.0
        self.first = 0

    def __enter__(self) -> Self:
        self.standard_output.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()
        self.standard_output.__exit__(None, None, None)

    def note(self, text: str) -> None:
        """Print one line."""
        self.console.print(text, soft_wrap=True)

    def stage(self, text: str) -> None:
        """Say what is being done now; the steps from here on are its."""
        self.stop()
        if self.task is not None:
            self.progress.remove_task(self.task)
        self.task, self.doing = None, text
        self.note(f"{text} …")

    def stop(self) -> None:
        """Take the live bar off the screen."""
        if self.progress.live.is_started:
            self.progress.stop()

    def step(self, step: int, steps: int, losses: Losses) -> None:
        """Show a step, at most four times a second; reading the losses waits for the device."""
        now = time.monotonic()
        if self.task is None:
            self.begun, self.first = now, step - 1
            self.task = self.progress.add_task(self.doing, total=steps, completed=self.first, loss="")
            if self.console.is_terminal:
                self.progress.start()
        if self.console.is_terminal:
            if now - self.shown >= REFRESH or step == steps:
                self.shown = now
                self.progress.update(self.task, completed=step, loss=_summary(losses))
        elif step == 1 or step == steps or step * 10 // steps != (step - 1) * 10 // steps:
            left = (now - self.begun) / max(1, step - self.first) * (steps - step)
            self.note(", ".join(filter(None, (f"{self.doing} {step}/{steps}", _summary(losses), f"{left:.0f} s left"))))


def _summary(losses: Losses) -> str:
    if "total" not in losses:
        return ""
    total = losses["total"].item()
    groups: dict[str, float] = {}
    for name, value in losses.items():
        group, _, term = name.partition("_")
        if term == "lpips":
            groups[group] = value.item()
    return f"loss {total:.3f}" + (
        f" ({', '.join(f'{name} {value:.3f}' for name, value in groups.items())})" if groups else ""
    )
