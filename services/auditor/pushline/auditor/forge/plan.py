"""What is to be written next about one model's commits, and what is remembered of what was. Knows no forge, thread or clock.

The memory is an optimisation: after a start, or when a partition of another replica is taken over, it is empty, and the forge is
asked. Then an ended commit is written only where the forge shows that this model's commits were told there before: itself, or an
older one. So nothing old is told at the first start, and nothing is missing after a day without an auditor.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from pushline.auditor.forge.word import Word, newest_first
from pushline.line.patience import FORGE_WORD

ASKED_ABOUT = 20  # ended commits, the newest, of which the forge is asked after a start
FIRST_BACK_OFF_SECONDS, LONGEST_BACK_OFF_SECONDS = FORGE_WORD.first_seconds, FORGE_WORD.longest_seconds
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
        self._back_off: dict[Key, float] = {}  # of what was tried in vain, and when it may be tried again
        self._not_before: dict[Key, float] = {}
        self._later: dict[Key, float] = {}
        self._to_ask: deque[Word] = deque()
        self._missing: list[Word] = []  # asked about and not known to the forge, nor was any older one yet
        self._begun = self._known = self._may_not_ask = False

    @property
    def due(self) -> int:
        return len(self._since)

    @property
    def refused(self) -> int:
        return len(self._refused)

    def with_whats(self, whats: tuple[str, ...]) -> "Plan":
        """Give what to go on with where other things are wished for: nothing of old is told because of it."""
        return self if whats == self._whats else Plan(whats)

    def see(self, words: Mapping[str, Word], now: float) -> None:
        """Take in what is to stand at the forge."""
        self._words = words
        if not self._begun:
            self._begin()
        for sha, word in words.items():
            for what in self._whats:
                if self._settled.get((sha, what)) != word:
                    self._since.setdefault((sha, what), now)
        for key in [key for key, at in self._later.items() if at <= now]:
            del self._later[key]
            self._since.setdefault(key, now)
        for memory in (self._settled, self._since, self._refused, self._later, self._back_off, self._not_before):
            for key in [key for key in memory if key[0] not in words]:
                del memory[key]

    def next(self, now: float) -> Step | None:
        """Give what is due of the newest commit, its status first; then what to ask the forge about."""
        order = {sha: at for at, sha in enumerate(self._words)}
        due = [key for key in self._since if self._not_before.get(key, now) <= now]
        if due:
            sha, what = max(due, key=lambda key: (order[key[0]], key[1] == "status"))
            return Step(what, self._words[sha], self._since[sha, what])
        return self._question(now)

    def _question(self, now: float) -> Step | None:
        """Ask from the newest on, and none before the one in front of it was answered."""
        if self._may_not_ask or not self._to_ask:
            return None
        word = self._to_ask[0]
        return Step("ask", word) if self._not_before.get((word.sha, "ask"), now) <= now else None

    def next_at(self) -> float | None:
        """Give when there is something to do again, should nothing happen."""
        asks = not self._may_not_ask and bool(self._to_ask)
        question = (self._to_ask[0].sha, "ask") if asks else None
        waiting = (at for key, at in self._not_before.items() if key in self._since or key == question)
        return min([*self._later.values(), *waiting], default=None)

    def in_vain(self, step: Step, now: float) -> None:
        """It is to be tried again, later; others first."""
        key = (step.word.sha, step.what)
        wait = self._back_off.get(key, FIRST_BACK_OFF_SECONDS)
        self._back_off[key] = min(2 * wait, LONGEST_BACK_OFF_SECONDS)
        self._not_before[key] = now + wait

    def settle(self, step: Step, *, refused: bool = False, of_rights: bool = False) -> None:
        """It stands at the forge as it should, or never will."""
        if step.what == "ask":
            self._refused_to_answer(of_rights=of_rights)
            return
        key = (step.word.sha, step.what)
        for memory in (self._since, self._refused, self._back_off, self._not_before):
            memory.pop(key, None)
        self._settled[key] = step.word
        if refused:
            self._refused[key] = of_rights
        else:
            self._not_before.clear()  # it works again, maybe
            self._rights_are_there(step.what)

    def look_again(self, sha: str, now: float) -> None:
        """Look at the comment once more, later: a second one may have been on its way when it was made."""
        self._later[sha, "comment"] = now + LOOK_AGAIN_SECONDS

    def answered(self, step: Step, stands: bool | None, now: float) -> None:
        """Take what the forge knows of an ended commit: None is nothing."""
        self._forget_question()
        if stands is None:
            self._missing += [] if self._known else [step.word]
            return
        self._known = True
        for word in self._missing:
            self._again(word, self._whats, now)
        self._missing = []
        self._again(step.word, tuple(what for what in self._whats if what == "comment" or not stands), now)

    def retry_refused(self) -> None:
        """Rights, project or token are others now: what was refused is due once more when the words are seen next."""
        self._may_not_ask = False
        for key in list(self._refused):
            del self._refused[key]
            self._settled.pop(key, None)

    def _refused_to_answer(self, *, of_rights: bool) -> None:
        """Without the right to it no other question is answered either; else this commit is gone from there."""
        self._may_not_ask = of_rights
        if not of_rights:
            self._forget_question()

    def _forget_question(self) -> None:
        word = self._to_ask.popleft()
        self._not_before.pop((word.sha, "ask"), None)
        self._back_off.pop((word.sha, "ask"), None)

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
        self._may_not_ask = False
        for key in [key for key, of_rights in self._refused.items() if of_rights and key[1] == what]:
            del self._refused[key]
            self._settled.pop(key, None)
