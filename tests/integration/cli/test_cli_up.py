"""`pushline up` and the commands that look at it, as processes, as a person starts them. One line for all tests of this file."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pushline.cli.exits import Exit
from pushline.cli.hooks import HookSettings, post_receive
from tests.waiting import until

PUSHLINE = (sys.executable, "-m", "pushline.cli")
GIT = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}
SCRIPT = "print('about to fail', flush=True)\nraise RuntimeError('the data is gone')\n"
pytestmark = pytest.mark.timeout(180)


@dataclass(frozen=True, slots=True)
class Line:
    process: "subprocess.Popen[str]"
    folder: Path

    @property
    def file(self) -> Path:
        return self.folder / "state" / "line.json"

    def run(self, *arguments: str, line: bool = True) -> "subprocess.CompletedProcess[str]":
        named = ["--line", str(self.file)] if line else []
        return pushline([*arguments, *named], self.folder)

    def told(self, *arguments: str) -> Any:
        done = self.run(*arguments, "--json")
        assert done.returncode == Exit.OK, done.stderr
        return json.loads(done.stdout)

    def git(self, *arguments: str) -> str:
        command = ["git", "-C", str(self.folder / "clone"), "-c", "user.name=T", "-c", "user.email=t@example.com", *arguments]
        done = subprocess.run(command, env={**os.environ, **GIT}, capture_output=True, text=True, check=False)  # noqa: TID251 - PATH
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr


def pushline(arguments: Sequence[str], folder: Path, **environ: str) -> "subprocess.CompletedProcess[str]":
    everything = {**os.environ, **environ}  # noqa: TID251 - a child needs PATH
    return subprocess.run(
        [*PUSHLINE, *arguments], cwd=folder, env=everything, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Line]:
    folder = tmp_path_factory.mktemp("up")
    subprocess.run(["git", "init", "-q", "--bare", "--initial-branch=main", str(folder / "digits.git")], check=True)
    subprocess.run(["git", "clone", "-q", str(folder / "digits.git"), str(folder / "clone")], check=True, capture_output=True)
    wrote = pushline(["up", "--write-config", "line.toml", "--repository", "digits.git", "--model", "digits"], folder)
    assert wrote.returncode == Exit.OK, wrote.stderr
    process = subprocess.Popen(
        [*PUSHLINE, "up", "line.toml", "--free-ports", "--json"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        assert process.stderr is not None
        said = process.stdout.readline()
        assert said, process.stderr.read()
        yield Line(process, folder)
        children = descendants(process.pid)
        process.terminate()
        assert process.wait(30) == Exit.OK
    assert len(children) >= 7
    assert not (folder / "state").exists()
    assert [pid for pid in children if alive(pid)] == []


def test_line_json_is_for_its_owner_alone(line: Line) -> None:
    assert line.file.stat().st_mode & 0o777 == 0o600


def test_an_empty_line_says_so(line: Line) -> None:
    assert line.told("status") == []
    assert line.told("runs") == []
    assert line.run("runs").stdout == "No run yet: nothing has been pushed.\n"


def test_doctor_finds_every_service_ready(line: Line) -> None:
    found = {finding["what"]: finding["state"] for finding in line.told("doctor")}

    services = ("broker", "store", "trainer", "evaluator", "deployer", "auditor")
    assert {name: found[name] for name in services} == dict.fromkeys(services, "ok")
    assert found["predictor"] == "warning"  # nothing is deployed yet


def test_a_push_becomes_a_run_that_the_commands_show(line: Line) -> None:
    hook = line.folder / "digits.git" / "hooks" / "post-receive"
    hook.write_text(post_receive(HookSettings("digits", line_file=str(line.file), command=PUSHLINE)))
    hook.chmod(0o755)
    (line.folder / "clone" / "train.py").write_text(SCRIPT)
    line.git("add", "train.py")
    line.git("commit", "-qm", "A script that fails")
    sha = line.git("rev-parse", "HEAD").strip()

    said = line.git("push", "origin", "HEAD:main")

    (run,) = line.told("runs")
    assert f"run {run['run_id']}" in said
    assert run["commit"] == sha
    followed = line.run("logs", sha[:8], "-f")
    assert "about to fail" in followed.stdout
    assert "the data is gone" in followed.stdout
    (ended,) = line.told("runs", "--model", "digits")
    assert (ended["outcome"], ended["reason"]) == ("failed", "script_failed")
    lines = [json.loads(text) for text in line.run("audit", "tail", "--json").stdout.splitlines()]
    assert [(told["topic"], told["verdict"]) for told in lines] == [("commit", "valid"), ("trained", "valid")]
    again = json.loads(line.run("emit", "--model", "digits", "--sha", sha, "--json").stdout)
    assert [(told["status"], told["answer"]["run_id"]) for told in again] == [(202, run["run_id"])]


def test_push_commits_pushes_and_follows_the_run_to_its_end(line: Line) -> None:
    clone = line.folder / "clone"
    (clone / "train.py").write_text(f"{SCRIPT}# again\n")
    line.git("branch", "--set-upstream-to=origin/main")
    person = {f"GIT_{who}_{what}": "t@example.com" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}

    done = pushline(["push", "-m", "Still fails", "--line", str(line.file)], clone, **GIT, **person)

    sha = line.git("rev-parse", "HEAD").strip()
    assert done.returncode == Exit.RUN_FAILED, done.stderr
    assert [
        word
        for word in (f"committed {sha[:10]}", f"pushed {sha[:10]}", "about to fail", "failed (script_failed)")
        if word not in done.stdout
    ] == []
    assert done.stderr.count("\n") == 1
    assert "failed (script_failed): " in done.stderr
    again = pushline(["push", "--json", "--line", str(line.file)], clone, **GIT)
    assert again.returncode == Exit.RUN_FAILED
    first, *_, last = [json.loads(text) for text in again.stdout.splitlines()]
    assert (first["pushed"], first["said"]) == (sha, [f"nothing to push: origin main is at {sha[:10]} already"])
    assert last["ended"]["exit_code"] == Exit.RUN_FAILED


def test_a_rerun_is_a_run_of_its_own_and_waited_for(line: Line) -> None:
    before = line.told("runs")

    done = line.run("rerun", before[0]["commit"][:8], "--reason", "perhaps now", "--wait")

    assert done.returncode == Exit.RUN_FAILED, done.stderr
    newest, *rest = line.told("runs")
    assert rest == before
    assert (newest["attempt"], newest["outcome"]) == (2, "failed")
    assert line.run("wait", newest["run_id"]).returncode == Exit.RUN_FAILED


def test_a_hint_of_another_commit_is_ignored_with_a_sentence(line: Line) -> None:
    done = line.run("emit", "--model", "digits", "--sha", "a" * 40)

    assert done.returncode == Exit.OK
    assert "ignored: " in done.stdout


def test_a_wrong_secret_is_refused(line: Line) -> None:
    secret = line.folder / "wrong"
    secret.write_text("x" * 32)
    told = json.loads(line.file.read_text())
    url = f"http://{told['host']}:{told['ports']['trainer']['webhook']}"

    done = line.run("emit", "--model", "digits", "--sha", "a" * 40, "--url", url, "--secret-file", str(secret), line=False)

    assert done.returncode == Exit.REFUSED
    assert "refused the signature" in done.stderr


def test_a_prediction_without_a_model_is_a_sentence(line: Line) -> None:
    (line.folder / "rows.json").write_text("[[0, 1]]")

    done = line.run("predict", "rows.json", "--model", "digits")

    assert done.returncode == Exit.UNREACHABLE
    assert "Traceback" not in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_rollback_without_a_deployment_is_refused(line: Line) -> None:
    done = line.run("rollback", "--model", "digits", "--reason", "try")

    assert done.returncode == Exit.NOT_FOUND
    assert "Traceback" not in done.stderr


def test_a_second_line_in_the_same_folder_is_refused(line: Line) -> None:
    done = pushline(["up", "line.toml", "--free-ports"], line.folder)

    assert done.returncode == Exit.BAD_FILE
    assert "A line runs in" in done.stderr


def test_the_settings_in_the_environment_find_the_line_too(line: Line) -> None:
    told = json.loads(line.file.read_text())
    store = told["store"]
    environ = {
        "PUSHLINE_KAFKA": told["kafka"],
        "PUSHLINE_S3_ENDPOINT": store["endpoint"],
        "PUSHLINE_S3_ACCESS_KEY": store["access_key"],
        "PUSHLINE_S3_SECRET_KEY": store["secret_key"],
    }

    done = pushline(["runs", "--json"], line.folder.parent, **environ)

    assert done.returncode == Exit.OK, done.stderr
    assert json.loads(done.stdout) == line.told("runs")


def test_the_services_secrets_are_in_no_command_line(line: Line) -> None:
    told = json.loads(line.file.read_text())

    commands = subprocess.run(["ps", "-eo", "args="], capture_output=True, text=True, check=True).stdout

    assert told["emit_secret"] not in commands
    assert told["store"]["secret_key"] not in commands


def test_a_killed_line_leaves_no_process_and_the_next_one_starts_and_stops_by_ctrl_c(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", "--bare", str(tmp_path / "m.git")], check=True)
    pushline(["up", "--write-config", "line.toml", "--repository", "m.git", "--model", "m"], tmp_path)
    command = [*PUSHLINE, "up", "line.toml", "--free-ports", "--json"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        children = descendants(process.pid)

        process.kill()

    until(lambda: not [pid for pid in children if alive(pid)], what="the end of every process")
    assert pushline(["status"], tmp_path).returncode == Exit.UNREACHABLE
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == Exit.OK
    assert not (tmp_path / "state").exists()


def descendants(pid: int) -> list[int]:
    told = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    parents = {int(row.split()[0]): int(row.split()[1]) for row in told.splitlines()}
    found = [pid]
    for parent in found:
        found.extend(child for child, of in parents.items() if of == parent and child not in found)
    return found[1:]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
