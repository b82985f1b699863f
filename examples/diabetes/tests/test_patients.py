"""Run before every training; a red test here, and nothing is trained."""

import math

import pytest
from patients import MEASURED, patients


@pytest.fixture(scope="module")
def sets():
    return patients()


def test_every_patient_has_all_measurements(sets):
    for x, y in sets:
        assert x.shape == (len(y), len(MEASURED))


def test_no_number_is_missing(sets):
    assert all(math.isfinite(number) for x, y in sets for number in (*x.ravel().tolist(), *y.tolist()))


def test_no_patient_is_in_both_sets(sets):
    (x_train, _), (x_test, _) = sets
    trained_on = {tuple(row) for row in x_train.tolist()}
    assert not [row for row in x_test.tolist() if tuple(row) in trained_on]


def test_the_sets_are_the_same_every_time(sets):
    again = patients()
    assert all((x == x_again).all() for (x, _), (x_again, _) in zip(sets, again, strict=True))


def test_progress_is_on_the_datas_own_scale(sets):
    for _, y in sets:
        assert 25 <= y.min() < y.max() <= 346
