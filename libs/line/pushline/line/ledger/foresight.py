"""What a record would do if it were appended now: the fold itself, on a copy of the model's line. Nothing that is known changes."""

from dataclasses import replace

from pushline.line.codec import encode
from pushline.line.events import Event
from pushline.line.ledger.fold import Ledger
from pushline.line.ledger.state import Judgement, ModelLine, Run
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
    copy = replace(
        line,
        pushes=dict(line.pushes),
        attempts=dict(line.attempts),
        runs=[],
        deployments=list(line.deployments),
        slots=dict(line.slots),
        went_live=list(line.went_live),
        barred=set(line.barred),
        served=dict(line.served),
    )
    copy.runs = [Run(run.push, copy, run.trained, dict(run.evaluated)) for run in line.runs]
    return copy
