"""The small size of benchmarks/abuse.py: fuzzed requests, each attack beside right requests, more than can be answered."""

from collections.abc import Callable, Iterator

import pytest

from benchmarks.abuse import SMALL
from benchmarks.hostile import beside, fuzz, json_fuzz, overload, protobuf_fuzz
from benchmarks.hostile.attacks import ATTACKS
from benchmarks.hostile.subject import HEAVY_MODEL, LIGHT_MODEL, Subject, subject
from tests.faults.places import Place

pytestmark = pytest.mark.alone

SEED, TRIES = 1, 3


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory, place: Place) -> Iterator[Subject]:
    with subject(tmp_path_factory.mktemp("line"), place) as running:
        yield running


def test_no_fuzzed_request_is_answered_as_the_predictors_fault_and_memory_stays_flat(
    predictor: Subject, say: Callable[[str], None]
) -> None:
    found = fuzz.fuzz(predictor, SMALL.fuzzed, SEED)
    say(fuzz.table(found))

    assert found.problems == []
    assert found.n == SMALL.fuzzed
    assert {"OK", "INVALID_ARGUMENT", "NOT_FOUND", "200", "400", "404"} <= set(found.codes)  # it came as far as the model, too


def test_a_fuzzed_request_can_be_asked_again() -> None:
    assert protobuf_fuzz.call(SEED, 7) == protobuf_fuzz.call(SEED, 7) != protobuf_fuzz.call(SEED + 1, 7)
    assert json_fuzz.request(SEED, 7) == json_fuzz.request(SEED, 7) != json_fuzz.request(SEED + 1, 7)


def test_the_oracles_of_the_fuzzing_see_a_wrong_answer_memory_that_grows_and_a_restart() -> None:
    found = fuzz.Fuzzed(SEED, resident=[100.0, 110.0, 200.0], peak=300.0, same_process=False)
    found.note("OK", "")
    found.note("INTERNAL", "number 1")

    assert [len(found.wrong), len(found.problems)] == [1, 4]


@pytest.mark.parametrize("attack", [beside.NOBODY, *ATTACKS])
def test_right_requests_are_answered_beside(predictor: Subject, attack: str, say: Callable[[str], None]) -> None:
    suffered = beside.suffer(predictor, attack, SMALL.attack_seconds, SMALL.most_strikes)
    say(beside.table([suffered]))

    assert suffered.problems == []
    assert suffered.n > 100
    assert attack == beside.NOBODY or max(suffered.struck.values()) > 10


def test_three_times_the_load_leaves_four_fifths_of_the_answers(predictor: Subject, say: Callable[[str], None]) -> None:
    """Peak and overload are measured one after the other, on a machine that may be busy in between: one try of three counts."""
    tried: list[overload.Overloaded] = []
    while not tried or (tried[-1].problems and len(tried) < TRIES):
        tried.append(overload.overload(predictor, HEAVY_MODEL, SMALL.overload_seconds))
    light = overload.overload(predictor, LIGHT_MODEL, SMALL.overload_seconds)
    say(overload.table([*tried, light]))

    assert tried[-1].problems == []
    assert tried[-1].offered > 2.5 * tried[-1].peak
    assert light.goodput > 0
