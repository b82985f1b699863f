"""Each rule of the ledger, taken out on purpose, breaks a promise; with all of them in force the same log breaks none."""

import pytest

from pushline.line.ledger import RULE_NAMES
from tests.unit.line.model.promises import broken_promises
from tests.unit.line.model.scenarios import NEEDED, Needed
from tests.unit.line.model.world import LedgerReader, World, disagreements

CASES = [
    pytest.param(rule, needed, id=f"{rule}-{needed.scenario.__name__}-{needed.breaks.replace(' ', '_')}")
    for rule, all_of_it in NEEDED.items()
    for needed in all_of_it
]


def test_every_rule_has_a_log_that_needs_it() -> None:
    assert NEEDED.keys() == RULE_NAMES


@pytest.mark.parametrize(("rule", "needed"), CASES)
def test_without_the_rule_a_promise_is_broken(rule: str, needed: Needed) -> None:
    world = World()
    needed.scenario(world)

    lawful = LedgerReader(world).read_all()
    lawless = LedgerReader(world, RULE_NAMES - {rule}).read_all()

    assert broken_promises(lawful) == []
    assert disagreements(lawful) == []
    assert needed.breaks in broken_promises(lawless)
    assert disagreements(lawless) != []
    print(f"without {rule}: {', '.join(broken_promises(lawless))}")  # noqa: T201 - the list that issue 3 asks for
