"""README's way from `git clone` to a prediction, run as it stands: in bash, an empty home folder, and a network of its own."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tools.metric_tables import exposed, registries
from tools.readme_tables import SETTINGS
from typer.main import get_command

from pushline.cli.main import make_app
from tests.e2e.readme import CLONED_FROM, README, REPOSITORY, blocks, console_commands, outputs, python_blocks, script
from tests.fixtures.predictor.certificates import Authority
from tests.fixtures.predictor.grpcurl import grpcurl

SECONDS = 120.0
STOCK = {
    "tritonclient": ".venv/interop",
    "kserve": ".venv/interop-kserve",
    "tensorflow_serving": ".venv/interop-tfs",
}  # what a client imports → where it is
SYSTEM_PATH = f"/usr/local/bin:/usr/bin:/bin:{Path(sys.base_prefix) / 'bin'}"  # the last: where no Python is the system's
SCRAPE = """
import json, urllib.request
line = json.load(open("state/line.json"))
ask = lambda port, path: urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10).read().decode()
ports = {service: own.get("metrics") or own["http"] for service, own in line["ports"].items()}
json.dump({service: ask(port, "/metrics") for service, port in ports.items()}, open("metrics.json", "w"))
assert "iris" in ask(8088, "/")
"""


@dataclass(frozen=True, slots=True)
class Walk:
    printed: dict[str, str]
    commits: list[str]  # oldest first
    metrics: dict[str, str]
    folder: Path
    seconds: float

    def answered_by(self) -> list[str]:
        """Give the commits that `pushline predict` named, in order."""
        return re.findall(r"answered by iris commit ([0-9a-f]{10})", "".join(self.printed.values()))


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Walk:
    """Run the chapter, README's Python examples and a look at the metrics. The environment that is here is used again."""
    folder = tmp_path_factory.mktemp("walk")
    for tool in (["install"], ["interop-env"], ["interop-env", "kserve"], ["interop-env", "tfs"]):
        subprocess.run([REPOSITORY / "tools" / tool[0], *tool[1:]], check=True)
    printed, seconds = _run(folder, script(_made_like_this(folder), _added(folder)))
    told = subprocess.run(
        ["git", "-C", str(folder / "iris"), "log", "--reverse", "--format=%H"], check=True, capture_output=True, text=True
    )
    metrics = json.loads((folder / "metrics.json").read_text())
    return Walk(outputs(printed), told.stdout.split(), metrics, folder, seconds)


