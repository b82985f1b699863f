"""What a record would do if it were appended now: the fold itself, on a copy of the model's line. Nothing that is known changes."""

from dataclasses import fields, replace
from typing import Any

from pushline.line.codec import encode
from pushline.line.events import Event
from pushline.line.ledger.fold import Ledger
from pushline.line.ledger.state import Judgement, ModelLine
from pushline.line.records import Record

SOURCE = "pushline/foresight"


def foresee(ledger: Ledger, event: Event) -> tuple[Judgement, ModelLine]:
    """Give the judgement that the record would get, and the model's line after it. Raises what encode raises."""
    copy = _copy_of(ledger.line(event.model))
    imagined = Ledger(ledger.partitions)
    imagined.models[copy.name] = copy
    imagined.runs = {run.run_id: run for run in copy.runs}
    message = encode(event, SOURCE)
    judgements = imagined.fold(Record(message.topic, copy.partition, 0, message.key, message.value, message.headers, 0))
    return judgements[0], copy


def _copy_of(line: ModelLine) -> ModelLine:
    held: dict[str, Any] = {field.name: getattr(line, field.name) for field in fields(line)}
    own: dict[str, Any] = {name: value.copy() for name, value in held.items() if isinstance(value, dict | list | set)}
    copy = replace(line, **own)
    copy.runs = [replace(run, line=copy, evaluated=run.evaluated.copy()) for run in line.runs]
    return copy
