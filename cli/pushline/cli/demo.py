"""`pushline demo`: the whole line in a minute, with a swap under load; ends non-zero unless everything was as promised."""

import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import typer

from pushline.cli.config_writer import FirstModel, write_config
from pushline.cli.demo_figures import LEAST_AROUND, Figures, figures, shortcomings
from pushline.cli.demo_journey import follow
from pushline.cli.demo_line import demo_line
from pushline.cli.demo_load import Load
from pushline.cli.demo_repository import DemoRepository, make_repository
from pushline.cli.demo_view import DemoView
from pushline.cli.doctor import show
from pushline.cli.exits import Exit, Said
from pushline.cli.hooks import HookSettings, post_receive
from pushline.cli.line_of_sight import OpenLine, open_line
from pushline.cli.machine_checks import check_machine
from pushline.cli.options import Json
from pushline.cli.terminal import Terminal, terminal_of
from pushline.client import Answer, Client, PredictionFailed
from pushline.objects import keys
from pushline.objects.manifest import load

MODEL = "digits"
EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "digits"
ANSWER_SECONDS = 20.0
LOAD_SECONDS = 90.0


@dataclass(frozen=True, slots=True)
class Stage:
    """Everything the demo plays with."""

    seen: OpenLine
    repository: DemoRepository
    address: str  # of the predictor
    view: DemoView


@dataclass(frozen=True, slots=True)
class Digits:
    x: npt.NDArray[Any]
    y: npt.NDArray[Any]


def demo(
    context: typer.Context,
    *,
    example: Annotated[Path, typer.Option("--example", metavar="FOLDER", help="The digits example.", show_default=False)] = EXAMPLE,
    as_json: Json = False,
) -> None:
    """Show the line at work, in a minute: two commits of an example go live, the second one under a load of predictions.

    Everything runs on this machine, on free ports, in a temporary folder. Ends with 0 only if no prediction failed, both models
    answered and the second one is live.
    """
    began = time.monotonic()
    terminal = terminal_of(context)
    view = DemoView(terminal, silent=as_json)
    _check_machine(terminal, as_json=as_json)
    with _stage(terminal, example, view) as stage:
        first, first_seconds, digits = _first_commit(stage)
        second, shots, pushed = _second_commit(stage, digits, first)
        told = figures(shots, first, second)
        live = _live_commit(stage.seen)
        seconds = [first_seconds, (told.first_answer_of_second or time.monotonic()) - pushed]
    wrong = shortcomings(told, live, second)
    view.result(told, seconds, [first, second], wrong)
    if as_json:
        terminal.json(_plain(told, seconds, [first, second], wrong, time.monotonic() - began))
    view.say(f"[dim]The demo took {time.monotonic() - began:.0f} s.[/dim]")
    if wrong:
        raise Said("the demo was not as promised: " + "; ".join(wrong), Exit.FAILED)


def _check_machine(terminal: Terminal, *, as_json: bool) -> None:
    findings = check_machine(terminal.environ, ports_wanted=False)
    missing = [finding for finding in findings if finding.state == "missing"]
    if missing and not as_json:
        show(terminal, missing)
    if missing:
        raise Said(f"This machine lacks {', '.join(f'{finding.what} ({finding.found})' for finding in missing)}.", Exit.FAILED)


@contextmanager
def _stage(terminal: Terminal, example: Path, view: DemoView) -> Iterator[Stage]:
    with tempfile.TemporaryDirectory(prefix="pushline-demo-") as name:
        folder = Path(name)
        repository = make_repository(folder, example, terminal.environ)
        config = folder / "line.toml"
        write_config(config, FirstModel(MODEL, str(repository.bare)))
        view.title("Starting the line on this machine")
        with demo_line(config, terminal.environ) as (line, path):
            hook = HookSettings(MODEL, line_file=str(path), command=(sys.executable, "-m", "pushline.cli"))
            repository.install_hook(post_receive(hook))
            address = f"{line.host}:{line.port('predictor', 'grpc')}"
            view.row("broker", f"{line.kafka} (Kafka protocol, embedded)")
            view.row("store", f"{line.store.endpoint} (S3 protocol, embedded)")
            view.row("predictions", f"{address} (gRPC)")
            view.row("history", line.url("auditor", "http", "/"))
            with open_line(line) as seen:
                yield Stage(seen, repository, address, view)


