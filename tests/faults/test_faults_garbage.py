"""A sweep beside a line at work removes nothing that anybody needs."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pushline.objects import keys
from tests.faults.collecting import collecting, missing
from tests.faults.places import Place
from tests.faults.processes import FaultLine, Wish, fault_line

SEED, TRIALS, MODEL = 3, 4, "swept"


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory, place: Place, stub_python: Path) -> Iterator[FaultLine]:
    with fault_line(tmp_path_factory.mktemp("line"), place, Wish({MODEL: ""}, stub_python)) as running:
        yield running


@pytest.mark.timeout(600)
def test_a_sweep_beside_pushes_and_rollbacks_loses_nothing(line: FaultLine, say: Callable[[str], None]) -> None:
    with collecting(line, MODEL, SEED) as campaign:
        for _ in range(TRIALS):
            campaign.deal()

    assert (campaign.wrong, campaign.sweeper.said) == ([], [])
    assert campaign.sweeper.removed
    say(campaign.told(SEED))
    an_oracle_that_fails(line)


def an_oracle_that_fails(line: FaultLine) -> None:
    """A file of the live model is removed: the oracle sees it."""
    with line.seen.tail.read() as ledger:
        file = ledger.line(MODEL).live[0].files[0]
        key = keys.model_file(MODEL, file.sha256, file.name)
        line.seen.store.delete(key)
        assert missing(line.seen.store, ledger, MODEL) == [f"{key} is gone"]
