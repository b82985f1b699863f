"""What a person names: a model, and a digest or commit of it that may be put live. Pure.

Each raises Said where there is none such.
"""

from collections.abc import Iterable, Iterator

from pushline.cli.exits import Exit, Said
from pushline.line.events import ModelEvaluated, Serving
from pushline.line.ledger import Ledger, ModelLine, Run

PREVIOUS = "previous"
SHORTEST_PREFIX = 4


def model_of(ledger: Ledger, model: str) -> ModelLine:
    if model not in ledger.models:
        raise Said(f"No model {model!r} on this line; there is {', '.join(sorted(ledger.models)) or 'none'}.", Exit.NOT_FOUND)
    return ledger.models[model]


def live_before(line: ModelLine, to: str, others: Iterable[ModelLine] = ()) -> Serving:
    """Give what a rollback may go to."""
    if to == PREVIOUS:
        return _previous(line)
    return _named(line, to, was_live(line), "was ever live", others)


def servable(line: ModelLine, to: str, others: Iterable[ModelLine] = ()) -> Serving:
    """Give what a redeploy may put live: whatever passed the evaluator's check, live before or not."""
    if to == PREVIOUS:
        return _previous(line)
    return _named(line, to, [*was_live(line), *_passed(line)], "has files that a predictor may open", others)


def was_live(line: ModelLine) -> Iterator[Serving]:
    """Newest first."""
    for entry in reversed(line.deployments):
        yield from (serving for serving in entry.event.serving if serving.mode == "live")


def serving_of(run: Run, judged: ModelEvaluated) -> Serving:
    place = (run.run_id, run.generation, run.attempt, run.commit)
    return Serving(*place, judged.digest, judged.manifest_sha256, judged.files, weight=100, mode="live")


def passed(judged: ModelEvaluated) -> bool:
    """Say whether a predictor may open its files."""
    return bool(judged.files) and judged.verdict != "failed"


def _previous(line: ModelLine) -> Serving:
    for serving in was_live(line):
        if serving.digest != line.live_digest and serving.digest not in line.barred:
            return serving
    raise Said(
        f"Nothing that was live before can be put back for {line.name} (what a rollback barred is left out; name it by --to).",
        Exit.NOT_FOUND,
    )


def _passed(line: ModelLine) -> Iterator[Serving]:
    for run in reversed(line.runs):
        yield from (serving_of(run, entry.event) for entry in run.evaluated.values() if passed(entry.event))


def _named(line: ModelLine, to: str, known: Iterable[Serving], condition: str, others: Iterable[ModelLine]) -> Serving:
    if len(to) < SHORTEST_PREFIX:
        raise Said(f"--to {to!r} is too short: give at least {SHORTEST_PREFIX} characters of a digest or commit.", Exit.USAGE)
    found: dict[str, Serving] = {}
    for serving in known:
        if serving.digest.startswith(to) or serving.commit.sha.startswith(to):
            found.setdefault(serving.digest, serving)
    if not found:
        hint = _hint(line, to, others)
        raise Said(f"No digest or commit of {line.name} that starts with {to!r} {condition}{hint}.", Exit.NOT_FOUND)
    if len(found) > 1:
        raise Said(
            f"{to!r} fits several digests of {line.name}: {', '.join(digest[:16] for digest in found)}. Give more of one.",
            Exit.USAGE,
        )
    return next(iter(found.values()))


def _hint(line: ModelLine, to: str, others: Iterable[ModelLine]) -> str:
    """Say what it is, where it is something."""
    own = next((run for run in reversed(line.runs) if _fits(run, to)), None)
    if own is not None and any(passed(entry.event) for entry in own.evaluated.values()):
        return f"; commit {own.commit.sha[:10]} is {own.stage} and was not live: pushline redeploy puts it live"
    if own is not None:
        return f"; commit {own.commit.sha[:10]} is {own.stage}: {own.sentence or 'it has no verdict yet'}".rstrip(".")
    other = next((each.name for each in others if each is not line and any(_fits(run, to) for run in each.runs)), "")
    return f"; it is one of model {other}" if other else ""


def _fits(run: Run, to: str) -> bool:
    digest = run.trained.event.digest if run.trained else ""
    return run.commit.sha.startswith(to) or digest.startswith(to)
