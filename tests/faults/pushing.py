"""A git host whose branches move many times a second: the commits are made beforehand, a push is git's own update of the ref."""

import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from tests.e2e.running_line import GIT, Repository, environment

IDENTITY = "A <a@example.com> 1700000000 +0000"
NO_SCRIPT = {"README": "No script: the run fails as soon as it is tried, which is an outcome like any other.\n"}


@dataclass
class Branch:
    """`main` of a bare repository. `moved` has the commits that it pointed to, oldest first."""

    model: str
    commits: Sequence[str]
    address: str  # as the operator's file has it
    updating: "subprocess.Popen[str]"
    moved: list[str] = field(default_factory=list)

    def push(self) -> str:
        """Move the branch to its next commit, as the host does it when a push is in."""
        sha = self.commits[len(self.moved)]
        assert self.updating.stdin is not None
        assert self.updating.stdout is not None
        self.updating.stdin.write(f"start\nupdate refs/heads/main {sha}\nprepare\ncommit\n")
        self.updating.stdin.flush()
        said = [self.updating.stdout.readline() for _ in range(3)]
        assert said[-1] == "commit: ok\n", said
        self.moved.append(sha)
        return sha

    @property
    def is_spent(self) -> bool:
        return len(self.moved) == len(self.commits)


@contextmanager
def branches(
    repositories: Mapping[str, Repository], commits: int, files: Mapping[str, str | bytes] = NO_SCRIPT, git_host: str = ""
) -> Iterator[tuple[Branch, ...]]:
    """Give the branch of each model, with so many commits to be pushed."""
    with ExitStack() as stack:
        made = []
        for model, repository in repositories.items():
            shas = _commits(repository, commits, files)
            command = ["git", "-C", str(repository.bare), "update-ref", "--stdin"]
            updating = stack.enter_context(
                subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**environment(), **GIT})
            )
            made.append(Branch(model, shas, f"{git_host}/{model}.git" if git_host else str(repository.bare), updating))
        yield tuple(made)


def _commits(repository: Repository, number: int, files: Mapping[str, str | bytes]) -> Sequence[str]:
    """Make a line of commits that no branch shows yet, and no other model has."""
    bare, marks = repository.bare, repository.bare / "marks"
    parts = [_commit(repository.model, each, files) for each in range(1, number + 1)]
    command = ["git", "-C", str(bare), "fast-import", "--quiet", f"--export-marks={marks}"]
    subprocess.run(command, input=b"".join(parts), check=True, capture_output=True, env={**environment(), **GIT})
    known = dict(line.split() for line in marks.read_text().splitlines())
    return [known[f":{each}"] for each in range(1, number + 1)]


def _commit(model: str, number: int, files: Mapping[str, str | bytes]) -> bytes:
    head = f"commit refs/made/all\nmark :{number}\nauthor {IDENTITY}\ncommitter {IDENTITY}\n{_data(f'change {number} of {model}')}"
    changes = files if number == 1 else {"number": f"{number}\n"}
    return head.encode() + b"".join(f"M 100644 inline {name}\n".encode() + _blob(content) for name, content in changes.items())


def _data(text: str) -> str:
    return f"data {len(text.encode())}\n{text}\n"


def _blob(content: str | bytes) -> bytes:
    told = content if isinstance(content, bytes) else content.encode()
    return b"data %d\n%s\n" % (len(told), told)
