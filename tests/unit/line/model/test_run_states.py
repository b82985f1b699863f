"""The tables of a run's states are what the ledger does: exactly, over all short logs; and no more, over any log."""

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from pushline.line.run_states import HOW_FAR, IN_SERVICE, OUTCOMES, Transition
from tests.unit.line.model.exploring import Moved, Seen, explore, watching
from tests.unit.line.model.test_line_ledger_model import LineMachine

RECORDS = 6  # in all short logs behind the push of another run; of longer ones none moves a run elsewhere (tried up to 9)


def moves(table: tuple[Transition, ...]) -> set[Moved]:
    return {(each.state, each.record, each.next) for each in table}


@pytest.fixture(scope="module")
def short_logs() -> Seen:
    return explore(RECORDS)


def test_all_short_logs_move_a_run_exactly_as_the_tables_say(short_logs: Seen) -> None:
    assert short_logs.how_far == moves(HOW_FAR)
    assert short_logs.in_service == moves(IN_SERVICE)


def test_any_log_moves_a_run_as_the_tables_say_and_not_otherwise() -> None:
    quick = settings(settings.get_profile("ledger"), max_examples=20, phases=[Phase.generate], derandomize=True)

    with watching() as seen:
        run_state_machine_as_test(LineMachine, settings=quick)

    assert len(seen.how_far) > 10
    assert seen.how_far - moves(HOW_FAR) == set()
    assert seen.in_service - moves(IN_SERVICE) == set()


def test_no_move_is_there_twice_and_an_outcome_is_for_good() -> None:
    for table in (HOW_FAR, IN_SERVICE):
        assert len(moves(table)) == len(table)
    assert not {each.state for each in HOW_FAR} & set(OUTCOMES)


def test_a_record_that_leads_to_several_states_says_when() -> None:
    for table in (HOW_FAR, IN_SERVICE):
        for each in table:
            others = [other for other in table if (other.state, other.record) == (each.state, each.record) and other is not each]
            assert not others or each.when or all(other.when for other in others), each
