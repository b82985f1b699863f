"""Loads and orders to swap in any order: what is served is the newest that had its turn, and never an older one after it."""

from hypothesis import given
from hypothesis import strategies as st

from pushline.predictor.serving import Identity, Loaded
from pushline.predictor.turns import Turns

MODEL = "numbers"
# Each record is ordered to be loaded, then to be swapped in; the loads end whenever they do.
RECORDS = 6


def loaded(number: int, model: str = MODEL) -> Loaded:
    return Loaded(Identity(model, "", "", number, "", str(number)), engine=None, task="", labels=())  # type: ignore[arg-type]


class Told:
    def __init__(self) -> None:
        self.served: list[int] = []
        self.dropped: list[int] = []
        self.turns = Turns(
            lambda each: self.served.append(each.identity.deploy_seq), lambda each: self.dropped.append(each.identity.deploy_seq)
        )


@st.composite
def orders(draw: st.DrawFn) -> list[tuple[str, int]]:
    """What is said in the order of the log, and between it, anywhere after its beginning, the end of each load."""
    said = [(what, number) for number in range(1, RECORDS + 1) for what in ("expect", "swap")]
    swapped = draw(st.integers(1, len(said)))
    said = said[:swapped]
    for number in range(1, RECORDS + 1):
        if ("expect", number) in said:
            said.insert(draw(st.integers(said.index(("expect", number)) + 1, len(said))), ("loaded", number))
    return said


@given(orders())
def test_the_newest_that_had_its_turn_is_served_and_none_goes_back(said: list[tuple[str, int]]) -> None:
    told = Told()
    for what, number in said:
        if what == "loaded":
            told.turns.loaded(loaded(number))
        else:
            getattr(told.turns, what)(MODEL, str(number))

    turns = [number for what, number in said if what == "swap"]
    assert told.served == sorted(told.served)
    assert (told.served[-1:] or [0]) == (turns[-1:] or [0])
    everything = [number for what, number in said if what == "loaded"]
    kept = set(everything) - set(told.served) - set(told.dropped)
    assert len(told.served) + len(told.dropped) + len(kept) == len(everything)
    assert kept <= {number for number in everything if number > (turns or [0])[-1]}


def test_a_model_does_not_wait_for_another_ones_turn() -> None:
    told = Told()
    told.turns.expect("slow", "1")
    told.turns.swap("slow", "1")
    told.turns.expect("quick", "2")

    told.turns.loaded(loaded(2, "quick"))
    told.turns.swap("quick", "2")
    assert told.served == [2]

    told.turns.loaded(loaded(1, "slow"))
    assert told.served == [2, 1]
