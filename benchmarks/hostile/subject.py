"""The predictor that is abused: a process of its own, on a broker and a store, with models that are live."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.faults.places import Place
from tests.faults.processes import Wish, fault_line
from tests.faults.procfs import children_of, told
from tests.faults.services import Service
from tests.fixtures.predictor.deploying import DOUBLE, HEAVY, MIXED, Line

LIGHT_MODEL, HEAVY_MODEL, MIXED_MODEL = "numbers", "heavy", "mixed"
INFER = "/inference.GRPCInferenceService/ModelInfer"
MIB = 1 << 10  # /proc tells KiB


@dataclass(frozen=True)
class Subject:
    service: Service

    @property
    def grpc(self) -> int:
        return self.service.child.ports["grpc"]

    @property
    def rest(self) -> int:
        return self.service.child.ports["rest"]

    @property
    def processes(self) -> list[int]:
        return [self.service.pid, *children_of(self.service.pid)]

    @property
    def resident(self) -> float:
        """MiB now, of all its processes."""
        return self._memory("VmRSS:")

    @property
    def peak(self) -> float:
        """MiB, of all its processes, each at its worst."""
        return self._memory("VmHWM:")

    def metric(self, line: str) -> float:
        """Give the value of one line of /metrics, 0 where it is not there."""
        found = [each.rpartition(" ")[2] for each in self.service.metrics().splitlines() if each.startswith(f"{line} ")]
        return float(found[0]) if found else 0.0

    def _memory(self, name: str) -> float:
        lines = (line.split() for pid in self.processes for line in told(pid, "status").splitlines())
        return sum(int(words[1]) for words in lines if words and words[0] == name) / MIB


@contextmanager
def subject(folder: Path, place: Place, **environ: str) -> Iterator[Subject]:
    wanted = {"PUSHLINE_MODELS": f"{LIGHT_MODEL},{HEAVY_MODEL},{MIXED_MODEL}", **environ}
    with fault_line(folder, place, Wish({}, services=("predictor",), environ=wanted)) as line:
        deployer = Line(line.seen.log, line.seen.store)
        for model, program in ((LIGHT_MODEL, DOUBLE), (HEAVY_MODEL, HEAVY), (MIXED_MODEL, MIXED)):
            deployer.deploy(program, model)
        line.services["predictor"].ready()
        yield Subject(line.services["predictor"])
