"""`pushline why`: why a commit is live, is not, or is not yet."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from pushline.cli.as_of import ledger_as_of
from pushline.cli.exits import Exit, Said
from pushline.cli.find_line import line_file_of
from pushline.cli.line_file import LineFile
from pushline.cli.line_of_sight import open_line
from pushline.cli.logs import SHORTEST_PREFIX
from pushline.cli.options import AsOf, Json, LineOption, OneModel
from pushline.cli.terminal import Terminal, terminal_of
from pushline.cli.why_forge import never_seen
from pushline.cli.why_open import notes_on
from pushline.cli.why_view import as_plain, show
from pushline.line.ledger import Ledger, Run
from pushline.line.why import Answer, why_live, why_run

LIVE = "live"
_NAME = re.compile(r"[0-9a-fA-F-]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Question:
    what: str
    model: str


def why(
    context: typer.Context,
    *,
    what: Annotated[
        str, typer.Argument(metavar="live|SHA|RUN|DIGEST", help="What is live, or a commit, run or digest; a prefix does.")
    ] = LIVE,
    model: OneModel = "",
    as_of: AsOf = "",
    line: LineOption = None,
    as_json: Json = False,
) -> None:
    """Say why a commit is live, is not, or is not yet: one cause, the records behind it, what to do. Exit code 4: never seen."""
    terminal = terminal_of(context)
    question = _question(what, model)
    found, notes = _answer(terminal, question, line, as_of)
    if as_json:
        terminal.json([as_plain(answer, notes if answer is found[0] else ()) for answer in found])
    else:
        show(terminal, found, notes)
    if found[0].cause == "never_seen":
        raise typer.Exit(Exit.NOT_FOUND)


def _question(what: str, model: str) -> Question:
    if what != LIVE and not _NAME.fullmatch(what):
        raise Said(f"{what[:80]!r} is neither `live` nor the beginning of a commit's SHA, a run id or a digest.", Exit.USAGE)
    if len(what) < SHORTEST_PREFIX:
        raise Said(f"{what!r} is too short: give at least {SHORTEST_PREFIX} characters.", Exit.USAGE)
    return Question(what.lower(), model)


def _answer(terminal: Terminal, question: Question, path: Path | None, as_of: str) -> tuple[list[Answer], tuple[str, ...]]:
    """Give the answers, newest run first, and what store and services add to the first of them."""
    line = line_file_of(terminal, path)
    if as_of:
        found = answers(ledger_as_of(terminal, line, as_of), question)
        if not found:
            raise Said(f"No run, commit or digest started with {question.what!r} by then.", Exit.NOT_FOUND)
        return found, ()
    with open_line(line) as seen:
        with seen.tail.read() as ledger:
            found = answers(ledger, question)
        notes = notes_on(found[0], seen.store, line) if found else ()
    return found or [_unknown(terminal, line, question)], notes


def answers(ledger: Ledger, question: Question) -> list[Answer]:
    """Nothing where the line has never seen it. Raises Said."""
    _check_model(ledger, question.model)
    if question.what == LIVE:
        return [why_live(ledger, ledger.models[_one_model(ledger, question.model)])]
    return [why_run(ledger, run) for run in find_runs(ledger, question)]


def find_runs(ledger: Ledger, question: Question) -> list[Run]:
    """A run that is named, then every other one of its commit, or of the commit or digest that is named, newest first.

    Raises Said where several fit.
    """
    runs = sorted(
        (run for run in ledger.runs.values() if question.model in {"", run.model}), key=lambda run: run.rank, reverse=True
    )
    called = [run for run in runs if run.run_id.startswith(question.what)]
    commits = {(run.model, run.commit.sha) for run in (*called, *(run for run in runs if run.commit.sha.startswith(question.what)))}
    digests = {(run.model, _digest(run)) for run in runs if _digest(run).startswith(question.what)}
    if len(called) > 1 or len(commits) + len(digests) > 1:
        told = [
            *(f"{run.model} run {run.run_id[:13]}" for run in called),
            *(f"{model} {name[:13]}" for model, name in commits | digests),
        ]
        raise Said(f"{question.what!r} fits several: {', '.join(sorted(told)[:5])}. Give more of it, or --model.", Exit.USAGE)
    same = [run for run in runs if (run.model, run.commit.sha) in commits or (run.model, _digest(run)) in digests]
    return [*called, *(run for run in same if run not in called)]


def _digest(run: Run) -> str:
    return run.trained.event.digest if run.trained else ""


def _check_model(ledger: Ledger, model: str) -> None:
    if model and model not in ledger.models:
        raise Said(f"No model {model!r} on this line; there is {', '.join(sorted(ledger.models)) or 'none'}.", Exit.NOT_FOUND)


def _one_model(ledger: Ledger, model: str) -> str:
    known = sorted(ledger.models)
    if model or len(known) == 1:
        return model or known[0]
    if not known:
        raise Said("No model has been pushed on this line.", Exit.NOT_FOUND)
    raise Said(f"This line has several models: {', '.join(known)}. Name one by --model.", Exit.USAGE)


def _unknown(terminal: Terminal, line: LineFile, question: Question) -> Answer:
    if "-" in question.what:
        raise Said(f"No run starts with {question.what!r}; `pushline runs` lists them.", Exit.NOT_FOUND)
    return never_seen(terminal.environ, line, question.what, question.model)
