"""`pushline logs`: what a training says, while it runs and afterwards."""

import time
from dataclasses import asdict
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from pushline.cli.exits import Exit, Said
from pushline.cli.line_of_sight import OpenLine, line_in_sight
from pushline.cli.options import Json, LineOption
from pushline.cli.runs import STYLES, RunView, view_run
from pushline.cli.targets import model_of
from pushline.cli.terminal import Terminal, plain, terminal_of, visible
from pushline.cli.training import Training, newest_training
from pushline.line.ledger import Ledger, Run
from pushline.objects.store import StoreError

LOOK_SECONDS = 0.3
SHORTEST_PREFIX = 4


def logs(
    context: typer.Context,
    *,
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run id or commit SHA; a prefix does.")],
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the run ends; shows epochs as a bar.")] = False,
    line: LineOption = None,
    as_json: Json = False,
) -> None:
    """Show what a run's training script printed, and how far it is. With --json a line each time something changed."""
    terminal = terminal_of(context)
    with line_in_sight(terminal, line) as seen:
        with seen.tail.read() as ledger:
            run_id = find_run(ledger, run).run_id
        try:
            _json(terminal, seen, run_id, follow=follow) if as_json else _text(terminal, seen, run_id, follow=follow)
        except StoreError as error:
            raise Said(f"The store does not answer: {error}.", Exit.UNREACHABLE) from None


def find_run(ledger: Ledger, prefix: str, model: str = "") -> Run:
    """By prefix of run id or commit SHA; of several runs of one commit the newest. Raises Said."""
    if len(prefix) < SHORTEST_PREFIX:
        raise Said(f"{prefix!r} is too short: give at least {SHORTEST_PREFIX} characters.", Exit.USAGE)
    if model:
        model_of(ledger, model)
    fitting = [run for run in ledger.runs.values() if run.run_id.startswith(prefix) or run.commit.sha.startswith(prefix)]
    found = [run for run in fitting if model in {"", run.model}]
    if not found and fitting:
        raise Said(f"{prefix!r} is no run or commit of {model}; it is one of {fitting[0].model}.", Exit.NOT_FOUND)
    if not found:
        raise Said(f"No run or commit starts with {prefix!r}; `pushline runs` lists them.", Exit.NOT_FOUND)
    if len({(run.model, run.commit.sha) for run in found}) > 1:
        names = ", ".join(f"{run.run_id} ({run.commit.sha[:10]} of {run.model})" for run in found[:5])
        raise Said(f"{prefix!r} fits several runs: {names}.", Exit.USAGE)
    return max(found, key=lambda run: run.rank)


def _view(seen: OpenLine, run_id: str) -> RunView:
    with seen.tail.read() as ledger:
        return view_run(ledger.runs[run_id])


def _training(seen: OpenLine, view: RunView) -> Training | None:
    return newest_training(seen.store, view.model, view.run_id)


def _json(terminal: Terminal, seen: OpenLine, run_id: str, *, follow: bool) -> None:
    told = None
    while True:
        view = _view(seen, run_id)
        training = _training(seen, view)
        progress = training.progress() if training else None
        log = training.log() if training else ""
        now = {"run": asdict(view), "progress": progress.plain if progress else None, "log": log}
        if now != told:
            terminal.json(now)
            told = now
        if not follow or view.outcome:
            return
        time.sleep(LOOK_SECONDS)


def _text(terminal: Terminal, seen: OpenLine, run_id: str, *, follow: bool) -> None:
    view = _view(seen, run_id)
    terminal.say(f"[dim]{plain(view.model)} {plain(view.commit[:10])}  run {view.run_id}[/dim]")
    shown = LogText(terminal)
    with _bar(terminal) as bar:
        task = bar.add_task("training", total=None, visible=follow, numbers="waiting to start")
        while True:
            view = _view(seen, run_id)
            training = _training(seen, view)
            if training is not None:
                shown.show(training.log())
                if (progress := training.progress()) is not None:
                    text = plain(progress.numbers or progress.stage)
                    bar.update(task, completed=progress.epoch, total=progress.epochs or None, numbers=text)
            if not follow or view.outcome:
                break
            time.sleep(LOOK_SECONDS)
    style = STYLES.get(view.stage, "cyan")
    terminal.say(f"[{style}]{view.stage}[/{style}] {plain(view.sentence.strip())}")


def _bar(terminal: Terminal) -> Progress:
    columns = (
        TextColumn("[cyan]epochs"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[numbers]}"),
    )
    return Progress(*columns, console=terminal.out, disable=not terminal.out.is_terminal)


class LogText:
    """Prints what is new in a text that grows and is read whole each time."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._shown = ""

    def show(self, text: str) -> None:
        whole = text[: text.rfind("\n") + 1]
        new = whole.removeprefix(self._shown) if whole.startswith(self._shown) else whole
        self._shown = whole
        if new:
            self._terminal.out.print(visible(new.rstrip("\n")), highlight=False, markup=False, soft_wrap=True)
