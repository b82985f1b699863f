"""A fold that begins with a snapshot is the fold of the whole log; one that does not fit its log counts for nothing."""

import os
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pushline.line.codec import encode
from pushline.line.deadletters import NO_OPEN_LETTERS, OpenLetters
from pushline.line.ledger import Judgement, Ledger
from pushline.line.memory import MemoryLog
from pushline.line.records import Record
from pushline.line.snapshot import Snapshot, Unusable, code_digest, parts_of, read
from pushline.line.snapshot_file import NAME, PART, SnapshotFile
from pushline.line.snapshots import Snapshots
from pushline.line.tail import Tail
from tests.unit.line.model import making as make
from tests.unit.line.model.test_line_ledger_model import ACT
from tests.unit.line.model.world import MODELS, PLACES, LedgerReader, World, state_of
from tests.unit.line.model.writers import WRITERS, Dice
from tests.unit.line.waiting import TOPIC_NAMES, eventually, running


@pytest.fixture(autouse=True)
def short_back_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pushline.line.tail.BACK_OFF_SECONDS", 0.01)


def everything(ledger: Ledger) -> tuple[object, ...]:
    lines = [(line, sorted(line.barred)) for line in ledger.models.values()]
    told = [repr(line).replace(repr(line.barred), str(barred)) for line, barred in lines]
    return told, repr(ledger.runs), ledger.image(), ledger.parked, [state_of(ledger, model) for model in MODELS]


def through_bytes(ledger: Ledger) -> Ledger:
    made = Snapshot(TOPIC_NAMES, {"commit": "an id"}, (), ledger.image())
    back = read(b"".join(parts_of(made)))
    assert back == made
    return Ledger.of(back.image)


@settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None)
@given(acts=st.lists(ACT, min_size=1, max_size=60), cut=st.integers(0, 2**30))
def test_what_was_folded_goes_on_from_a_snapshot_as_if_it_had_never_stopped(acts: list[tuple[str, int, bool]], cut: int) -> None:
    world = World()
    writer = LedgerReader(world)
    for act, dice, caught_up in acts:
        if caught_up:
            writer.read_all()
        WRITERS[act](world, writer.ledger, Dice(dice))
    chance = Random(cut)  # noqa: S311 - an order to read in, no secret
    reader = LedgerReader(world)
    for place in chance.sample(PLACES, len(PLACES)):
        reader.read(place, chance.randint(0, len(world.log[place])))

    again = through_bytes(reader.ledger)

    assert everything(again) == everything(reader.ledger)
    for place in chance.sample(PLACES, len(PLACES)):
        for record in world.log[place][reader.at[place] :]:
            assert again.fold(record) == reader.ledger.fold(record)
    assert everything(again) == everything(reader.ledger)


class Line:
    """A log in memory, and tails on it that keep their snapshots in one folder."""

    def __init__(self, folder: Path) -> None:
        self.log, self.folder = MemoryLog(make.PARTITIONS), folder
        self.told: list[str] = []
        self.heard: list[tuple[str, int]] = []
        self.restored: list[tuple[int, OpenLetters]] = []
        self.open: OpenLetters = NO_OPEN_LETTERS
        for generation in range(1, 9):
            self.push("a", generation)

    def push(self, model: str, generation: int, sha: str = "aa") -> Record:
        return self.log.append(encode(make.push(model, generation, previous=generation - 1, sha=sha), "test"))

    def tail(self) -> Tail:
        def hear(record: Record, _: tuple[Judgement, ...]) -> None:
            self.heard.append((record.topic, record.offset))

        def restored(ledger: Ledger, letters: OpenLetters) -> None:
            self.restored.append((ledger.counts[("commit", "valid")], letters))

        file = SnapshotFile(self.folder, self.told.append)
        return Tail(self.log, TOPIC_NAMES, hear, snapshots=Snapshots(file, lambda: self.open, restored))

    def folds_to(self) -> Any:
        """Run a tail to the end of the log and stop it, which keeps a snapshot."""
        self.heard.clear()
        self.restored.clear()
        with running(self.tail()) as tail:
            eventually(lambda: tail.problem == "")
            tail.catch_up(10)
            with tail.read() as ledger:
                return everything(ledger)


@pytest.fixture
def line(tmp_path: Path) -> Line:
    made = Line(tmp_path / "snapshots")
    made.folds_to()
    assert len(made.heard) == 8
    assert made.restored == []
    return made


def afresh(line: Line) -> Any:
    ledger = Ledger(make.PARTITIONS)
    for record in line.log.records("commit"):
        ledger.fold(record)
    return everything(ledger)


def test_a_start_reads_only_what_came_after_the_snapshot(line: Line) -> None:
    line.push("a", 9)

    assert line.folds_to() == afresh(line)
    assert line.heard == [("commit", 8)]
    assert line.restored == [(8, NO_OPEN_LETTERS)]
    assert line.told == []


