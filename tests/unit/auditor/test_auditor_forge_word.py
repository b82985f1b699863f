"""What is to stand at the forge, as a function of the log alone."""

import hashlib
from collections.abc import Callable

import pytest

from pushline.auditor.forge.word import RECENT, Word, words
from pushline.line.ledger import Ledger
from pushline.line.memory import MemoryLog
from pushline.line.topics import TOPIC_NAMES
from tests.unit.auditor.telling import MODEL, Telling, Told

Story = Callable[[Telling, Told], object]


def folded(log: MemoryLog) -> Ledger:
    ledger, reader = Ledger(log.partitions()), log.reader(TOPIC_NAMES)
    while records := reader.poll(0):
        for record in records:
            ledger.fold(record)
    return ledger


def told_words(log: MemoryLog) -> dict[str, Word]:
    return words(folded(log).line(MODEL))


def _trained(tell: Telling, told: Told) -> None:
    tell.train(told)


def _accepted(tell: Telling, told: Told) -> None:
    tell.train(told)
    tell.judge(told)


def _deployed(tell: Telling, told: Told) -> None:
    _accepted(tell, told)
    tell.promote(told)


def _closed(outcome: str) -> Story:
    def story(tell: Telling, told: Told) -> None:
        tell.train(told)
        tell.judge(told, "inconclusive", "the set cannot tell")
        tell.close(told, "the set cannot tell", outcome)

    return story


def _failed(tell: Telling, told: Told) -> None:
    tell.train(told, "failed", "script_failed", "train.py raised ValueError")


def _superseded(tell: Telling, told: Told) -> None:
    tell.train(told, "superseded", "superseded", "a newer commit came")


def _held(tell: Telling, told: Told) -> None:
    tell.hold()
    _accepted(tell, told)


def _promoted(tell: Telling, told: Told) -> None:
    _closed("rejected")(tell, told)
    tell.person(told, "promote", "I looked at it")


def _rolled_back(tell: Telling, told: Told) -> None:
    first = tell.deploy("the first one")
    again = tell.push("the next one")
    told.commit, told.run_id, told.generation, told.ids = again.commit, again.run_id, again.generation, again.ids
    told.word, told.files = again.word, again.files
    _deployed(tell, told)
    tell.person(first, "rollback", "it was slow")


def _deployed_again(tell: Telling, told: Told) -> None:
    _rolled_back(tell, told)
    tell.person(told, "redeploy", "it was the network")


def _not_loaded(tell: Telling, told: Told) -> None:
    _deployed(tell, told)
    tell.serve(told, "r-1", "failed", "too little memory")


def _loaded_by_one(tell: Telling, told: Told) -> None:
    _not_loaded(tell, told)
    tell.serve(told, "r-2")


STORIES: dict[str, tuple[Story, str, str]] = {
    "pushed": (lambda _tell, _told: None, "pending", "Training"),
    "trained": (_trained, "pending", "Trained, being evaluated"),
    "accepted": (_accepted, "pending", "Accepted, being decided: accuracy 0.97 is at least 0.9"),
    "deployed": (_deployed, "success", "Deployed as number 1: accuracy 0.97 is at least 0.9"),
    "rejected": (_closed("rejected"), "failure", "Rejected: the set cannot tell"),
    "judged and failed": (_closed("failed"), "error", "Failed: the set cannot tell"),
    "failed": (_failed, "error", "Failed: train.py raised ValueError"),
    "superseded": (_superseded, "error", "Superseded: a newer commit came"),
    "held": (
        _held,
        "pending",
        "Accepted, and rests while the model is on hold (ann, holidays): accuracy 0.97 is at least 0.9",
    ),
    "promoted by a person": (_promoted, "success", "Promoted by ann (deployment 1): I looked at it"),
    "rolled back": (_rolled_back, "failure", "Rolled back by ann (deployment 3): it was slow"),
    "deployed again": (_deployed_again, "success", "Deployed again by ann (deployment 4): it was the network"),
    "loaded by nobody": (
        _not_loaded,
        "error",
        "Deployed as number 1: replica r-1 could not load it: too little memory; accuracy 0.97 is at least 0.9",
    ),
    "loaded by one of two": (
        _loaded_by_one,
        "success",
        "Deployed as number 1: replica r-1 could not load it: too little memory; accuracy 0.97 is at least 0.9",
    ),
}


@pytest.mark.parametrize("name", STORIES)
def test_a_commit_has_one_state_and_one_sentence(name: str) -> None:
    story, state, sentence = STORIES[name]
    log = MemoryLog()
    tell = Telling(log)
    told = tell.push("one")

    story(tell, told)

    word = told_words(log)[told.commit.sha]
    assert (word.state, word.sentence, word.run_id) == (state, sentence, told.run_id)


def test_the_newest_attempt_of_a_commit_decides() -> None:
    log = MemoryLog()
    tell = Telling(log)
    told = tell.deploy("one")

    again = tell.rerun(told)

    word = told_words(log)[told.commit.sha]
    assert (word.run_id, word.state, word.sentence, word.again) == (again.run_id, "pending", "Attempt 2: training", True)


def test_a_model_that_something_newer_replaced_keeps_its_success() -> None:
    log = MemoryLog()
    tell = Telling(log)
    first = tell.deploy("one")
    before = told_words(log)[first.commit.sha]

    tell.deploy("two")

    assert told_words(log)[first.commit.sha] == before


def test_the_target_of_a_rollback_is_told_that_it_is_live_again() -> None:
    log = MemoryLog()
    tell = Telling(log)
    first = tell.deploy("one")
    tell.deploy("two")

    tell.person(first, "rollback", "slow")

    assert told_words(log)[first.commit.sha].sentence == "Live again by a rollback by ann (deployment 3): slow"


def test_the_verdict_that_the_outcome_rests_on_is_the_one_reported() -> None:
    log = MemoryLog()
    tell = Telling(log)
    told = tell.push("two")
    tell.train(told)
    tell.judge(told, sentence="against nothing")
    tell.deploy("other")
    word = told_words(log)[told.commit.sha]
    assert (word.sentence, word.verdict and word.verdict.sentence) == (
        "Trained, being evaluated anew, as another model went live",
        "against nothing",
    )

    tell.judge(told, "rejected", "worse than other")
    tell.close(told, "worse than other")

    word = told_words(log)[told.commit.sha]
    assert word.verdict is not None
    assert word.verdict.sentence == "worse than other"


def test_a_name_that_is_no_sha_never_becomes_part_of_an_address() -> None:
    log = MemoryLog()
    tell = Telling(log)
    told = tell.push("one", sha="../../user?x=")

    assert told.run_id in folded(log).runs
    assert told_words(log) == {}


def test_of_a_long_history_the_newest_commits_open_ones_and_the_live_one_have_a_word() -> None:
    log = MemoryLog()
    tell = Telling(log)
    live = tell.deploy("live")
    open_one = tell.push("open")
    for number in range(RECENT):
        _failed(tell, tell.push(f"bad {number}"))

    found = told_words(log)

    assert len(found) == RECENT + 2
    assert list(found)[:2] == [live.commit.sha, open_one.commit.sha]
    assert list(found)[-1] == hashlib.sha1(f"bad {RECENT - 1}".encode()).hexdigest()  # noqa: S324 - a git SHA
