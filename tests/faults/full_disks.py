"""A line each of whose volumes is a small disk, and what becomes of runs while one of them is full."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from http.client import HTTPException
from pathlib import Path

from pushline.cli.line_file import StoreAccess
from pushline.line.kafka_topics import KafkaTopics
from pushline.servers.real import REGION
from pushline.servers.real_parts import prepare
from tests.e2e.running_line import environment
from tests.faults import repositories
from tests.faults.evidence import all_records, folded, report, seeded
from tests.faults.killing import verdict_on
from tests.faults.places import Place
from tests.faults.processes import STAGES, FaultLine, Wish, fault_line
from tests.faults.small_disk import SmallDisk, SmallDiskBroker, SmallDiskStore, small_disk
from tests.waiting import until

SERVICES = ("trainer", "evaluator", "predictor")  # the deployer and the auditor keep nothing on a disk
VOLUMES = (*SERVICES, "store", "broker")
NO_SPACE = ("no space left", "mib free", "storefull", "store_full", "no room")
MEGABYTES = {"broker": 192, "store": 64, "trainer": 48, "evaluator": 400, "predictor": 48}
NAMED_SECONDS, MENDED_SECONDS, PARTITIONS = 45.0, 90.0, 4
HINTS = 4  # webhooks while the broker's disk is full
LONG_MESSAGE = "x" * 2000  # so that a record does not fit into a page that the broker has already


@contextmanager
def small_place(folder: Path) -> Iterator[tuple[Place, dict[str, SmallDisk]]]:
    """Give a broker and a store on small disks."""
    parts = prepare(environment(), lambda _: None)
    with ExitStack() as stack:
        broker, store = SmallDiskBroker(folder / "broker", parts.kafka), SmallDiskStore(folder / "objects", parts.minio)
        disks = {
            "broker": stack.enter_context(small_disk(broker.folder.resolve() / "data", MEGABYTES["broker"])),
            "store": stack.enter_context(small_disk(store.folder.resolve() / "data", MEGABYTES["store"])),
        }
        broker.disk, store.disk = disks["broker"], disks["store"]
        stack.enter_context(broker)
        stack.enter_context(store)
        with KafkaTopics(broker.bootstrap) as topics:
            topics.create()
        access = StoreAccess(store.endpoint, store.bucket, store.access_key, store.secret_key, REGION)
        servers = {"broker": broker, "store": store}
        yield Place(broker.bootstrap, access, "", broker.pid, store.pid, servers, {}), disks


@contextmanager
def small_line(folder: Path, wish: Wish) -> Iterator[tuple[FaultLine, dict[str, SmallDisk]]]:
    """Run a line whose services work on small disks too."""
    folder.mkdir(exist_ok=True)
    with small_place(folder / "servers") as (place, disks), fault_line(folder / "line", place, wish) as line, ExitStack() as stack:
        for name in SERVICES:
            service = line.services[name]
            service.kill()
            disks[name] = stack.enter_context(small_disk(service.work.resolve(), MEGABYTES[name]))
            given = service.child.service
            service.child.service = replace(given, command=disks[name].joined(given.command, Path.cwd()))
            line.start((name,))
        yield line, disks


def false_acknowledgements(acknowledged: Iterator[str] | list[str], known: set[str]) -> list[str]:
    """Give the runs that were answered 202 and are not in the log."""
    return [run for run in acknowledged if run not in known]


@dataclass
class DiskCampaign:
    """Fills one volume, pushes, waits for the words that name it, makes room, and looks at what the log then says."""

    line: FaultLine
    disks: dict[str, SmallDisk]
    model: str
    seed: int
    runs: list[str] = field(default_factory=list)
    acknowledged: list[str] = field(default_factory=list)
    refused: int = 0  # webhooks that were not answered 202
    failed: int = 0  # runs that ended as failed, with a reason
    restarts: int = 0  # of the broker, which ends itself on a full disk
    recovered: int = 0
    trials: int = 0
    pushes: int = 0
    said: str = ""  # by the webhook that was refused last
    wrong: list[str] = field(default_factory=list)

    def volumes(self, count: int) -> list[str]:
        chance, drawn = seeded(self.seed), list[str]()
        while len(drawn) < count:
            drawn += chance.sample(VOLUMES, len(VOLUMES))
        return drawn[:count]

    def deal(self, volume: str) -> None:
        self.trials += 1
        pids = {name: service.pid for name, service in self.line.services.items()}
        try:
            (self._broker_full if volume == "broker" else self._full)(volume)
            self.line.all_ready(MENDED_SECONDS)
            run = self._push()  # the next one goes all the way
            self.line.deployed(run, MENDED_SECONDS)
            self.line.answers(self.model, run, MENDED_SECONDS)
            self.recovered += 1
        except (AssertionError, TimeoutError) as error:
            self.wrong.append(f"{volume}: {error!r}; {self._said()}")
        ended = [name for name, service in self.line.services.items() if service.pid != pids[name] or service.child.ended]
        self.wrong += [f"{volume}: the {name} ended, and had to be started again" for name in ended]

    def _said(self) -> str:
        return "; ".join(f"{name} says {self.line.services[name].problem()[:300]}" for name in (*STAGES, "predictor"))

    def _push(self) -> str:
        run = self._hint(self._commit())
        assert run, f"a webhook was refused: {self.said}"
        self._followed(run)
        return run

    def _commit(self, more: str = "") -> str:
        self.pushes += 1
        return self.line.repositories[self.model].push(repositories.good(1.0 + self.pushes), f"push {self.pushes} {more}")

    def _followed(self, run: str) -> None:
        """What was pushed last is this run's."""
        self.runs.append(run)
        self.line.factors[run] = 1.0 + self.pushes

    def _full(self, volume: str) -> None:
        disk, late = self.disks[volume], self.trials % 2 == 0
        sha = self._commit()
        run = self._hint(sha) if late else ""  # the disk is full before the webhook, or soon after it
        with disk.full():
            run = run or self._hint(sha)
            if run:
                until(lambda: self._named_or_over(disk, volume, run), NAMED_SECONDS, f"a word of the {volume}'s disk")
            else:
                assert _names_room(self.said), f"a webhook was refused, and not for want of room: {self.said}"
        run = run or until(lambda: self._hint(sha), MENDED_SECONDS, "202 once there is room")
        self._followed(run)
        ended = self.line.seen.ended(run, MENDED_SECONDS)
        if ended.outcome == "failed":
            assert _names_room(ended.sentence), f"failed, and does not say why: {ended.reason} {ended.sentence}"
            self.failed += 1
            self.runs.remove(run)
            return
        assert ended.outcome == "deployed", f"{ended.outcome} {ended.reason}: {ended.sentence}"
        self.line.answers(self.model, run, MENDED_SECONDS)

    def _named_or_over(self, disk: SmallDisk, volume: str, run: str) -> bool:
        disk.fill()  # what was removed meanwhile is no room for the next try
        if volume == "predictor":  # it is ready, as it serves what it has
            return any(map(_names_room, self._reported()))
        said = [self.line.services[name].problem() for name in ((volume,) if volume in SERVICES else STAGES)]
        return any(map(_names_room, said)) or bool(self.line.run(run).outcome)

    def _reported(self) -> list[str]:
        with self.line.seen.tail.read() as ledger:
            return [entry.event.sentence for entry in ledger.line(self.model).served.values()]

    def _broker_full(self, volume: str) -> None:
        """Kafka ends itself when it cannot write to its log folder: who runs it starts it again once there is room."""
        shas = []
        with self.disks[volume].full():
            for _ in range(HINTS):
                shas.append(self._commit(LONG_MESSAGE))
                self.disks[volume].fill()
                self._hint(shas[-1])
        broker = self.line.servers[volume]
        if not _runs(broker.pid):
            broker.kill()
            broker.start()
            self.restarts += 1
        answer = until(lambda: self._hint(shas[-1]), MENDED_SECONDS, "202 once there is room")
        self._followed(answer)
        self.line.deployed(answer, MENDED_SECONDS)
        self.line.answers(self.model, answer, MENDED_SECONDS)

    def _hint(self, sha: str) -> str:
        try:
            status, answer = self.line.seen.hint(self.model, sha)
        except (OSError, HTTPException, ValueError):
            status, answer = 0, {"status": "no answer that can be read"}
        if status != 202:
            self.refused, self.said = self.refused + 1, f"{status} {answer}"
            return ""
        self.acknowledged.append(str(answer["run_id"]))
        return self.acknowledged[-1]

    def told(self) -> tuple[list[str], str]:
        records = all_records(self.line.seen.log)
        lost, double = verdict_on(records, self.runs, PARTITIONS)
        false = false_acknowledgements(self.acknowledged, set(folded(records, PARTITIONS).runs))
        figures: dict[str, float | str] = {
            "false_acknowledgements": len(false),
            "acknowledged": len(self.acknowledged),
            "refused": self.refused,
            "double": len(double),
            "recovered": f"{self.recovered}/{self.trials}",
            "failed_with_reason": self.failed,
            "broker_restarts": self.restarts,
        }
        sentences = [*self.wrong, *(f"lost: {run}" for run in lost), *(f"double: {run}" for run in double)]
        sentences += [f"answered 202 and not in the log: {run}" for run in false]
        return sentences, report("disk-full", self.trials, len(lost), self.seed, **figures)


def _names_room(text: str) -> bool:
    return any(words in text.lower() for words in NO_SPACE)


def _runs(pid: int) -> bool:
    state: Callable[[], str] = Path(f"/proc/{pid}/stat").read_text
    try:
        return state().rpartition(")")[2].split()[0] not in ("Z", "X")
    except FileNotFoundError:
        return False