def _first_commit(stage: Stage) -> tuple[str, float, Digits]:
    stage.view.title("git push: a first model of handwritten digits")
    sha = stage.repository.commit("Recognise handwritten digits")
    began = _push(stage)
    follow(stage.seen, sha, stage.view)
    digits = _digits(stage.seen, sha)
    number = int(np.flatnonzero(np.asarray(digits.y).ravel() == 7)[:1].sum())  # noqa: PLR2004 - a seven is easy to see
    answer = _answer(stage, digits.x[number : number + 1], sha)
    seconds = time.monotonic() - began
    stage.view.title("A prediction from the live endpoint")
    stage.view.prediction(answer, digits.x[number], digits.y[number])
    return sha, seconds, digits


def _second_commit(stage: Stage, digits: Digits, first: str) -> tuple[str, list[Any], float]:
    stage.view.title("git push: a better model, while predictions go on")
    stage.repository.improve()
    sha = stage.repository.commit("More neurons")
    with Load(stage.address, MODEL, digits.x) as load_:
        _until(lambda: load_.answered_by(first) >= LEAST_AROUND)
        pushed = _push(stage)
        follow(stage.seen, sha, stage.view)
        _until(lambda: load_.answered_by(sha) >= LEAST_AROUND * 3 // 2)
        shots = load_.shots
    return sha, shots, pushed


def _push(stage: Stage) -> float:
    """Give the moment at which the push began."""
    stage.view.start_clock()
    began = time.monotonic()
    stage.repository.push()
    return began


def _until(reached: Any, seconds: float = LOAD_SECONDS) -> None:  # noqa: ANN401 - a callable that says whether
    deadline = time.monotonic() + seconds
    while not reached() and time.monotonic() < deadline:
        time.sleep(0.02)


def _answer(stage: Stage, row: npt.NDArray[Any], sha: str) -> Answer:
    """Ask until the commit answers: `served` is told in the moment of the swap."""
    deadline = time.monotonic() + ANSWER_SECONDS
    with Client(stage.address) as client:
        while True:
            try:
                answer = client.predict(row, MODEL)
            except PredictionFailed as error:
                raise Said(f"The live endpoint says {error.code}: {error.sentence}", Exit.FAILED) from None
            if answer.commit == sha:
                return answer
            if time.monotonic() > deadline:
                raise Said(f"Commit {answer.commit[:10]} answers, not {sha[:10]}.", Exit.FAILED)


def _digits(seen: OpenLine, sha: str) -> Digits:
    """The images that the model was judged on: the frozen evaluation set of its run."""
    with seen.tail.read() as ledger:
        run = next(run for run in ledger.runs.values() if run.commit.sha == sha)
        wanted = run.trained.event.manifest_sha256 if run.trained else ""
    with seen.store.fetch(keys.manifest(MODEL, run.run_id, wanted), wanted) as path:
        dataset = load(path.read_bytes()).dataset
    if dataset is None:
        raise Said("The run has no evaluation set.", Exit.FAILED)
    with seen.store.fetch(keys.dataset(MODEL, dataset.sha256), dataset.sha256) as path, np.load(path, allow_pickle=False) as held:
        name = next(name for name in held.files if name.partition(".")[0] == "x")
        return Digits(held[name], held["y"])


def _live_commit(seen: OpenLine) -> str:
    with seen.tail.read() as ledger:
        live = ledger.line(MODEL).live
        return live[0].commit.sha if live else ""


def _plain(told: Figures, seconds: list[float], shas: list[str], wrong: list[str], took: float) -> dict[str, Any]:
    plain = asdict(told)
    plain.pop("first_answer_of_second")
    commits = [{"sha": sha, "seconds_to_live": round(second, 2)} for sha, second in zip(shas, seconds, strict=True)]
    return {**plain, "commits": commits, "passed": not wrong, "shortcomings": wrong, "seconds": round(took, 1)}
