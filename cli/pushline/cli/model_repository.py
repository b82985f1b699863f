"""The clone that `pushline push` is called in: what git says of it, commits and pushes. The user's own git settings hold."""

import subprocess
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pushline.cli.exits import Exit, Said
from pushline.cli.terminal import visible

BRANCHES = "refs/heads/"
LINES_TOLD = 12
SETTINGS = "pushline.toml"


@dataclass(frozen=True, slots=True)
class Upstream:
    """Where the branch is pushed to."""

    remote: str
    url: str
    ref: str  # refs/heads/NAME there

    @property
    def branch(self) -> str:
        return self.ref.removeprefix(BRANCHES)


@dataclass(frozen=True, slots=True)
class Changes:
    """What is not committed."""

    staged: tuple[str, ...]
    changed: tuple[str, ...]  # known to git, changed and not staged
    unknown: tuple[str, ...]  # not known to git


class ModelRepository:
    """Raises Said with one sentence wherever git refuses."""

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        self._environ = {**environ, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
        self._folder = folder
        code, told = self._ask("rev-parse", "--show-toplevel")
        if code != 0:
            raise Said(f"{folder.resolve()} is in no git work tree; go to the clone of the model's repository.", Exit.BAD_FILE)
        self.top = Path(told)

    def head(self) -> str:
        code, told = self._ask("rev-parse", "--verify", "--quiet", "HEAD^{commit}")
        if code != 0:
            raise Said("The repository has no commit yet; make the first one with git add and git commit.", Exit.BAD_FILE)
        return told

    def upstream(self) -> Upstream:
        code, branch = self._ask("symbolic-ref", "--short", "HEAD")
        if code != 0:
            raise Said("HEAD is detached; check out the branch that is to be pushed.", Exit.BAD_FILE)
        remote = self._ask("config", f"branch.{branch}.remote")[1]
        ref = self._ask("config", f"branch.{branch}.merge")[1]
        if not remote or not ref.startswith(BRANCHES):
            raise Said(f"Branch {branch} has no upstream; push it once with git: git push -u origin {branch}", Exit.BAD_FILE)
        return Upstream(remote, self._ask("remote", "get-url", "--push", remote)[1] or remote, ref)

    def changes(self) -> Changes:
        return Changes(
            self._names("diff", "--cached", "--name-only", "-z"),
            self._names("diff", "--name-only", "-z"),
            self._names("ls-files", "--others", "--exclude-standard", "-z"),
        )

    def commit(self, message: str, paths: Sequence[str], *, all_known: bool) -> None:
        """The paths named, new ones too; else what is staged or, with `all_known`, every change of a file that git knows."""
        if paths:
            self._must("add", "--", *paths)
        what = ["--", *paths] if paths else ["--all"] if all_known else []
        self._must("commit", "--quiet", "--message", message, *what)

    def push(self, upstream: Upstream) -> str:
        """Give what git, the remote and its hooks said."""
        code, told = self._ask("push", "--porcelain", upstream.remote, f"HEAD:{upstream.ref}", errors=True)
        if code == 0:
            return told
        if "[rejected]" in told or "[remote rejected]" in told:
            refused = next((line for line in told.splitlines() if line.startswith("!")), "")
            why = refused.rpartition("(")[2].rstrip(")") or "no reason given"
            cure = " Get the newer commits with git pull, then push again." if "fetch first" in told or "non-fast" in told else ""
            raise Said(f"{upstream.remote} refused the push to {upstream.branch} ({_short(why)}).{cure}", Exit.REFUSED)
        raise Said(f"git push to {upstream.remote} failed: {_last(told)}", Exit.FAILED)

    def model_named(self) -> str:
        """Give the model's name in pushline.toml, empty where it names none."""
        try:
            name = tomllib.loads((self.top / SETTINGS).read_text())["model"]["name"]
        except (OSError, ValueError, KeyError, TypeError):
            return ""  # a file that cannot be read is the run's affair
        return name if isinstance(name, str) else ""

    def _names(self, *arguments: str) -> tuple[str, ...]:
        code, told = self._ask(*arguments)  # without its warnings, which are no names
        if code != 0:
            raise Said(f"git {arguments[0]} failed in {self.top}.", Exit.FAILED)
        return tuple(name for name in told.split("\0") if name)

    def _must(self, *arguments: str) -> None:
        code, told = self._ask(*arguments, errors=True)
        if code != 0:
            raise Said(f"git {arguments[0]} failed: {_last(told)}", Exit.FAILED)

    def _ask(self, *arguments: str, errors: bool = False) -> tuple[int, str]:
        try:
            told = subprocess.run(
                ["git", "-C", str(self._folder), *arguments], env=self._environ, stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT if errors else subprocess.DEVNULL, stdin=subprocess.DEVNULL, check=False
            )  # fmt: skip
        except FileNotFoundError:
            raise Said("git is not there; Debian, Ubuntu: apt-get install git", Exit.BAD_FILE) from None
        return told.returncode, told.stdout.decode("utf-8", "replace").strip("\n")


def _last(told: str) -> str:
    """Git's own words, on one line."""
    lines = [line.removeprefix("fatal: ").removeprefix("error: ").strip() for line in told.splitlines()]
    return _short(" / ".join([line for line in lines if line][-3:])) or "git said nothing"


def _short(text: str) -> str:
    return visible(text)[:400]
