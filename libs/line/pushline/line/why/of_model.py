"""Why a model is live: the answer of the run that is, with what people did since. Pure."""

from dataclasses import replace

from pushline.line.ledger import Ledger, ModelLine
from pushline.line.why.answer import Answer, Fact, Replica
from pushline.line.why.causes import CAUSES
from pushline.line.why.facts import deployed
from pushline.line.why.going_live import last_hold
from pushline.line.why.of_run import why_run


def why_live(ledger: Ledger, line: ModelLine) -> Answer:
    """Say what is live and how it came to be; of a model that never was deployed, that, and how far its newest push is."""
    if not line.live:
        return _nothing(ledger, line)
    newest, live = line.newest_deployed, line.live[0]
    run = ledger.runs.get(live.run_id)
    replicas = tuple(
        Replica(name, entry.event.state, entry.event.deploy_seq, entry.event.sentence)
        for name, entry in sorted(line.served.items())
    )
    if run is None:  # a person may put a digest live whose push this fold has not read
        said = f"Model {live.digest[:12]} of commit {live.commit.sha[:10]} is live; its push was not read."
        facts = (deployed(newest),) if newest is not None else ()
        return Answer("live", said, facts, (), line.name, live.commit.sha, live.run_id, digest=live.digest, replicas=replicas)
    answer = why_run(ledger, run)
    more = " The model is on hold: nothing else goes live." if line.on_hold else ""
    return replace(answer, sentence=answer.sentence + more, replicas=replicas, facts=(*answer.facts, *_since(line)))


def _since(line: ModelLine) -> tuple[Fact, ...]:
    """The hold that is in force."""
    held = last_hold(line)
    return (deployed(held),) if line.on_hold and held is not None else ()


def _nothing(ledger: Ledger, line: ModelLine) -> Answer:
    steps = tuple(step.format(model=line.name, run="", sha="") for step in CAUSES["nothing_live"].next_steps)
    if not line.runs:
        return Answer("nothing_live", f"Nothing of {line.name} was ever deployed, and nothing was pushed.", (), steps, line.name)
    newest = why_run(ledger, line.runs[-1])
    said = f"Nothing of {line.name} was ever deployed. Its newest run: {newest.sentence}"
    return Answer("nothing_live", said, newest.facts, steps, line.name)
