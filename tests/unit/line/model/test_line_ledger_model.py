"""The ledger against the reference: random writers on lagging folds, readers that take the topics in any order.

Checked after every read, of what was read so far: reader and reference agree on every record and every model, and what counts keeps
every promise. At the end all readers agree, whatever order they read in.
"""

from collections import Counter
from random import Random
from typing import ClassVar

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from pushline.line.ledger import RULE_NAMES
from tests.unit.line.model.promises import broken_promises
from tests.unit.line.model.world import MODELS, PLACES, LedgerReader, World, disagreements, state_of
from tests.unit.line.model.writers import WRITERS, Dice

READERS = 3
DICE = st.integers(0, 2**40)
WEIGHTS = {"push": 3, "train": 4, "judge": 4, "promote": 5, "whole_run": 2, "spoil": 4, "repeat": 2, "roll_back": 2, "rerun": 2}
ACTS = [name for name in WRITERS for _ in range(WEIGHTS.get(name, 1))]
ACT = st.tuples(st.sampled_from(ACTS), DICE, st.sampled_from((True, True, False)))


class LineMachine(RuleBasedStateMachine):
    rules_in_force: ClassVar[frozenset[str]] = RULE_NAMES
    done: ClassVar[Counter[str]] = Counter()

    @initialize()
    def begin(self) -> None:
        self.world = World()
        self.readers = [LedgerReader(self.world, self.rules_in_force) for _ in range(READERS)]
        self.done["sequences"] += 1

    @rule(acts=st.lists(ACT, min_size=1, max_size=8), reader=st.integers(0, READERS - 1))
    def write(self, acts: list[tuple[str, int, bool]], reader: int) -> None:
        """A writer decides on what its reader has folded, which may be long ago."""
        for act, dice, caught_up in acts:
            if caught_up:
                self.readers[reader].read_all(_shuffled(dice))
            WRITERS[act](self.world, self.readers[reader].ledger, Dice(dice))
            self.done["steps"] += 1

    @rule(reader=st.integers(0, READERS - 1), dice=DICE, most=st.integers(1, 5))
    def read(self, reader: int, dice: int, most: int) -> None:
        for place in _shuffled(dice)[:4]:
            self.readers[reader].read(place, most)
        self.check(self.readers[reader])
        self.done["steps"] += 1

    def check(self, reader: LedgerReader) -> None:
        odd = disagreements(reader)
        self.done["disagreements"] += len(odd)
        assert odd == []
        assert reader.changed_its_mind == []
        assert broken_promises(reader) == []

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        orders = (PLACES, tuple(reversed(PLACES)), _shuffled(len(self.world.all())))
        fresh = [LedgerReader(self.world, self.rules_in_force).read_all(order) for order in orders]
        everyone = [*(reader.read_all() for reader in self.readers), *fresh]
        self.check(everyone[0])
        self.done["records"] += len(self.world.all())
        self.done["valid"] += sum(judgement.verdict == "valid" for judgement in everyone[0].judged.values())
        for (_, broken), count in everyone[0].ledger.broken_rules.items():
            self.done[f"broken {broken}"] += count
        for other in everyone[1:]:
            assert other.changed_its_mind == []
            assert {place: said.verdict for place, said in other.judged.items()} == {
                place: said.verdict for place, said in everyone[0].judged.items()
            }
            assert [state_of(other.ledger, model) for model in MODELS] == [state_of(everyone[0].ledger, model) for model in MODELS]


def _shuffled(number: int) -> tuple[tuple[str, int], ...]:
    places = list(PLACES)
    Random(number).shuffle(places)  # noqa: S311 - an order to read in, no secret
    return tuple(places)


def _campaign() -> bool:
    return settings.get_current_profile_name() == "campaign"


def _profile(request: pytest.FixtureRequest) -> settings:
    chosen = settings.get_profile("campaign" if _campaign() else "ledger")
    return settings(chosen, derandomize=request.config.getoption("--hypothesis-seed") is None)


@pytest.mark.timeout(3600)
def test_all_readers_and_the_reference_agree_on_every_log(
    request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    profile, done = _profile(request), LineMachine.done
    done.clear()

    run_state_machine_as_test(LineMachine, settings=profile)

    seed = request.config.getoption("--hypothesis-seed") or "derandomized"
    with capsys.disabled():
        print(  # noqa: T201 - the figure of this campaign
            f"\ncampaign=ledger sequences={done['sequences']} steps={done['steps']} records={done['records']} "
            f"valid={done['valid']} disagreements={done['disagreements']} seed={seed}"
        )
    assert done["sequences"] >= profile.max_examples
    if _campaign():
        assert {name for name in RULE_NAMES if not done[f"broken {name}"]} == set()


@pytest.mark.timeout(3600)
def test_random_logs_turn_red_without_a_rule(request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]) -> None:
    """Every rule in the campaign; a few on every day, where test_every_rule_is_needed has a log for each."""
    rules = sorted(RULE_NAMES) if _campaign() else ["deploy_previous", "promote_fence", "trained_slot"]
    profile = settings(_profile(request), phases=[Phase.generate], report_multiple_bugs=False)

    red = {name: _sequences_until_red(name, profile) for name in rules}

    with capsys.disabled():
        print(f"\ncampaign=rules turned_red={len(red)}/{len(rules)} after_sequences={red}")  # noqa: T201 - likewise


def _sequences_until_red(rule_name: str, profile: settings) -> int:
    class Lawless(LineMachine):
        rules_in_force = RULE_NAMES - {rule_name}
        done: ClassVar[Counter[str]] = Counter()

    with pytest.raises(AssertionError):
        run_state_machine_as_test(Lawless, settings=profile)
    return int(Lawless.done["sequences"])
