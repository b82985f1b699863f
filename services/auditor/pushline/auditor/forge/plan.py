"""What is to be written next about one model's commits, and what is remembered of what was. Knows no forge, thread or clock.

The memory is an optimisation: after a start, or when another replica's partition is taken over, it is empty, and the forge is asked.
Then an ended commit is written only where the forge shows that this model's commits were told there before: itself, or an older
one. So nothing old is told at the first start, and nothing is missing after a day without an auditor.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from pushline.auditor.forge.word import Word, newest_first

ASKED_ABOUT = 20  # ended commits, the newest, of which the forge is asked after a start
LOOK_AGAIN_SECONDS = 15.0  # after a comment was made: by then the call of one that was killed meanwhile is over, too

Key = tuple[str, str]  # SHA, status | comment


@dataclass(frozen=True, slots=True)
class Step:
    what: str  # status | comment | ask
    word: Word
    since: float = 0.0  # when it was first seen that this is to be written


class Plan:
    def __init__(self, whats: tuple[str, ...]) -> None:
        self._whats = whats
        self._words: Mapping[str, Word] = {}
        self._settled: dict[Key, Word] = {}
        self._refused: dict[Key, bool] = {}  # of what is settled; whether rights were missing
        self._since: dict[Key, float] = {}  # of what is due
        self._tried: dict[Key, int] = {}
        self._tries = 0
        self._later: dict[Key, float] = {}
        self._to_ask: deque[Word] = deque()
        self._missing: list[Word] = []  # asked about and not known to the forge, nor was any older one yet
        self._begun = False

    @property
    def due(self) -> int:
        return len(self._since)

    @property
    def refused(self) -> int:
        return len(self._refused)

    def forget(self) -> None:
        self.__init__(self._whats)  # type: ignore[misc]  # as new

    def see(self, words: Mapping[str, Word], now: float) -> None:
        """Take in what is to stand at the forge."""
        self._words = words
        if not self._begun:
            self._begin()
        for sha, word in words.items():
            for what in self._whats:
                if self._settled.get((sha, what)) != word:
                    self._since.setdefault((sha, what), now)
        for key in [key for key in self._since if key[0] not in words]:
            self._drop(key)
        for key in [key for key, at in self._later.items() if at <= now]:
            del self._later[key]
            self._since.setdefault(key, now)

    def next(self) -> Step | None:
        """Give what was tried least recently, of that the newest commit's, its status first; then what to ask the forge about."""
        if self._since:
            order = {sha: at for at, sha in enumerate(self._words)}
            sha, what = min(self._since, key=lambda key: (self._tried.get(key, 0), -order[key[0]], key[1] != "status"))
            return Step(what, self._words[sha], self._since[sha, what])
        return Step("ask", self._to_ask[0]) if self._to_ask else None

    def next_look(self) -> float | None:
        return min(self._later.values(), default=None)

    def tried(self, step: Step) -> None:
        """It was in vain, and is to be tried again, after everything else."""
        self._tries += 1
        self._tried[step.word.sha, step.what] = self._tries
        if step.what == "ask":
            self._to_ask.rotate(-1)

    def settle(self, step: Step, *, refused: bool = False, of_rights: bool = False) -> None:
        """It stands at the forge as it should, or never will."""
        if step.what == "ask":
            self._to_ask.popleft()
            return
        key = (step.word.sha, step.what)
        self._drop(key)
        self._settled[key] = step.word
        if refused:
            self._refused[key] = of_rights
        else:
            self._rights_are_there(step.what)

    def look_again(self, sha: str, now: float) -> None:
        """Look at the comment once more, later: a second one may have been on its way when it was made."""
        self._later[sha, "comment"] = now + LOOK_AGAIN_SECONDS

    def answered(self, step: Step, stands: bool | None, now: float) -> None:
        """Take what the forge knows of an ended commit: None is nothing."""
        self._to_ask.popleft()
        if stands is None:
            self._missing.append(step.word)
            return
        for word in self._missing:
            self._again(word, self._whats, now)
        self._missing = []
        self._to_ask = deque(word for word in self._to_ask)
        self._again(step.word, tuple(what for what in self._whats if what == "comment" or not stands), now)

    def retry_refused(self, now: float) -> None:
        for key in list(self._refused):
            self._retry(key, now)

    def _begin(self) -> None:
        """Hold every ended commit for told, and ask the forge about the newest of them."""
        self._begun = True
        ended = [word for word in newest_first(self._words) if not word.is_open]
        self._settled = {(word.sha, what): word for word in ended for what in self._whats}
        self._to_ask = deque(ended[:ASKED_ABOUT])

    def _again(self, word: Word, whats: tuple[str, ...], now: float) -> None:
        for what in whats:
            if self._settled.get((word.sha, what)) == word:
                del self._settled[word.sha, what]
                self._since.setdefault((word.sha, what), now)

    def _rights_are_there(self, what: str) -> None:
        """Something of the kind could be written, so what was refused for want of rights is worth another try."""
        for key in [key for key, of_rights in self._refused.items() if of_rights and key[1] == what]:
            del self._refused[key], self._settled[key]

    def _retry(self, key: Key, now: float) -> None:
        del self._refused[key], self._settled[key]
        self._since.setdefault(key, now)

    def _drop(self, key: Key) -> None:
        self._since.pop(key, None)
        self._tried.pop(key, None)
        self._refused.pop(key, None)
