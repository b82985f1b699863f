"""`pushline push`: commit, push, and follow the commit until it is live."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer

from pushline.cli.exits import Exit, Said
from pushline.cli.find_line import line_file_of
from pushline.cli.follow import Patience, patience
from pushline.cli.follow_view import follow_to_the_end, make_show
from pushline.cli.hint import Hint, Webhook, send
from pushline.cli.line_file import LineFile
from pushline.cli.line_of_sight import OpenLine, open_line
from pushline.cli.model_repository import BRANCHES, ModelRepository, Upstream
from pushline.cli.options import Json, LineOption, Served
from pushline.cli.terminal import Terminal, plain, terminal_of

FILES_NAMED = 5
SHORT = 10


@dataclass(frozen=True, slots=True)
class Pushed:
    """What is where."""

    model: str  # empty where it is not known; the commit alone finds the run then
    sha: str
    upstream: Upstream


@dataclass(frozen=True, slots=True)
class Told:
    """Sentences of what is done; silent where JSON is printed."""

    terminal: Terminal
    silent: bool
    lines: list[str] = field(default_factory=list)

    def say(self, text: str) -> None:
        self.lines.append(text)
        if not self.silent:
            self.terminal.say(plain(text))


def push(
    context: typer.Context,
    *,
    paths: Annotated[
        list[str] | None, typer.Argument(metavar="[PATH]...", show_default=False, help="With -m: commit these alone.")
    ] = None,
    message: Annotated[
        str, typer.Option("--message", "-m", metavar="TEXT", help="Commit changed files with this message first.")
    ] = "",
    model: Annotated[
        str, typer.Option("--model", metavar="NAME", show_default=False, help="The model; else from pushline.toml.")
    ] = "",
    url: Annotated[
        str, typer.Option("--url", envvar="PUSHLINE_WEBHOOK_URL", help="The trainer's address, for the signed hint.")
    ] = "",
    served: Served = 1,
    timeout: Annotated[str, typer.Option("--timeout", metavar="DURATION", help="Give up following after this.")] = "2h",
    appear: Annotated[str, typer.Option("--appear", metavar="DURATION", help="How long the line may take to hear of it.")] = "5m",
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Leave out what the training prints.")] = False,
    line: LineOption = None,
    as_json: Json = False,
) -> None:
    """Commit (with -m), git push to the branch's upstream, and follow the run to its end. Exit codes are those of `pushline wait`.

    With -m: the paths named, else what is staged, else every changed file that git knows. A new file is committed only where it is
    named or staged. Nothing to push: the run that the head already has is followed.
    """
    terminal = terminal_of(context)
    limits, told = patience(served, timeout, appear), Told(terminal, as_json)
    if paths and not message:
        raise Said("Paths are for a commit: give its message by -m.", Exit.USAGE)
    here = ModelRepository(Path(), terminal.environ)
    upstream, found = here.upstream(), line_file_of(terminal, line)
    name = model or _model_of(here, upstream, found)
    _check_branch(found, name, upstream)
    with open_line(found) as seen:  # before anything is changed
        _commit(here, message, paths or [], told)
        pushed = Pushed(name, here.head(), upstream)
        _push(here, pushed, told)
        _hint(terminal, found, url, pushed, told)
        _follow(terminal, seen, pushed, limits, told, log=not quiet)


def _commit(here: ModelRepository, message: str, paths: Sequence[str], told: Told) -> None:
    changes = here.changes()
    known = [*changes.staged, *(name for name in changes.changed if name not in changes.staged)]
    if message and (paths or known):
        here.commit(message, paths, all_known=not changes.staged)
        of = paths or changes.staged or changes.changed
        told.say(f"committed {here.head()[:SHORT]}: {_names(of)}")
        changes = here.changes()
    elif message:
        told.say("nothing to commit: no file that git knows has changed")
    left = sorted({*changes.staged, *changes.changed})
    if left:
        told.say(f"not committed: {_names(left)}" + ("" if message else "; -m commits what git knows"))
    if changes.unknown:
        told.say(f"not known to git, left out: {_names(changes.unknown)}")


def _push(here: ModelRepository, pushed: Pushed, told: Told) -> None:
    said = here.push(pushed.upstream)
    to = f"{pushed.upstream.remote} {pushed.upstream.branch}"
    new = not any(line.startswith("=") for line in said.splitlines())
    told.say(f"pushed {pushed.sha[:SHORT]} to {to}" if new else f"nothing to push: {to} is at {pushed.sha[:SHORT]} already")
    for line in said.splitlines():
        if line.startswith("remote: ") and line.removeprefix("remote: ").strip():
            told.say(f"  {line.rstrip()}")


def _hint(terminal: Terminal, found: LineFile, url: str, pushed: Pushed, told: Told) -> None:
    """Tell the trainer, where it is known how. A hint that is lost does no harm: it is found by webhook or poller."""
    secret = _secret(terminal, found)
    with suppress(Said):
        url = url or found.url("trainer", "webhook")
    if not (secret and url and pushed.model):
        return
    try:
        answer = send(Webhook(url, secret), Hint(pushed.model, pushed.sha, pushed.upstream.ref))
    except Said as said:
        told.say(f"the hint was not taken: {said.sentence} The line looks by itself every few minutes.")
        return
    why = answer.told.get("sentence") or answer.told.get("reason")
    if not answer.told.get("run_id"):
        told.say(f"the trainer does not take it for a new commit: {why or 'no reason given'}")


def _follow(terminal: Terminal, seen: OpenLine, pushed: Pushed, limits: Patience, told: Told, *, log: bool) -> None:
    if told.silent:
        terminal.json({"pushed": pushed.sha, "model": pushed.model, "branch": pushed.upstream.branch, "said": told.lines})
    show = make_show(terminal, log=log, as_json=told.silent)
    follow_to_the_end(terminal, seen, (pushed.sha, pushed.model), limits, show)


def _secret(terminal: Terminal, found: LineFile) -> bytes:
    named = terminal.environ.get("PUSHLINE_EMIT_SECRET_FILE", "")
    if named:
        try:
            return Path(named).read_bytes().strip()
        except OSError as error:
            raise Said(f"{named} (PUSHLINE_EMIT_SECRET_FILE) cannot be read: {error.strerror}.", Exit.BAD_FILE) from None
    return (terminal.environ.get("PUSHLINE_EMIT_SECRET", "") or found.emit_secret).encode()


def _model_of(here: ModelRepository, upstream: Upstream, found: LineFile) -> str:
    """Give the model that pushline.toml names, else the one that the line watches there; empty where nobody says."""
    if named := here.model_named():
        return named
    watched = [
        name for name, model in found.models.items() if _same(model.repository, upstream.url) and model.branch == upstream.branch
    ]
    return watched[0] if len(watched) == 1 else ""


def _same(repository: str, url: str) -> bool:
    if ":" in repository or ":" in url:
        return repository.removesuffix(".git").rstrip("/") == url.removesuffix(".git").rstrip("/")
    return Path(repository).resolve() == Path(url).resolve()


def _check_branch(found: LineFile, name: str, upstream: Upstream) -> None:
    """Raises Said where the line is known to watch another model or branch: nothing would come of the push."""
    if not found.models or not name:
        return
    if name not in found.models:
        known = ", ".join(sorted(found.models))
        raise Said(f"This line knows no model {name!r}; it knows {known}. Nothing was pushed.", Exit.NOT_FOUND)
    branch = found.models[name].branch.removeprefix(BRANCHES)
    if branch != upstream.branch:
        raise Said(
            f"The line deploys {name} from branch {branch}; this one goes to {upstream.branch}. Nothing was pushed.",
            Exit.REFUSED,
        )


def _names(names: Sequence[str]) -> str:
    more = f" and {len(names) - FILES_NAMED} more" if len(names) > FILES_NAMED else ""
    return ", ".join(names[:FILES_NAMED]) + more
