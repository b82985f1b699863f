"""A person's act from beginning to end: decide on the fold, verify the objects, publish, read back, tell what happened."""

import getpass
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer

from pushline.cli.acts import Person
from pushline.cli.exits import Exit, Said
from pushline.cli.foreseen import Foreseen, foreseen
from pushline.cli.foreseen_view import foreseen_json, show_foreseen
from pushline.cli.line_of_sight import OpenLine, line_in_sight
from pushline.cli.promotions import Judged
from pushline.cli.races import lost_race
from pushline.cli.stored import NOTHING, Verified, look, manifest_of, verify
from pushline.cli.targets import model_of, passed, serving_of
from pushline.cli.terminal import Terminal, plain
from pushline.line.broker import AppendUnknown, BrokerUnavailable, LineError
from pushline.line.events import Event, ModelDeployed
from pushline.line.ledger import Ledger, ModelLine
from pushline.line.writer import Published, Writer
from pushline.objects.store import Store, StoreError

SOURCE = "pushline/cli"
SERVED_SECONDS = 10.0
STANDING = ("hold", "release")  # what serves stays

Reason = Annotated[str, typer.Option("--reason", "-r", metavar="TEXT", help="Why; it stands in the log for good.")]
Actor = Annotated[str, typer.Option("--actor", metavar="NAME", help="Who; your login name if left out.")]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Check everything, the files too, and say what would happen; write nothing.")
]


@dataclass(frozen=True, slots=True)
class Decided:
    """What a person wants to write, and the verdict that it goes over, where it is a promote."""

    event: ModelDeployed
    judged: Judged | None = None


Decide = Callable[[Ledger, Person], Decided]


@dataclass(frozen=True, slots=True)
class Act:
    """Who does what, and how it is told."""

    person: Person
    decide: Decide
    dry_run: bool = False
    as_json: bool = False
    served_seconds: float = field(default=SERVED_SECONDS)


@dataclass(frozen=True, slots=True)
class Done:
    event: ModelDeployed
    judged: Judged | None
    served_by: tuple[str, ...]  # replicas that said so in time


def on_model(model: str, act: Callable[[ModelLine, Person], ModelDeployed]) -> Decide:
    """An act that needs nothing but the model."""
    return lambda ledger, who: Decided(act(model_of(ledger, model), who))


def person(actor: str, reason: str) -> Person:
    """Raises Said where the reason is empty or nobody is named."""
    if not reason.strip():
        raise Said("--reason must say why; it stands in the log for good.", Exit.USAGE)
    try:
        return Person(actor.strip() or getpass.getuser(), reason.strip())
    except (OSError, KeyError):
        raise Said("Say who you are by --actor.", Exit.USAGE) from None


def do(terminal: Terminal, path: Path | None, act: Act) -> None:
    with line_in_sight(terminal, path) as line:
        if act.dry_run:
            would(terminal, line, act)
            return
        done = perform(line, act)
    tell(terminal, done, as_json=act.as_json)


def would(terminal: Terminal, line: OpenLine, act: Act) -> None:
    """Do all of it but the writing, and tell. Raises Said as perform does."""
    with line.tail.read() as ledger:
        decided = act.decide(ledger, act.person)
        seen = foreseen(ledger, decided.event)
    files = _files(line, seen)
    if act.as_json:
        terminal.json(foreseen_json(seen, files, decided.judged))
    else:
        show_foreseen(terminal, seen, files, decided.judged)


def _files(line: OpenLine, seen: Foreseen) -> Verified:
    """Of what the act puts live; else of what would go live by itself after it."""
    event = seen.event
    if event.kind not in STANDING:
        return verify(line.store, event.model, event.serving[0])
    if event.kind == "hold" or not seen.goes_live:
        return NOTHING
    with line.tail.read() as ledger:
        run = ledger.runs[seen.goes_live]
        judged = run.verdict.event if run.verdict else None
        serving = serving_of(run, judged) if judged and passed(judged) else None
    return look(line.store, event.model, serving) if serving else NOTHING


