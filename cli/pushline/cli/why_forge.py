"""A commit that the line has never seen: what the git host says of it. Only repositories that the operator configured are asked."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from pushline.cli.exits import Exit, Said
from pushline.cli.line_file import LineFile
from pushline.line.why import Answer
from pushline.runtime.git_access import GitAccess
from pushline.runtime.git_command import ForgeUnavailable, redact
from pushline.runtime.git_heads import ALL_BRANCHES, heads, open_git
from pushline.runtime.operator_file import OperatorFileError, read_operator_file

ASK_SECONDS = 15.0
MOST_NAMED = 3
EMIT = "pushline emit --model {model} --sha {sha}"


@dataclass(frozen=True, slots=True)
class Watched:
    """A branch that the line follows."""

    model: str
    repository: str
    branch: str
    access: GitAccess
    interval_seconds: float  # 0: not known here


def never_seen(environ: Mapping[str, str], line: LineFile, sha: str, model: str = "") -> Answer:
    """Raises Said where the operator's file cannot be read, or knows no such model."""
    watched = [each for each in watched_models(environ, line) if model in {"", each.model}]
    if model and not watched:
        raise Said(f"This line watches no model {model!r}.", Exit.NOT_FOUND)
    said = [_ask(each, sha) for each in watched]
    known = [each for each in said if each.found]
    words = [each.sentence for each in known or said]
    if not watched:
        words = ["It is not known here which repositories the line follows: name the operator's file by PUSHLINE_CONFIG."]
    steps = [EMIT.format(model=each.model, sha=each.sha) for each in known if each.is_watched]
    return Answer("never_seen", " ".join([f"The line has never seen {sha[:12]}.", *words]), (), tuple(steps), model, sha)


def watched_models(environ: Mapping[str, str], line: LineFile) -> list[Watched]:
    """Give what the operator's file says, which knows how to get in; else what the line's own file says."""
    file = environ.get("PUSHLINE_CONFIG")
    if not file:
        return [Watched(name, each.repository, each.branch, GitAccess(), 0) for name, each in sorted(line.models.items())]
    try:
        models = read_operator_file(Path(file), secrets=False).models
    except OperatorFileError as error:
        raise Said(str(error), Exit.BAD_FILE) from None
    return [Watched(each.name, each.repository, each.branch, each.access, each.reconcile_interval_seconds) for each in models]


@dataclass(frozen=True, slots=True)
class _Word:
    model: str
    sha: str
    sentence: str
    found: bool
    is_watched: bool = False


def _ask(watched: Watched, sha: str) -> _Word:
    where = f"{redact(watched.repository)}"
    try:
        with TemporaryDirectory(prefix="pushline-why-") as folder:
            known, git = open_git(watched.repository, watched.access, Path(folder))
            branches = heads(known, git, ALL_BRANCHES, ASK_SECONDS)
    except ForgeUnavailable as error:
        return _Word(watched.model, sha, f"Whether it was pushed is not known: {error}.", found=False)
    pointing = {name: head for name, head in branches.items() if head.startswith(sha)}
    if watched.branch in pointing:
        full = pointing[watched.branch]
        said = f"It is the head of branch {watched.branch} of {where} now: the trainer should see it {_soon(watched)}."
        return _Word(watched.model, full, said, found=True, is_watched=True)
    if pointing:
        names = ", ".join(sorted(pointing)[:MOST_NAMED])
        said = f"It is the head of {names} of {where}; {watched.model} follows branch {watched.branch}."
        return _Word(watched.model, sha, said, found=True)
    return _Word(watched.model, sha, " ".join(_on_no_head(watched, where, branches)), found=False)


def _soon(watched: Watched) -> str:
    return (
        f"within {watched.interval_seconds:g} s (reconcile_interval)" if watched.interval_seconds else "within reconcile_interval"
    )


def _on_no_head(watched: Watched, where: str, branches: Mapping[str, str]) -> Iterator[str]:
    head = branches.get(watched.branch)
    if head is None:
        yield f"No branch of {where} points to it, and there is no branch {watched.branch}, which {watched.model} follows."
        return
    yield f"No branch of {where} points to it: {watched.branch}, which {watched.model} follows, is at {head[:10]}."
    yield "It was not pushed, or it was pushed together with newer ones: under the policy `latest` the head alone becomes a run."
