"""What store and services add to an answer about a run that is open: its try and progress, and what they say they wait for."""

from collections.abc import Iterator

import httpx

from pushline.cli.line_file import LineFile
from pushline.cli.training import newest_training
from pushline.line.why import Answer
from pushline.objects.store import Store, StoreError

ASK_SECONDS = 2.0
MAX_PROBLEM = 300
# Who an open run waits for.
WAITS_FOR = {
    "waiting_for_training": "trainer",
    "waiting_for_evaluation": "evaluator",
    "waiting_for_decision": "deployer",
    "waiting_for_a_person": "deployer",
}


def notes_on(answer: Answer, store: Store, line: LineFile) -> tuple[str, ...]:
    """Nothing where the run has ended, and nothing that decides: what cannot be had is left out, or said."""
    service = WAITS_FOR.get(answer.cause)
    if service is None or not answer.run_id:
        return ()
    told = list(_progress(answer, store)) if service == "trainer" else []
    port = line.ports.get(service, {}).get("metrics")
    return (*told, *_readiness(service, f"http://{line.host}:{port}/readyz")) if port else tuple(told)


def _progress(answer: Answer, store: Store) -> Iterator[str]:
    try:
        training = newest_training(store, answer.model, answer.run_id)
        progress = training.progress() if training is not None else None
    except StoreError as error:
        yield f"the store does not answer: {error}"
        return
    if training is None:
        yield "no try of it has begun yet"
        return
    number = training.name.partition("-")[0]
    if progress is None:
        yield f"try {number} has begun"
        return
    epoch = f", epoch {progress.epoch}{f' of {progress.epochs}' if progress.epochs else ''}" if progress.epoch else ""
    yield f"try {number}: {progress.stage}{epoch}{f' ({progress.numbers})' if progress.numbers else ''}"


def _readiness(service: str, url: str) -> Iterator[str]:
    try:
        problems = httpx.get(url, timeout=ASK_SECONDS).json()["problems"]
        told = "; ".join(f"{part}: {problem}" for part, problem in sorted(problems.items()))
    except httpx.HTTPError as error:
        yield f"the {service} does not answer at {url} ({type(error).__name__})"
        return
    except (ValueError, KeyError, TypeError, AttributeError):
        return
    yield f"the {service} says: {' '.join(told.split())[:MAX_PROBLEM]}" if told else f"the {service} is ready"
