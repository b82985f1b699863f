"""A person's act from beginning to end: decide on the fold, verify the objects, publish, read back, tell what happened."""

import getpass
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from pushline.cli.acts import Person, lost_race
from pushline.cli.exits import Exit, Said
from pushline.cli.line_of_sight import OpenLine, line_in_sight
from pushline.cli.terminal import Terminal, plain
from pushline.line.broker import AppendUnknown, BrokerUnavailable, LineError
from pushline.line.events import Event, ModelDeployed, Serving
from pushline.line.ledger import Ledger, ModelLine
from pushline.line.writer import Published, Writer
from pushline.objects import keys
from pushline.objects.store import DigestMismatch, ObjectMissing, Store, StoreError

SOURCE = "pushline/cli"
SERVED_SECONDS = 10.0
Decide = Callable[[ModelLine, Person], ModelDeployed]

Reason = Annotated[str, typer.Option("--reason", "-r", metavar="TEXT", help="Why; it stands in the log for good.")]
Actor = Annotated[str, typer.Option("--actor", metavar="NAME", help="Who; your login name if left out.")]


@dataclass(frozen=True, slots=True)
class Done:
    event: ModelDeployed
    served_by: tuple[str, ...]  # replicas that said so in time


def person(actor: str, reason: str) -> Person:
    """Raises Said where the reason is empty or nobody is named."""
    if not reason.strip():
        raise Said("--reason must say why; it stands in the log for good.", Exit.USAGE)
    try:
        return Person(actor.strip() or getpass.getuser(), reason.strip())
    except (OSError, KeyError):
        raise Said("Say who you are by --actor.", Exit.USAGE) from None


def do(terminal: Terminal, path: Path | None, model: str, person: Person, decide: Decide, *, as_json: bool) -> None:
    with line_in_sight(terminal, path) as line:
        done = perform(line, model, person, decide)
    event = done.event
    if as_json:
        terminal.json(
            {"kind": event.kind, "model": model, "digest": event.digest, "commit": event.commit.sha, "deploy_seq": event.deploy_seq,
             "actor": event.actor, "reason": event.reason, "served_by": list(done.served_by)}
        )  # fmt: skip
        return
    what = f"{event.digest[:12]} of commit {event.commit.sha[:10]} (deploy_seq {event.deploy_seq})"
    terminal.say(plain(f"{event.kind}: {model} now serves {what}."))
    if done.served_by:
        terminal.say(f"In service on {plain(', '.join(done.served_by))}.")
    else:
        terminal.say(f"No replica said within {SERVED_SECONDS:g} s that it serves it; look at `pushline status`.")


def perform(line: OpenLine, model: str, person: Person, decide: Decide, served_seconds: float = SERVED_SECONDS) -> Done:
    """Raises Said: no such model or target, files that do not verify, a lost race, an unknown append."""
    with line.tail.read() as ledger:
        event = decide(_model(ledger, model), person)
    verify(line.store, model, event.serving[0])
    _publish(line, event)
    return Done(event, _wait_served(line, event, served_seconds))


def verify(store: Store, model: str, serving: Serving) -> None:
    """The manifest and every file are there and are what their digests say. Raises Said."""
    manifest = (keys.manifest(model, serving.run_id, serving.manifest_sha256), serving.manifest_sha256)
    files = [(keys.model_file(model, file.sha256, file.name), file.sha256) for file in serving.files]
    try:
        for key, sha256 in (manifest, *files):
            with store.fetch(key, sha256):
                pass
    except (ObjectMissing, DigestMismatch) as error:
        raise Said(f"{serving.digest[:12]} cannot be served: {error}. Nothing changed.", Exit.REFUSED) from None
    except StoreError as error:
        raise Said(f"The store does not answer: {error}. Nothing changed.", Exit.UNREACHABLE) from None


def _model(ledger: Ledger, model: str) -> ModelLine:
    if model not in ledger.models:
        raise Said(f"No model {model!r} on this line; there is {', '.join(sorted(ledger.models)) or 'none'}.", Exit.NOT_FOUND)
    return ledger.models[model]


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
