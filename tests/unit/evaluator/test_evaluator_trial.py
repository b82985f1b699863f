"""What the production predictor is asked about a candidate, which answers are right, and how its time is counted."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from pushline.evaluator import trial
from pushline.evaluator.arrays import Array, ArrayFile, write_arrays
from pushline.evaluator.ports import ProgramFailed, ProgramFile, Reply
from pushline.evaluator.trying import LEAST_TIMED, MOST_TIMED, Served, Timed, ask_golden, take_times
from pushline.evaluator.verdict import NotJudgeable
from pushline.objects.memory_store import MemoryStore
from tests.fixtures.evaluator.story import put_run

ABOUT = put_run(MemoryStore(), "digits").manifest


def sample(rows: int, columns: int = 4) -> dict[str, Array]:
    return {"x": np.arange(rows * columns, dtype=np.float32).reshape(rows, columns)}


def sizes(rows: int, columns: int = 4) -> list[int]:
    return [request.stop - request.start for request in trial.golden_requests(sample(rows, columns))]


def test_golden_requests_are_32_single_rows_and_batches_of_8_and_64() -> None:
    assert sizes(64) == [1] * 32 + [8, 64]


@pytest.mark.parametrize(("rows", "asked"), [(1, [1]), (2, [1, 1, 2]), (9, [1] * 9 + [8, 9]), (8, [1] * 8 + [8])])
def test_a_small_set_is_asked_as_far_as_it_goes(rows: int, asked: list[int]) -> None:
    assert sizes(rows) == asked


def test_rows_too_large_for_a_batch_go_in_smaller_ones() -> None:
    columns = 5 * 2**18  # 5 MiB a row

    assert sizes(7, columns) == [1] * 7 + [6]
    assert trial.timed_request(sample(7, columns), 64) is None
    assert trial.timed_request(sample(7, columns), 1) is not None


@pytest.mark.parametrize("rows", [1, 2, 63, 64, 65, 360, 1_000_000])
def test_sampled_rows_are_spread_over_the_set_and_are_the_same_each_time(rows: int) -> None:
    chosen = trial.sampled_rows(rows)

    assert len(chosen) == min(rows, 64)
    assert (chosen[0], chosen[-1]) == (0, min(rows, 4096) - 1)
    assert (np.diff(chosen) > 0).all()
    assert (chosen == trial.sampled_rows(rows)).all()


def test_rows_are_picked_out_of_a_file_that_is_read_in_batches(tmp_path: Path) -> None:
    whole: dict[str, Array] = {"x": np.arange(100_000, dtype=np.float32).reshape(50_000, 2), "y": np.arange(50_000)}
    write_arrays(tmp_path / "set.npz", whole)
    rows = trial.sampled_rows(50_000)

    found = trial.picked(ArrayFile(tmp_path / "set.npz", 2**30), rows)

    assert found.keys() == whole.keys()
    assert all((found[name] == whole[name][rows]).all() for name in whole)


def test_a_set_of_few_rows_is_timed_by_64_of_them_all_the_same() -> None:
    request = trial.timed_request(sample(3), 64)

    assert request is not None
    assert request["x"].shape == (64, 4)
    assert (request["x"][3] == request["x"][0]).all()


ANSWER = {"y": np.array([[0.25, 1000.0]], np.float32)}


def test_the_same_answers_and_answers_that_differ_by_rounding_are_equal() -> None:
    rounded = {"y": np.nextafter(ANSWER["y"], np.float32(2000))}

    assert trial.largest_difference(ANSWER, ANSWER, slice(0, 1)) == 0
    assert 0 < trial.largest_difference(rounded, ANSWER, slice(0, 1)) < 1e-4


WRONG: list[tuple[str, Mapping[str, Array], str]] = [
    ("another number", {"y": ANSWER["y"] + np.float32(1e-5)}, "y differs from the engine's by up to"),
    ("a NaN", {"y": np.full((1, 2), np.nan, np.float32)}, "y differs"),
    ("another name", {"z": ANSWER["y"]}, "it answers z, the engine y"),
    ("a name more", {**ANSWER, "z": ANSWER["y"]}, "it answers y, z"),
    ("another shape", {"y": ANSWER["y"].T}, "y is float32 of shape (2, 1)"),
    ("another type", {"y": ANSWER["y"].astype(np.float64)}, "y is float64"),
    ("a row more", {"y": np.repeat(ANSWER["y"], 2, axis=0)}, "of shape (2, 2)"),
]


@pytest.mark.parametrize(("name", "said", "words"), WRONG, ids=[case[0] for case in WRONG])
def test_anything_else_disagrees(name: str, said: Mapping[str, Array], words: str) -> None:
    del name

    with pytest.raises(NotJudgeable) as caught:
        trial.largest_difference(said, ANSWER, slice(0, 1))

    assert (caught.value.verdict.verdict, caught.value.verdict.reason) == ("rejected", "predictor_disagrees")
    assert words in caught.value.verdict.sentence


def test_what_tensorflow_sums_in_another_order_is_given_as_much_as_a_program_against_keras() -> None:
    apart = {"y": ANSWER["y"] + np.float32(4e-6)}

    assert trial.allowed("litert", 1e-5) == trial.TOLERANCE
    assert trial.largest_difference(apart, ANSWER, slice(0, 1), trial.allowed("tensorflow", 1e-5)) > 0
    with pytest.raises(NotJudgeable):
        trial.largest_difference(apart, ANSWER, slice(0, 1), trial.allowed("litert", 1e-5))


def test_whole_numbers_have_to_be_the_same() -> None:
    whole: dict[str, Array] = {"y": np.array([3], np.int32)}

    assert trial.largest_difference(whole, whole, slice(0, 1)) == 0
    with pytest.raises(NotJudgeable):
        trial.largest_difference({"y": np.array([4], np.int32)}, whole, slice(0, 1))


def test_latencies_are_what_some_request_took_one_in_a_hundred_took_longer() -> None:
    seconds = [0.001 * at for at in range(1, 101)]

    found = trial.latencies(seconds, [])

    assert found == {"latency_p50_ms": pytest.approx(50), "latency_p99_ms": pytest.approx(99)}


@dataclass
class Scripted:
    """A predictor that answers twice its input, in a time of its own, until it fails."""

    seconds: float = 0.001
    fails_after: int = 10**9
    digest: str = ABOUT.digest
    asked: list[int] = field(default_factory=list)
    peak_memory_bytes: int = 2**20

    def ask(self, inputs: Mapping[str, Array]) -> Reply:
        if len(self.asked) >= self.fails_after:
            raise ProgramFailed("predictor_crashed", "it is gone")
        self.asked.append(len(inputs["x"]))
        return Reply({"y": inputs["x"] * 2}, self.digest, self.seconds)


@pytest.fixture
def served(tmp_path: Path) -> Served:
    program = tmp_path / "program.tflite"
    program.write_bytes(bytes(100))
    return Served(ABOUT, [ProgramFile(program.name, program, None)])


def test_golden_requests_count_requests_and_rows(served: Served) -> None:
    asked = sample(64)

    agreed = ask_golden(Timed(Scripted(), served, required=True), asked, {"y": asked["x"] * 2}, 0.0)

    assert agreed == (34, 32 + 8 + 64, 0)


def test_an_answer_about_another_model_disagrees(served: Served) -> None:
    with pytest.raises(NotJudgeable, match="says that the model 'other' answers"):
        ask_golden(Timed(Scripted(digest="other"), served, required=True), sample(2), {"y": sample(2)["x"] * 2}, 0.0)


def test_both_models_are_asked_in_turns_and_as_often(served: Served) -> None:
    own, live = Scripted(0.002), Scripted(0.001)
    timed = [Timed(own, served, required=True), Timed(live, served, required=False)]

    take_times([(each, sample(64)) for each in timed])

    assert own.asked == live.asked
    assert own.asked.count(1) == own.asked.count(64) == MOST_TIMED + 1
    assert timed[0].cost == {
        "latency_p50_ms": 2,
        "latency_p99_ms": 2,
        "latency_64_p50_ms": 2,
        "latency_64_p99_ms": 2,
        "program_bytes": 100,
        "peak_memory_bytes": 2**20,
    }
    assert timed[1].cost["latency_p99_ms"] == 1


def test_a_live_model_that_fails_costs_the_new_one_nothing(served: Served) -> None:
    own, live = Timed(Scripted(), served, required=True), Timed(Scripted(fails_after=5), served, required=False)

    take_times([(own, sample(64)), (live, sample(64))])

    assert own.cost["latency_p50_ms"] == 1
    assert live.cost == {}


def test_a_new_model_that_fails_while_it_is_timed_is_refused(served: Served) -> None:
    with pytest.raises(ProgramFailed, match="it is gone"):
        take_times([(Timed(Scripted(fails_after=LEAST_TIMED), served, required=True), sample(64))])