def perform(line: OpenLine, act: Act) -> Done:
    """Raises Said: no such model or target, files that do not verify, a lost race, an unknown append."""
    with line.tail.read() as ledger:
        decided = act.decide(ledger, act.person)
    event = decided.event
    if event.kind in STANDING:
        _publish(line, event)
        return Done(event, None, ())
    verify(line.store, event.model, event.serving[0])
    _publish(line, event)
    _demand_still_there(line.store, event)
    return Done(event, decided.judged, _wait_served(line, event, act.served_seconds))


def tell(terminal: Terminal, done: Done, *, as_json: bool) -> None:
    event = done.event
    if as_json:
        terminal.json(
            {"kind": event.kind, "model": event.model, "digest": event.digest, "commit": event.commit.sha, "written": True,
             "deploy_seq": event.deploy_seq, "actor": event.actor, "reason": event.reason, "served_by": list(done.served_by)}
        )  # fmt: skip
        return
    terminal.say(plain(_headline(event)))
    if done.judged is not None and not done.judged.now:
        terminal.say(f"Its verdict was against {done.judged.event.baseline_digest[:12]}, not against what was live.")
    if event.kind in STANDING:
        return
    if done.served_by:
        terminal.say(f"In service on {plain(', '.join(done.served_by))}.")
    else:
        terminal.say(f"No replica said within {SERVED_SECONDS:g} s that it serves it; look at `pushline status`.")


def _headline(event: ModelDeployed) -> str:
    number = f"(deploy_seq {event.deploy_seq})"
    if event.kind == "hold":
        return f"hold: nothing goes live as {event.model} by itself until pushline release {number}."
    if event.kind == "release":
        return f"release: what is accepted goes live as {event.model} again, by itself {number}."
    return f"{event.kind}: {event.model} now serves {event.digest[:12]} of commit {event.commit.sha[:10]} {number}."


def publish(line: OpenLine, event: Event, what: str) -> Published:
    """Append and read back. Raises Said where it was not written, or nobody knows."""
    try:
        return Writer(line.log, line.tail, SOURCE).publish(event)
    except AppendUnknown as error:
        raise Said(
            f"It is unknown whether the {what} is in the log: {error}. Look at `pushline status` first.", Exit.UNKNOWN
        ) from None
    except BrokerUnavailable as error:
        raise Said(f"The broker does not answer: {error}. Nothing changed.", Exit.UNREACHABLE) from None
    except (LineError, ValueError, TypeError) as error:
        raise Said(f"The {what} cannot be written: {error}. Nothing changed.", Exit.REFUSED) from None


def _publish(line: OpenLine, event: ModelDeployed) -> None:
    published = publish(line, event, event.kind)
    if not published.counted:
        with line.tail.read() as ledger:
            raise Said(lost_race(ledger.models[event.model], event, published.rule or published.sentence), Exit.REFUSED)


def _demand_still_there(store: Store, event: ModelDeployed) -> None:
    """Somebody may remove objects at this moment; who puts a model live has to know."""
    with suppress(StoreError):
        if not store.exists(manifest_of(event.model, event.serving[0])):
            raise Said(
                f"The {event.kind} counts, but files of {event.digest[:12]} were removed meanwhile: replicas that do not have it "
                f"keep what they serve. Put another model live.",
                Exit.FAILED,
            )


def _wait_served(line: OpenLine, event: ModelDeployed, seconds: float) -> tuple[str, ...]:
    """Wait for every replica that serves the model; those that said so, where some stay silent."""

    def all_serve(ledger: Ledger) -> tuple[str, ...] | None:
        known = ledger.models[event.model].served
        return _serving(ledger, event) if known and len(_serving(ledger, event)) == len(known) else None

    with suppress(TimeoutError):
        return line.tail.wait_until(all_serve, seconds)
    with line.tail.read() as ledger:
        return _serving(ledger, event)


def _serving(ledger: Ledger, event: ModelDeployed) -> tuple[str, ...]:
    served = ledger.models[event.model].served
    return tuple(
        sorted(name for name, told in served.items() if told.event.state == "serving" and told.event.deploy_seq >= event.deploy_seq)
    )
