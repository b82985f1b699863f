"""Single logs that random ones seldom hit: what a reader knows must not hang on the order in which it took the topics."""

from dataclasses import replace
from itertools import permutations

from pushline.line.events import CommitPushed
from pushline.line.ids import partition_of
from tests.unit.line.model import making as make
from tests.unit.line.model.promises import broken_promises
from tests.unit.line.model.world import LedgerReader, Place, World, state_of


def every_order(world: World) -> list[LedgerReader]:
    """Read whole partitions in every order, empty ones aside."""
    filled: list[Place] = [place for place, records in world.log.items() if records]
    return [LedgerReader(world).read_all(order) for order in permutations(filled)]


def verdicts(reader: LedgerReader) -> dict[tuple[str, int, int], str]:
    return {place: judgement.verdict for place, judgement in reader.judged.items()}


def live_line() -> tuple[World, CommitPushed]:
    world, pushed = World(), make.push("a", 1, previous=0)
    made = make.trained(pushed, model_file="m1")
    judged = make.evaluated(made, "none")
    put = make.deployed("promote", pushed, "m1", 1, 0, cause=make.id_of(judged))
    for event in (pushed, made, judged, put, make.served(put)):
        world.append(event)
    return world, pushed


def test_a_whole_run_reads_alike_in_every_order_of_the_topics() -> None:
    world, pushed = live_line()

    readers = every_order(world)

    assert len(readers) == 120
    assert {tuple(sorted(verdicts(reader).values())) for reader in readers} == {("valid",) * 5}
    assert {reader.ledger.runs[pushed.run_id].outcome for reader in readers} == {"deployed"}
    assert all(reader.ledger.kept == 0 and reader.changed_its_mind == [] for reader in readers)


def test_an_outcome_stands_though_a_slot_was_filled_before_the_training_failed() -> None:
    world, pushed = World(), make.push("a", 1, previous=0)
    for event in (pushed, make.deployed("promote", pushed, "m1", 1, 0), make.trained(pushed, "failed")):
        world.append(event)

    for reader in every_order(world):
        assert reader.changed_its_mind == []
        assert reader.ledger.runs[pushed.run_id].outcome == "failed"


def test_a_newer_version_on_one_topic_hides_nothing_of_another() -> None:
    world, _ = live_line()
    late = world.append(make.push("a", 2, previous=1, sha="bb"))
    served = world.log[("served", late.partition)][0]
    newer = tuple((dict(served.headers) | {"ce_type": b"dev.pushline.served.v2"}).items())
    world.put(replace(served, headers=newer))
    world.put(served)

    readers = every_order(world)

    assert all(verdicts(reader) == verdicts(readers[0]) for reader in readers)
    assert sorted(verdicts(readers[0]).values()) == ["newer", "parked"] + ["valid"] * 6
    assert all(reader.ledger.parked.keys() == {late.partition} for reader in readers)


def test_no_two_models_have_one_run() -> None:
    """A slash in a model's name would make two names of one run: a/1/1 with x is a with 1/1/x."""
    plain = next(name for name in "abcdefgh" if partition_of(f"{name}/1/1".encode(), 2) != partition_of(name.encode(), 2))
    slashed, same = make.push(f"{plain}/1/1", 1, previous=0, sha="x"), make.push(plain, 1, previous=0, sha="1/1/x")
    assert slashed.run_id == same.run_id
    world = World()
    for event in (slashed, same, make.trained(slashed), make.trained(same)):
        world.append(event)

    readers = every_order(world)

    assert all(verdicts(reader) == verdicts(readers[0]) for reader in readers)
    assert all(state_of(reader.ledger, plain) == state_of(readers[0].ledger, plain) for reader in readers)


def test_numbers_of_lost_records_are_never_taken_again() -> None:
    world, pushed = live_line()
    lost = make.deployed("redeploy", pushed, "m1", 7, 1)
    world.append(make.served(lost))
    ledger = LedgerReader(world).read_all().ledger

    line = ledger.line("a")

    assert (line.deploy_seq, line.highest_deploy_seq, ledger.kept) == (1, 7, 1)


def test_a_served_record_from_a_lost_log_stops_the_deployer_until_a_person_has_spoken() -> None:
    world, pushed = live_line()
    world.append(make.served(make.deployed("redeploy", pushed, "m1", 7, 1)))
    before = LedgerReader(world).read_all().ledger.line("a").behind_served

    world.append(make.deployed("redeploy", pushed, "m1", 8, 1))

    assert (before, LedgerReader(world).read_all().ledger.line("a").behind_served) == (True, False)


def test_a_person_may_promote_over_a_close_and_the_outcome_stands() -> None:
    world, _ = live_line()
    other = make.push("a", 2, previous=1, sha="bb")
    made = make.trained(other, model_file="m2")
    for event in (other, made, make.close(other, 1), make.deployed("promote", other, "m2", 2, 1)):
        world.append(event)

    reader = LedgerReader(world).read_all()

    assert broken_promises(reader) == []
    assert reader.ledger.runs[other.run_id].outcome == "rejected"
    assert reader.ledger.line("a").live_digest == make.digest("m2")


def test_an_accepted_run_rests_while_a_person_holds_its_model() -> None:
    pushed = make.push("a", 1, previous=0)
    made = make.trained(pushed)
    world = World()
    for event in (pushed, made, make.evaluated(made, "none"), make.hold("hold", "a", (), 1, 0)):
        world.append(event)
    held = _stage(world, pushed)

    world.append(make.hold("release", "a", (), 2, 1))

    assert (held, _stage(world, pushed)) == ("held", "deciding")


def _stage(world: World, pushed: CommitPushed) -> str:
    return LedgerReader(world).read_all().ledger.runs[pushed.run_id].stage
