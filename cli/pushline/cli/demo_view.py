"""What a person sees of the demo: a line for each step, epochs as a bar on a terminal, as lines in a pipe."""

import time
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

import numpy.typing as npt
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
from rich.progress import Progress as Bar
from rich.table import Table

from pushline.cli.demo_figures import Figures
from pushline.cli.terminal import Terminal, plain
from pushline.cli.training import Progress
from pushline.client import Answer

SHADES = " .:-=+*#%@"
BRIGHTEST = 16.0


class DemoView:
    """Silent where the demo prints JSON."""

    def __init__(self, terminal: Terminal, *, silent: bool) -> None:
        self._terminal, self._silent = terminal, silent
        self._since = time.monotonic()

    def title(self, text: str) -> None:
        if not self._silent:
            self._terminal.say(f"\n[bold]{text}[/bold]")

    def say(self, text: str) -> None:
        if not self._silent:
            self._terminal.say(text)

    def start_clock(self) -> None:
        self._since = time.monotonic()

    def step(self, name: str, text: str) -> None:
        seconds = time.monotonic() - self._since
        self.row(f"[green]{name:<10}[/green] [dim]{seconds:5.1f} s[/dim]", plain(text))

    def row(self, name: str, text: str) -> None:
        """Two columns; what does not fit goes on under the second one."""
        if self._silent:
            return
        grid = Table.grid(padding=(0, 2, 0, 0))
        grid.add_column(width=20, no_wrap=True)
        grid.add_column(overflow="fold")
        grid.add_row(f"  {name}", text)
        self._terminal.out.print(grid)

    def epochs(self) -> "Epochs":
        return Epochs(self._terminal, silent=self._silent)

    def prediction(self, answer: Answer, row: npt.NDArray[Any], truth: object) -> None:
        if self._silent:
            return
        for line in draw(row):
            self._terminal.out.print(f"      {line}", markup=False, highlight=False)
        label = answer.label or str(int(answer.y[0].argmax()))
        self.say(f"  It is a [bold]{plain(label)}[/bold] (probability {float(answer.y[0].max()):.4f}; in truth a {truth}),")
        self.say(f"  says commit {answer.commit[:10]}, digest {answer.digest[:12]}, deploy_seq {answer.deploy_seq}.")

    def result(self, told: Figures, seconds: Sequence[float], shas: Sequence[str], wrong: Sequence[str]) -> None:
        self.title("The swap under load")
        for name, text in _rows(told, seconds, shas):
            self.say(f"  {name:<26}{text}")
        verdict = (
            "[bold green]All as promised.[/bold green]"
            if not wrong
            else f"[bold red]Not as promised:[/bold red] {'; '.join(wrong)}."
        )
        self.say(f"\n{verdict}")


class Epochs:
    """The epochs of one training."""

    def __init__(self, terminal: Terminal, *, silent: bool) -> None:
        self._terminal = terminal
        self._lines = not silent and not terminal.out.is_terminal
        columns = (
            TextColumn("  [cyan]training  [/cyan]         "),
            BarColumn(24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[numbers]}"),
        )
        self._bar = Bar(*columns, console=terminal.out, transient=True, disable=silent or self._lines)
        self._task = self._bar.add_task("training", total=None, numbers="starting TensorFlow in the sandbox")
        self._shown = ("", 0)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._bar.stop()

    def show(self, progress: Progress | None) -> None:
        if progress is None or (progress.stage, progress.epoch) == self._shown:
            return
        self._shown = (progress.stage, progress.epoch)
        text = plain(progress.numbers or progress.stage)
        self._bar.update(self._task, completed=progress.epoch, total=progress.epochs or None, numbers=text)
        if self._lines and progress.epoch:
            epoch = f"epoch {progress.epoch}/{progress.epochs or '?'}"
            self._terminal.say(plain(f"  {progress.stage:<10}          {epoch}  {progress.numbers}"))


def draw(row: npt.NDArray[Any]) -> list[str]:
    """An 8 by 8 image in characters; nothing for another shape."""
    if row.size != 64:  # noqa: PLR2004 - the digits' size
        return []
    brightest = float(row.max()) or BRIGHTEST
    return [
        "".join(SHADES[min(len(SHADES) - 1, int(float(pixel) / brightest * (len(SHADES) - 1)))] * 2 for pixel in line).rstrip()
        for line in row.reshape(8, 8)
    ]


def _rows(told: Figures, seconds: Sequence[float], shas: Sequence[str]) -> list[tuple[str, str]]:
    rows = [(f"commit {sha[:10]}", f"live {second:.1f} s after the push") for sha, second in zip(shas, seconds, strict=True)]
    return [
        *rows,
        ("predictions sent", f"{told.sent} ({told.per_second} a second)"),
        ("predictions failed", f"{told.failed}"),
        *((f"answered by {digest[:12]}", str(count)) for digest, count in told.per_digest.items()),
        ("longest gap at the swap", f"{told.longest_gap_ms} ms between answers"),
        ("slowest answer there", f"{told.slowest_ms} ms"),
    ]
