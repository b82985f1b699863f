"""Which engines stay open: the one that serves, and the one before it."""

from pathlib import Path

import pytest

from pushline.line.events import File
from pushline.predictor.prepared import ModelFiles, Prepared
from pushline.predictor.residents import Residents
from pushline.predictor.serving import Identity, Loaded
from tests.unit.predictor.test_predictor_slot import Numbered


def files(number: int, model: str = "numbers") -> ModelFiles:
    return ModelFiles(model, f"run {number}", f"digest {number}", f"manifest {number}", (File("program.tflite", f"{number}", 1),))


def opened(residents: Residents, number: int, model: str = "numbers") -> Loaded:
    loaded = Loaded(Identity(model, "d", "c", number, "run", "event"), Numbered(), "regression", ())
    residents.add(files(number, model), loaded)
    return loaded


def closed(loaded: Loaded) -> int:
    assert isinstance(loaded.engine, Numbered)
    return loaded.engine.closed


def test_the_one_before_stays_open_and_the_one_before_that_does_not() -> None:
    residents = Residents(keeps=True)
    first, second, third = (opened(residents, number) for number in (1, 2, 3))

    residents.give_back(first)
    residents.give_back(second)

    assert [closed(each) for each in (first, second, third)] == [1, 0, 0]
    assert residents.take(files(1)) is None
    assert residents.take(files(2)) is second


def test_what_was_taken_again_is_not_closed_by_who_used_it_before() -> None:
    residents = Residents(keeps=False)
    first = opened(residents, 1)
    again = residents.take(files(1))

    residents.give_back(first)
    assert again is not None
    assert closed(first) == 0
    residents.give_back(again)

    assert closed(first) == 1
    assert residents.take(files(1)) is None


def test_what_serves_again_is_no_spare() -> None:
    residents = Residents(keeps=True)
    first = opened(residents, 1)
    opened(residents, 2)
    residents.give_back(first)
    assert residents.spare == {"numbers"}

    residents.take(files(1))

    assert not residents.spare
    assert not residents.drop_spare()
    assert closed(first) == 0


def test_each_model_has_its_own() -> None:
    residents = Residents(keeps=True)
    one, other = opened(residents, 1), opened(residents, 1, "other")

    residents.give_back(one)
    residents.give_back(other)

    assert residents.spare == {"numbers", "other"}
    assert residents.drop_spare()
    assert (closed(one), closed(other)) == (1, 1)


def test_what_was_never_served_takes_nobodys_place() -> None:
    residents = Residents(keeps=True)
    first, second = opened(residents, 1), opened(residents, 2)
    residents.give_back(first)

    residents.discard(second)

    assert (closed(first), closed(second)) == (0, 1)


@pytest.mark.parametrize("batch", [None, 8])
def test_what_goes_to_another_process_comes_back_the_same(batch: int | None) -> None:
    prepared = Prepared(
        "litert", ((Path("/cache/numbers/files/a"), batch),), "classification", ("a", "b"), needed_bytes=100, from_logits=False
    )

    assert Prepared.read(prepared.plain) == prepared
    assert ModelFiles.read(files(1).plain) == files(1)
