"""`pushline topics`: the line's topics on a real broker, made and held against what the line needs."""

from typing import Annotated

import typer

from pushline.cli.exits import Exit, Said
from pushline.cli.options import Json
from pushline.cli.terminal import Terminal, terminal_of
from pushline.line.broker import BrokerUnavailable, LineError
from pushline.line.kafka_topics import CONFIG, PARTITIONS, REPLICATION, KafkaTopics
from pushline.runtime.settings import LineSettings, SettingsError, options, read

topics = typer.Typer(help="The line's topics on a real broker.", no_args_is_help=True)


@topics.callback()
def _topics() -> None:
    """The line's topics on a real broker, which PUSHLINE_KAFKA, PUSHLINE_TOPIC_PREFIX and PUSHLINE_KAFKA_OPTIONS name."""


@topics.command()
def create(
    context: typer.Context,
    *,
    partitions: Annotated[int, typer.Option(min=1, max=1000, help="Of each topic; frozen for good.")] = PARTITIONS,
    replication_factor: Annotated[int, typer.Option(min=1, max=100, help="Copies of a partition; 3 in production.")] = REPLICATION,
    as_json: Json = False,
) -> None:
    """Make the topics that are not there, with the settings that the line needs. What is there is left alone, and checked."""
    terminal = terminal_of(context)
    with _topics_of(terminal) as found:
        try:
            made = found.create(partitions, replication_factor)
        except LineError as error:
            raise _said(error) from None
        if not as_json:
            for name in found.names:
                terminal.say(f"{'made ' if name in made else 'there'}  {name}")
        _report(terminal, found, {"created": made}, as_json=as_json)


@topics.command()
def check(context: typer.Context, *, as_json: Json = False) -> None:
    """Name every topic and setting that is not as the line needs it."""
    terminal = terminal_of(context)
    with _topics_of(terminal) as found:
        _report(terminal, found, {}, as_json=as_json)


def _report(terminal: Terminal, found: KafkaTopics, facts: dict[str, object], *, as_json: bool) -> None:
    try:
        wrong = found.check()
    except LineError as error:
        raise _said(error) from None
    if as_json:
        told = [{"topic": each.topic, "setting": each.setting, "found": each.found, "expected": each.expected} for each in wrong]
        terminal.json({**facts, "wrong": told})
    else:
        for each in wrong:
            terminal.say(f"wrong  {each}")
    if wrong:
        raise Said(f"{len(wrong)} setting(s) of the line's topics are not what the line needs.", Exit.FAILED)
    if not as_json:
        needed = ", ".join(f"{name}={value}" for name, value in CONFIG.items())
        terminal.say(f"All {len(found.names)} topics are as the line needs them: {needed}.")


def _topics_of(terminal: Terminal) -> KafkaTopics:
    try:
        line = read(LineSettings, terminal.environ)
        return KafkaTopics(line.kafka, line.topic_prefix, options(terminal.environ.get("PUSHLINE_KAFKA_OPTIONS", "")))
    except (SettingsError, ValueError, LineError) as error:
        raise Said(str(error), Exit.BAD_FILE) from None


def _said(error: LineError) -> Said:
    return Said(f"The broker: {error}", Exit.UNREACHABLE if isinstance(error, BrokerUnavailable) else Exit.REFUSED)
