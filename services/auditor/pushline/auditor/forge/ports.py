"""What is asked of a forge, and of who makes a report's text. Adapters are github.py, gitlab.py, gitea.py and reports.py."""

from dataclasses import dataclass
from typing import Protocol

from pushline.line.events import ModelEvaluated


class ForgeError(Exception):
    """Root of what a forge answers instead of doing what it was asked."""


class Trouble(ForgeError):
    """The forge cannot be reached, or says that it cannot answer now. What was asked may have been done. Try again."""

    def __init__(self, sentence: str, *, everywhere: bool = True) -> None:
        super().__init__(sentence)
        self.everywhere = everywhere  # no other call would fare better just now


class Limited(ForgeError):
    """Too many calls: no further one before so many seconds have passed."""

    def __init__(self, sentence: str, seconds: float) -> None:
        super().__init__(sentence)
        self.seconds = seconds


class Refused(ForgeError):
    """The forge will not do it, however often it is asked: a right is missing, the project or commit is not there."""

    def __init__(self, sentence: str, *, of_rights: bool = False) -> None:
        super().__init__(sentence)
        self.of_rights = of_rights  # whoever grants them makes it work, for other commits too


class NoPlace(ForgeError):
    """There is no place for a comment on the commit at this forge."""


class StoreAway(Exception):
    """The report cannot be read now. Try again."""


@dataclass(frozen=True, slots=True)
class Status:
    """`state` is pending | success | failure | error; an adapter knows what its forge calls them."""

    state: str
    stage: str
    description: str
    url: str


@dataclass(frozen=True, slots=True)
class Comment:
    id: str
    body: str


class Forge(Protocol):
    """One project at a forge. Every method raises ForgeError; each call has an end, in bytes and in seconds."""

    longest_description: int  # characters
    longest_comment: int

    def stands(self, sha: str, status: Status) -> bool | None:
        """Say whether our status of the commit is just this one; None where there is none of ours."""
        ...

    def say(self, sha: str, status: Status) -> None:
        """Set the status. A repeat is harmless."""
        ...

    def comments(self, sha: str, marker: str) -> list[Comment]:
        """Give our own comments that begin with the marker, the oldest first. Raises NoPlace."""
        ...

    def comment(self, sha: str, body: str) -> None: ...

    def edit(self, sha: str, comment: Comment, body: str) -> None: ...

    def remove(self, sha: str, comment: Comment) -> None:
        """Remove a comment; one that is gone is no error."""
        ...

    def close(self) -> None: ...


class Reports(Protocol):
    def text(self, event: ModelEvaluated, links: dict[str, str], /) -> str:
        """Give the report as Markdown. Raises StoreAway."""
        ...
