"""An earlier version's services, in an environment of their own, and a line in which services change their version under way."""

import os
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass, field, replace
from pathlib import Path

from tests.e2e.running_line import environment
from tests.faults.evidence import all_records, report, seeded
from tests.faults.killing import MOMENTS, Moment, verdict_on
from tests.faults.processes import STAGES, FaultLine
from tests.faults.services import START_SECONDS, Service
from tests.waiting import until

EARLIER = "f651692722fc408945bac3222cc2f18b022d7d3b"
PARTS = ("libs", "services", "client", "requirements")  # what a service of it needs: the evaluator asks by the client
ROOT = Path(__file__).parents[2]
SERVICES = (*STAGES, "predictor", "auditor")
SEEN_SECONDS, RECOVERED_SECONDS = 60.0, 120.0
UNGATED = tuple(moment for moment in MOMENTS if not moment.gated)


def earlier_python(commit: str = EARLIER) -> Path:
    """Give the interpreter that has this commit's services, installed once into the user's cache with that commit's own locks."""
    cache = Path(environment().get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pushline" / "versions"
    made = cache / f"{commit}-{'-'.join(PARTS)}"
    if not (made / "venv" / ".installed").exists():
        cache.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(made, ignore_errors=True)
        _unpack(commit, made / "source")
        _install(made)
        (made / "venv" / ".installed").touch()
    return made / "venv" / "bin" / "python"


def _unpack(commit: str, folder: Path) -> None:
    folder.mkdir(parents=True)
    archive = subprocess.run(["git", "-C", ROOT, "archive", commit, *PARTS], capture_output=True, check=False)
    assert archive.returncode == 0, (
        f"this clone has no commit {commit}, whose services are to run beside today's: git fetch --unshallow"
    )
    subprocess.run(["tar", "-x", "-C", folder], input=archive.stdout, check=True)


def _install(made: Path) -> None:
    """All services in one environment, hash-locked; their code by path, as an editable install has it."""
    venv, source = made / "venv", made / "source"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    wanted = [word for name in SERVICES for word in ("-r", source / "requirements" / f"{name}.txt")]
    uv, python = Path(sys.executable).with_name("uv"), venv / "bin" / "python"
    command = [uv, "pip", "install", "--quiet", "--python", python, "--require-hashes", "--no-deps", *wanted]
    subprocess.run(command, check=True, env={**environment(), "UV_NO_CONFIG": "1"})
    members = sorted(path.parent for path in source.glob("**/pyproject.toml"))
    site = Path(sysconfig.get_path("purelib", "venv", {"base": str(venv), "platbase": str(venv)}))
    (site / "earlier.pth").write_text("".join(f"{member}\n" for member in members))
    for member in members:
        _name(member, site)


def _name(member: Path, site: Path) -> None:
    """What importlib.metadata reads: name and version."""
    own = site / f"pushline_{member.name}-0.dist-info"
    own.mkdir()
    (own / "METADATA").write_text(f"Metadata-Version: 2.1\nName: pushline-{member.name}\nVersion: 0\n")


@dataclass
class VersionCampaign:
    """Each trial: a push, and at some moment of its run one service stops in good order and starts as the other version."""

    line: FaultLine
    model: str
    earlier: Path
    seed: int
    runs: list[str] = field(default_factory=list)
    old: set[str] = field(default_factory=set)  # services that are of the earlier version now
    changes: list[tuple[str, str]] = field(default_factory=list)  # service, moment
    wrong: list[str] = field(default_factory=list)

    def plan(self, count: int) -> list[tuple[str, Moment]]:
        """Rolling: each service once, in an order drawn by chance, all the way there and all the way back."""
        chance, drawn = seeded(self.seed), list[tuple[str, Moment]]()
        while len(drawn) < count:
            drawn += [(name, chance.choice(UNGATED)) for name in chance.sample(SERVICES, len(SERVICES))]
        return drawn[:count]

    def begin(self, *names: str) -> None:
        """Let these be of the earlier version from the start."""
        for name in names:
            self._change(name)

    def deal(self, name: str, moment: Moment) -> None:
        run = self.line.push(self.model, 2.0 + len(self.runs))
        self.runs.append(run)
        self.changes.append((name, moment.name))
        try:
            until(lambda: moment.seen(self.line, self.model, run), SEEN_SECONDS, f"{moment.name} of run {run}")
            self._change(name)
            self.line.deployed(run, RECOVERED_SECONDS)
            self.line.answers(self.model, run, RECOVERED_SECONDS)
            self.line.all_ready()
        except (AssertionError, TimeoutError) as error:
            self.wrong.append(f"{name} became {'the earlier' if name in self.old else 'today'}'s at {moment.name!r}: {error!r}")

    def _change(self, name: str) -> None:
        service = self.line.services[name]
        service.ask_to_stop()
        assert service.exit_code() == 0, f"the {name} did not stop in good order"
        self.old ^= {name}
        python = self.earlier if name in self.old else Path(sys.executable)
        service.child.service = replace(service.child.service, command=[str(python), *service.child.service.command[1:]])
        service.start()
        service.listening()
        until(lambda: runs_as(service, python), START_SECONDS, f"the {name} that runs as {python}")
        if name != "predictor":
            service.ready()

    def told(self) -> tuple[list[str], str]:
        with self.line.seen.tail.read() as ledger:
            partitions = ledger.partitions
        lost, double = verdict_on(all_records(self.line.seen.log), self.runs, partitions)
        sentences = [*self.wrong, *(f"lost: {run}" for run in lost), *(f"double: {run}" for run in double)]
        figures: dict[str, float | str] = {"double": len(double), "earlier": EARLIER[:7]}
        return sentences, report("versions", len(self.runs), len(lost), self.seed, **figures)


def runs_as(service: Service, python: Path) -> bool:
    words = Path(f"/proc/{service.pid}/cmdline").read_bytes().split(b"\0")
    return words[0] == os.fsencode(python)