def test_dead_letters_that_are_open_come_back_with_it(line: Line) -> None:
    bad = line.log.inject("commit", 0, b"a", b"no event")
    line.open = OpenLetters(((bad, "header ce_specversion is not 1.0"),), (("commit", 1, 7),), (("commit", 1, 9),))
    line.folds_to()

    line.folds_to()

    assert line.restored == [(8, line.open)]


def test_the_file_is_its_owners_alone_and_no_part_is_left(line: Line) -> None:
    assert {path.name for path in line.folder.iterdir()} - {PART} == {NAME}
    assert (line.folder / NAME).stat().st_mode & 0o777 == 0o600
    assert not (line.folder / PART).exists()


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


def _corrupt(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def _foreign(path: Path) -> None:
    path.write_bytes(b"something else")


def _readable_by_all(path: Path) -> None:
    path.chmod(0o644)


def _a_link(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to(path.with_name("elsewhere"))


def _a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path, 0o600)


@pytest.mark.parametrize("spoil", [_cut, _corrupt, _foreign, _readable_by_all, _a_link, _a_pipe])
def test_a_file_that_is_not_as_it_was_written_costs_time_only(line: Line, spoil: Callable[[Path], None]) -> None:
    spoil(line.folder / NAME)

    assert line.folds_to() == afresh(line)
    assert (len(line.heard), line.restored) == (8, [])
    assert len(line.told) == 1
    line.folds_to()
    assert line.restored == [(8, NO_OPEN_LETTERS)]  # a good one was written in its place


def test_a_snapshot_that_other_code_made_is_not_used(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pushline.line.snapshot.code_digest", lambda: "another")

    line.folds_to()

    assert (len(line.heard), line.restored) == (8, [])
    assert "other code made it" in line.told[0]


def test_every_module_that_decides_is_in_the_digest_of_the_code() -> None:
    assert len(code_digest()) == 64
    from pushline.line import snapshot  # noqa: PLC0415 - what this test is about

    folder = Path(snapshot.__file__).parent
    named = {*snapshot.DECIDES, *(f"ledger/{path.name}" for path in (folder / "ledger").glob("[!_]*.py"))}
    assert set(snapshot.LEDGER) | set(snapshot.DECIDES) == named


def test_a_topic_that_was_made_anew_is_folded_from_its_start(line: Line) -> None:
    line.log.recreate("commit")
    for generation in range(1, 10):
        line.push("b", generation)

    assert line.folds_to() == afresh(line)
    assert (len(line.heard), line.restored) == (9, [])
    assert "another one than before" in line.told[0]


def restored_from_a_backup(line: Line, left: int) -> None:
    for partition in line.log._cluster.topic("commit"):
        del partition.records[left:]
        partition.end = len(partition.records)


def test_a_log_that_ends_in_front_of_the_snapshot_is_folded_from_its_start(line: Line) -> None:
    restored_from_a_backup(line, 5)

    assert line.folds_to() == afresh(line)
    assert (len(line.heard), line.restored) == (5, [])


def test_a_log_that_went_on_otherwise_is_folded_from_its_start(line: Line) -> None:
    restored_from_a_backup(line, 5)
    for generation in range(6, 12):
        line.push("a", generation, sha="bb")

    assert line.folds_to() == afresh(line)
    assert (len(line.heard), line.restored) == (11, [])
    assert "has another record at 7" in line.told[0]


def test_what_puts_the_fold_in_doubt_drops_the_snapshot_too(line: Line) -> None:
    line.push("a", 50)  # its `previous` is above all that is known

    assert line.folds_to() == afresh(line)
    assert sorted(line.heard) == sorted([("commit", 8), *(("commit", offset) for offset in range(9))])
    assert "folded once more" in line.told[0]


def test_a_broker_that_is_away_at_the_start_keeps_the_snapshot(line: Line) -> None:
    line.log.set_unavailable(away=True)
    line.heard.clear()

    with running(line.tail()) as tail:
        eventually(lambda: tail.problem.startswith("broker: "))
        line.log.set_unavailable(away=False)
        eventually(lambda: tail.problem == "")

    assert (line.heard, line.restored) == ([], [(8, NO_OPEN_LETTERS)])


def test_a_folder_that_cannot_be_written_is_said_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    line = Line(tmp_path / "file" / "snapshots")

    assert line.folds_to() == afresh(line)
    assert line.told
    assert "no snapshot could be written" in line.told[-1]


def test_enough_records_bring_a_snapshot_while_the_tail_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pushline.line.snapshots.FEWEST_RECORDS", 5)
    line = Line(tmp_path)
    with running(line.tail()):
        eventually((tmp_path / NAME).exists)


@given(data=st.binary(max_size=200))
@settings(max_examples=200, deadline=None, derandomize=True, database=None)
def test_no_bytes_but_a_snapshot_are_one(data: bytes) -> None:
    with pytest.raises(Unusable):
        read(data)
