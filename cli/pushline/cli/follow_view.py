"""A followed run as a person sees it, a line a step with epochs as a bar, and as machines read it, a JSON line a change."""

import time
from contextlib import ExitStack

from rich.table import Table

from pushline.cli.demo_view import DemoView, Epochs
from pushline.cli.exits import Exit, Said
from pushline.cli.follow import Ending, Look, Patience, Show, await_run, follow, plain_look
from pushline.cli.line_of_sight import OpenLine
from pushline.cli.logs import LogText
from pushline.cli.runs import STYLES
from pushline.cli.terminal import Terminal, plain
from pushline.cli.training import Training
from pushline.objects.store import StoreError

NAME_WIDTH = 10


class TextShow:
    """Steps as they happen; what was there before has no time."""

    def __init__(self, terminal: Terminal, *, log: bool) -> None:
        self._terminal, self._log = terminal, log
        self._text = LogText(terminal)
        self._since = time.monotonic()
        self._steps: dict[str, str] = {}
        self._begun, self._trains = False, True
        self._open = ExitStack()
        self._epochs: Epochs | None = None
        self._notes: set[str] = set()

    def look(self, look: Look) -> None:
        if not self._begun:
            self._terminal.say(f"[dim]{plain(look.view.model)} {plain(look.view.commit[:10])}  run {look.view.run_id}[/dim]")
        if look.view.stage != "training":
            self._trains = False
            self.close()
        for name, sentence in look.steps:
            if self._steps.get(name) != sentence:
                self._step(name, sentence)
        if look.trouble:
            self.note(look.trouble)
        self._begun = True

    def training(self, training: Training | None) -> None:
        """Show how far it is and, where it is wanted, what the script prints; the last words too, after its end."""
        if training is None:
            return
        try:
            if self._trains:
                self._bar().show(training.progress())
            if self._log:
                self._text.show(training.log())
        except StoreError as error:
            self.note(f"the store does not answer: {error}")

    def note(self, sentence: str) -> None:
        if sentence not in self._notes:
            self._notes.add(sentence)
            self._terminal.warn(f"pushline: {sentence}")

    def close(self) -> None:
        self._open.close()
        self._epochs = None

    def _bar(self) -> Epochs:
        if self._epochs is None:
            lines_too = not self._log or self._terminal.out.is_terminal
            self._epochs = self._open.enter_context(DemoView(self._terminal, silent=not lines_too).epochs())
        return self._epochs

    def _step(self, name: str, sentence: str) -> None:
        self._steps[name] = sentence
        seconds = f"{time.monotonic() - self._since:6.1f} s" if self._begun else ""
        style = STYLES.get(sentence.partition(":")[0], "green")
        grid = Table.grid(padding=(0, 2, 0, 0))
        grid.add_column(width=NAME_WIDTH, no_wrap=True)
        grid.add_column(width=8, no_wrap=True)
        grid.add_column(overflow="fold")
        grid.add_row(f"[{style}]{name}[/{style}]", f"[dim]{seconds}[/dim]", plain(sentence))
        self._terminal.out.print(grid)


class JsonShow:
    """A line each time something changed; the last one says how it ended."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal

    def look(self, look: Look) -> None:
        self._terminal.json(plain_look(look))

    def training(self, training: Training | None) -> None: ...

    def note(self, sentence: str) -> None: ...

    def close(self) -> None: ...


def make_show(terminal: Terminal, *, log: bool, as_json: bool) -> Show:
    return JsonShow(terminal) if as_json else TextShow(terminal, log=log)


def follow_to_the_end(terminal: Terminal, seen: OpenLine, named: tuple[str, str], patience: Patience, show: Show) -> None:
    """Follow the run named by (id or SHA, model). Raises Said unless it is live in the end."""
    ended = follow(seen, await_run(seen, *named, patience, show), patience, show)
    tell(terminal, ended, as_json=isinstance(show, JsonShow))


def tell(terminal: Terminal, ended: Ending, *, as_json: bool) -> None:
    """Raises Said where the commit is not live."""
    if ended.code != Exit.OK:
        raise Said(ended.sentence, ended.code)
    if not as_json:
        terminal.say(f"[bold green]live[/bold green] {plain(ended.sentence)}")
