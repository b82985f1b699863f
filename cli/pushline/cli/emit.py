"""`pushline emit`: tell the trainer of a push, from a git hook or by hand."""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from pushline.cli.exits import Exit, Said
from pushline.cli.find_line import line_file_of
from pushline.cli.hint import Answer, Hint, Webhook, send
from pushline.cli.options import Json, LineOption, Model
from pushline.cli.terminal import Terminal, plain, terminal_of

BRANCHES = "refs/heads/"


def emit(
    context: typer.Context,
    *,
    model: Model,
    sha: Annotated[str, typer.Option("--sha", metavar="SHA", help="The commit.")] = "",
    ref: Annotated[str, typer.Option("--ref", metavar="REF", help="The branch, as refs/heads/NAME.")] = "refs/heads/main",
    stdin: Annotated[bool, typer.Option("--stdin", help="Read a post-receive hook's lines: old new ref.")] = False,
    url: Annotated[str, typer.Option("--url", envvar="PUSHLINE_WEBHOOK_URL", help="The trainer's address.")] = "",
    secret_file: Annotated[
        Path | None, typer.Option("--secret-file", envvar="PUSHLINE_WEBHOOK_SECRET_FILE", metavar="FILE", help="Signs the hint.")
    ] = None,
    line: LineOption = None,
    as_json: Json = False,
) -> None:
    """Tell the trainer that a branch moved. Harmless to repeat: it looks for itself what is there."""
    terminal = terminal_of(context)
    hints = _hints(model, sha, ref, sys.stdin if stdin else None)
    webhook = _webhook(terminal, model, url, secret_file, line)
    answers = [send(webhook, hint) for hint in hints]
    if as_json:
        terminal.json(
            [{"model": model, "sha": a.hint.sha, "ref": a.hint.ref, "status": a.status, "answer": a.told} for a in answers]
        )
        return
    for answer in answers:
        terminal.say(plain(_sentence(answer)))


def hints_of_lines(model: str, lines: Iterable[str]) -> list[Hint]:
    """Read `old new ref` lines; deleted branches and refs that are no branch are left out."""
    hints = []
    for line in lines:
        words = line.split()
        if not words:
            continue
        if len(words) != 3:  # noqa: PLR2004 - old, new, ref
            raise Said(f"{line.strip()[:80]!r} is no line of a post-receive hook (old new ref).", Exit.BAD_FILE)
        _, new, ref = words
        if ref.startswith(BRANCHES) and new.strip("0"):
            hints.append(Hint(model, new, ref))
    return hints


def _hints(model: str, sha: str, ref: str, lines: Iterable[str] | None) -> list[Hint]:
    if lines is not None:
        return hints_of_lines(model, lines)
    if not sha:
        raise Said("Name the commit by --sha, or give a hook's lines with --stdin.", Exit.USAGE)
    return [Hint(model, sha, ref)]


def _webhook(terminal: Terminal, model: str, url: str, secret_file: Path | None, line: Path | None) -> Webhook:
    if url:
        return Webhook(url, _read_secret(secret_file))
    found = line_file_of(terminal, line)
    if model not in found.models:
        raise Said(f"This line knows no model {model!r}; it knows {', '.join(sorted(found.models)) or 'none'}.", Exit.NOT_FOUND)
    return Webhook(found.url("trainer", "webhook"), found.emit_secret.encode())


def _read_secret(path: Path | None) -> bytes:
    if path is None:
        raise Said("--url needs --secret-file (or PUSHLINE_WEBHOOK_SECRET_FILE).", Exit.USAGE)
    try:
        return path.read_bytes().strip()
    except OSError as error:
        raise Said(f"{path} cannot be read: {error.strerror}.", Exit.BAD_FILE) from None


def _sentence(answer: Answer) -> str:
    place = f"{answer.hint.ref.removeprefix(BRANCHES)} {answer.hint.sha[:10]}"
    if answer.told.get("run_id"):
        return f"pushline: {answer.hint.model} {place}: run {answer.told['run_id']}"
    why = answer.told.get("sentence") or answer.told.get("reason") or "no reason given"
    return f"pushline: {answer.hint.model} {place}: ignored: {why}"
