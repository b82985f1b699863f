from dataclasses import replace

from pushline.line.broker import MAX_RECORD_BYTES
from pushline.line.codec import decode, encode
from pushline.line.events import File
from pushline.line.ledger import ModelLine, Run
from pushline.line.memory import MemoryLog
from pushline.trainer import trained_event
from pushline.trainer.failures import Failure
from tests.fixtures.trainer_intake.forge import a_push


def a_run(message: str) -> Run:
    push = a_push("a" * 40, 1, 0, "digits")
    push = replace(push, commit=replace(push.commit, message=message))
    entry = decode(MemoryLog().append(encode(push, "test")))
    return Run(entry, ModelLine("digits", 0))  # type: ignore[arg-type]  # it is the push's


def test_a_failed_event_always_fits_into_a_record_and_keeps_its_commit() -> None:
    run = a_run("\0" * 9_000)

    event = trained_event.failed(run, Failure("script_failed", "\x01😀" * 40_000), "bubblewrap")

    assert encode(event, "pushline/trainer", "00-" + "a" * 52).size <= MAX_RECORD_BYTES
    assert event.commit == run.commit
    assert event.sentence


def test_a_sentence_that_fits_is_left_alone() -> None:
    assert trained_event.failed(a_run("fine"), Failure("timeout", "It took too long."), "").sentence == "It took too long."


def test_a_record_that_is_too_large_is_said_with_less_and_keeps_its_commit() -> None:
    failed = trained_event.failed(a_run("fine"), Failure("script_failed", "x" * 1000), "bubblewrap")
    made = replace(failed, outcome="succeeded", reason="", sentence="", digest="d" * 64, files=(File("model.h5", "d" * 64, 1),))

    shorter, unsaid = trained_event.less(failed), trained_event.less(made)

    assert shorter == replace(failed, sentence="x" * 120)
    assert unsaid is not None
    assert (unsaid.outcome, unsaid.reason, unsaid.digest, unsaid.files) == ("failed", "event_too_large", "", ())
    assert unsaid.commit == made.commit
    assert [trained_event.less(least) for least in (shorter, unsaid, a_push("a" * 40, 1, 0, "digits"))] == [None] * 3
