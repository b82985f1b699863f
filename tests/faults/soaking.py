"""Faults drawn by chance, one after the other, beside pushes and predictions; then all is healed, and the invariants are asked."""

import hashlib
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random

from tests.faults import repositories
from tests.faults.askers import Asker, asking
from tests.faults.asking import ask
from tests.faults.dealing import Dealer, held_record
from tests.faults.evidence import Objects, all_records, report, seeded
from tests.faults.invariants import History, broken
from tests.faults.residues import held, orphans, slope
from tests.faults.services import Service
from tests.waiting import until

HEALED_SECONDS, ORPHAN_SECONDS = 120.0, 10.0
BAD_SHARE, REST_AFTER = 0.15, 12  # so many faults between two rests


@dataclass
class Soak(Dealer):
    replicas: Sequence[Service] = ()
    calls_a_second: float = 20.0  # of each replica
    good_shas: set[str] = field(default_factory=set)
    right: dict[str, tuple[float, ...]] = field(default_factory=dict)  # digest → what its model answers
    wrong: list[str] = field(default_factory=list)
    pushes: int = 0
    orphans: list[str] = field(default_factory=list)  # seen at any rest

    def begin(self) -> None:
        """Let each model have something that serves."""
        for model in self.models:
            self._push(model, good=True)
        self._heal()

    def play(self, seconds: float) -> None:
        """begin() is owed before."""
        self._chance = seeded(self.seed)
        self.askers = [
            Asker(service.child.service.name, service, self.models, self.calls_a_second, self.excused) for service in self._replicas
        ]
        self.began, self.idle = time.monotonic(), [held(self.line)]
        with asking(self.askers):
            while time.monotonic() - self.began < seconds and not self.wrong:
                self._push_and_deal(self._chance)
                if sum(self.dealt.values()) % REST_AFTER == 0:
                    self._rest()
            self._rest()

    @property
    def _replicas(self) -> list[Service]:
        return [self.line.services["predictor"], *self.replicas]

    def _push_and_deal(self, chance: Random) -> None:
        self._push(chance.choice(self.models), good=chance.random() > BAD_SHARE)
        self.deal(chance)

    def _rest(self) -> None:
        """Everything is back: wait until all work is done, and note what is held then."""
        try:
            self._heal()
        except (AssertionError, TimeoutError) as error:
            self.wrong.append(f"after {dict(self.dealt)}: {error}")
            return
        self.idle.append(held(self.line))

    def _push(self, model: str, *, good: bool) -> None:
        self.pushes += 1
        factor = 1.0 + self.pushes
        files = repositories.good(factor) if good else repositories.bad(factor)
        digest = hashlib.sha256(files["weights"] if isinstance(files["weights"], bytes) else files["weights"].encode()).hexdigest()
        if good:
            self.right[digest] = tuple(factor * x for x in repositories.X[0][:3])
        sha = self.heads[model] = self.line.repositories[model].push(files, f"{factor}")
        if good:
            self.good_shas.add(sha)
        self.hint(model)

    def _heal(self) -> None:
        for model in self.models:
            until(lambda name=model: self.hint(name), HEALED_SECONDS, f"202 for the head of {model}")  # type: ignore[misc]
        for model in self.models:
            until(lambda name=model: self._is_released(name), HEALED_SECONDS, f"the release of {model}")  # type: ignore[misc]
        self.line.all_ready(HEALED_SECONDS)
        until(self._is_quiet, HEALED_SECONDS, "the end of all work")
        self.orphans += self._left_behind()
        for service in self._replicas:
            until(lambda each=service: not self._behind(each), HEALED_SECONDS, f"the newest of all on {service.child.service.name}")  # type: ignore[misc]

    def _left_behind(self) -> list[str]:
        """Give what does not end by itself after its service did."""
        with suppress(AssertionError):
            until(lambda: not orphans(self.line.folder), ORPHAN_SECONDS, "the end of what killed services left")
        return orphans(self.line.folder)

    def _is_released(self, model: str) -> bool:
        self.act(model, lambda line: held_record("release", line) if line.on_hold else None)
        with self.line.seen.tail.read() as ledger:
            return not ledger.line(model).on_hold

    def _is_quiet(self) -> bool:
        with self.line.seen.tail.read() as ledger:
            return all(run.outcome or run.stage == "held" for run in ledger.runs.values())

    def _behind(self, service: Service) -> list[str]:
        return [model for model, number in self._served(service).items() if number != self._newest(model)]

    def _served(self, service: Service) -> dict[str, int]:
        answers = {model: ask(service, model) for model in self.models}
        return {model: answer.deploy_seq if answer and not answer.stale else 0 for model, answer in answers.items()}

    def _newest(self, model: str) -> int:
        with self.line.seen.tail.read() as ledger:
            return ledger.line(model).deploy_seq

    def history(self) -> History:
        records = all_records(self.line.seen.log)
        with self.line.seen.tail.read() as ledger:
            partitions = ledger.partitions
            good = [run.run_id for run in ledger.runs.values() if run.commit.sha in self.good_shas]
        return History(
            records=records,
            partitions=partitions,
            acknowledged=self.acknowledged,
            good=good,
            answers=[answer for asker in self.askers for answer in asker.answers],
            right=self.right,
            objects=Objects(self.line.seen.store).of(self.models),
            converged=self._converged(),
            restarted_by_hand=[name for name, service in self.line.services.items() if service.child.ended],
            before=self.idle[0],
            after=self.idle[-1],
            orphans=self.orphans,
        )

    def _converged(self) -> Mapping[str, Mapping[str, int]]:
        served = {service.child.service.name: self._served(service) for service in self._replicas}
        return {model: {replica: numbers[model] for replica, numbers in served.items()} for model in self.models}

    def told(self, campaign: str) -> tuple[list[str], str]:
        history = self.history()
        found = broken(history)
        sentences = [*self.wrong, *(f"{name}: {sentence}" for name, each in found.items() for sentence in each[:5])]
        figures: dict[str, float | str] = {
            "seconds": round(time.monotonic() - self.began),
            "pushes": self.pushes,
            "acknowledged": len(self.acknowledged),
            "calls": sum(asker.calls for asker in self.askers),
            "failed_calls": sum(not answer.excused and bool(answer.failure) for answer in history.answers),
            "broken_invariants": ",".join(found) or "none",
            **slope(self.idle, (time.monotonic() - self.began) / 3600),
        }
        lost = len(found.get("INV1", [])) + len(found.get("INV9", [])) + len(self.wrong)
        return sentences, report(campaign, sum(self.dealt.values()), lost, self.seed, **figures)
