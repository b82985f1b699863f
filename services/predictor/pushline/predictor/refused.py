"""A request over HTTP that is refused before any model is asked."""

from collections.abc import Mapping


class Refused(Exception):
    def __init__(self, status: int, sentence: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(sentence)
        self.status, self.sentence, self.headers = status, sentence, headers