def _run(folder: Path, text: str) -> tuple[str, float]:
    (folder / "home").mkdir()
    Authority().write(folder)  # ca.pem, which like the token is a user's own
    (folder / "token").write_text("a-token-of-32-characters-or-more")
    (folder / "walk.sh").write_text(text)
    environ = {
        "HOME": str(folder / "home"),
        "PATH": f"{SYSTEM_PATH}:{grpcurl().parent}",
        "GIT_CONFIG_COUNT": "1",  # the one thing that README cannot know: where its repository lies
        "GIT_CONFIG_KEY_0": f"url.{REPOSITORY}.insteadOf",
        "GIT_CONFIG_VALUE_0": CLONED_FROM,
    }
    alone = ["bwrap", "--unshare-net", "--dev-bind", "/", "/", "--die-with-parent", "--chdir", str(folder)]
    began = time.monotonic()
    running = subprocess.Popen(
        [*alone, "bash", str(folder / "walk.sh")],
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        printed, _ = running.communicate(timeout=SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(running.pid, signal.SIGTERM)
        printed, _ = running.communicate(timeout=30)
        pytest.fail(f"README's commands did not end within {SECONDS:g} s:\n{printed}")
    assert running.returncode == 0, printed
    return printed, time.monotonic() - began


def _made_like_this(folder: Path) -> str:
    """Make the clone what the tree under test is, and let it have the environment that is installed here."""
    listed = ["git", "-C", str(REPOSITORY), "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.run(listed, check=True, capture_output=True).stdout.decode().split("\0")
    for name in (name for name in names if name and (REPOSITORY / name).is_file()):
        target = folder / "tree" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(REPOSITORY / name, target)
    return f"cp -a tree/. pushline/\nln -s {shlex.quote(str(REPOSITORY / '.venv'))} pushline/.venv\n"


def _added(folder: Path) -> list[str]:
    """Give README's Python examples, each with the Python that has what it imports, the look at the metrics, and its consoles."""
    added = []
    for number, text in enumerate([*python_blocks(), SCRAPE]):
        path = folder / f"example-{number}.py"
        path.write_text(text)
        environment = next((where for package, where in STOCK.items() if package in text), ".venv")
        added.append(shlex.join([str(REPOSITORY / environment / "bin" / "python"), str(path)]))
    return [*added, f"set -v\n{console_commands(('curl', 'grpcurl'))}\nset +v"]


def _number_of(word: str) -> int:
    return next(number for number, text in enumerate(python_blocks(), start=1) if word in text)


@pytest.mark.timeout(240)
def test_the_commands_lead_from_a_clone_to_predictions_of_ones_own_commits(walk: Walk) -> None:
    first, second = (sha[:10] for sha in walk.commits)

    assert walk.answered_by() == [first, second, first]  # the first push, the second one, and after the rollback
    assert any("virginica" in text for text in walk.printed.values())
    assert walk.seconds <= SECONDS


def test_the_python_examples_are_answered_by_the_commit_that_is_live(walk: Walk) -> None:
    printed = {word: walk.printed[f"added {_number_of(word)}"] for word in ("with Client(", "AsyncClient", *STOCK)}
    events = walk.printed[f"added {_number_of('confluent_kafka')}"]

    assert {word for word, text in printed.items() if walk.commits[0] in text} == set(printed)
    of_second = sorted(line.split()[0] for line in events.splitlines() if line.split()[-1:] == [walk.commits[1]])
    assert of_second == ["commit", "deployed", "evaluated", "served", "trained"]


def test_the_commands_of_grpcurl_and_curl_are_answered_as_they_stand(walk: Walk) -> None:
    printed = walk.printed[f"added {len(python_blocks()) + 2}"]

    for said in (
        "inference.GRPCInferenceService",
        "rpc ModelInfer",
        '"status": "SERVING"',
        '"state": "READY"',
        '"predictions": [[',
    ):
        assert said in printed
    assert printed.count(walk.commits[0]) == 3  # ModelInfer, and REST with JSON and with bytes


def test_a_line_that_was_stopped_leaves_nothing_but_what_the_user_made(walk: Walk) -> None:
    ours = {"pushline", "iris", "iris.git", "line.toml", "secrets", "flowers.json", "flower.f32", "ca.pem", "token", "verdict.html"}

    assert {path.name for path in walk.folder.iterdir()} - {"home", "tree", "walk.sh", "metrics.json"} == ours | {
        f"example-{number}.py" for number in range(len(python_blocks()) + 1)
    }


@pytest.mark.parametrize("service", SETTINGS)
def test_the_metrics_in_the_table_are_those_that_the_service_shows(walk: Walk, service: str) -> None:
    shown = dict(re.findall(r"^# HELP (pushline_\S+) (.*)$", walk.metrics[service], re.MULTILINE))

    told = {name: sentence for name, sentence in shown.items() if not name.endswith("_created")}  # when a series began
    assert told == exposed(registries(one_process=True)[service])


def _named_commands() -> dict[str, list[str]]:
    """Every `pushline …` that README writes, in its blocks and in its text, as words."""
    shell = "\n".join(block.text for block in blocks() if block.language in {"sh", ""})
    code = [*shell.splitlines(), *re.findall(r"`([^`\n]+)`", README)]
    parts = [part.strip() for text in code for part in re.split(r"[;&|]|\$\(", text)]
    return {part: part.replace('"', " ").split()[1:] for part in parts if part.startswith("pushline ")}


@pytest.mark.parametrize("text", _named_commands())
def test_every_command_and_option_that_readme_names_exists(text: str) -> None:
    words: list[str] = _named_commands()[text]
    command: Any = get_command(make_app())
    while words and words[0] in getattr(command, "commands", {}):
        command = command.commands[words.pop(0)]

    assert not hasattr(command, "commands"), "there is no such command"
    assert {word for word in words if word.startswith("-")} <= _options(command)


def test_every_option_that_readme_names_alone_exists() -> None:
    named = {word for code in re.findall(r"`(--[^`\n]+)`", README) for word in code.split() if word.startswith("--")}
    group: Any = get_command(make_app())
    known = set().union(*(_options(command) for command in group.commands.values()))

    others = {"--security-opt", "--grpc-port", "--small"}  # of Docker, of python -m pushline.predictor, of the campaigns
    assert named - others <= known


def _options(command: Any) -> set[str]:
    return {option for parameter in command.params for option in parameter.opts} | {"--help", "-h"}
