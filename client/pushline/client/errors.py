"""Why a prediction did not come.

PredictionFailed
├── BadRequest          the input does not fit the model; `str()` names the field
├── ModelNotFound       the predictor does not serve this model, or not in this version
├── Unauthenticated     a token is needed, or this one is not known
├── Unavailable         no predictor answers there, or nothing is deployed yet; was tried again already
├── Overloaded          too large, or too much at once; `retry_after_seconds` where the predictor says when
└── DeadlineExceeded
"""


class PredictionFailed(Exception):
    """Root of the errors of this package. `code` is gRPC's name of what happened."""

    def __init__(self, code: str, sentence: str, retry_after_seconds: float | None = None) -> None:
        super().__init__(sentence)
        self.code, self.sentence = code, sentence
        self.retry_after_seconds = retry_after_seconds  # None: the predictor says nothing about it


class BadRequest(PredictionFailed):
    """The input does not fit the model."""


class ModelNotFound(PredictionFailed):
    """The predictor does not serve this model, or not in this version."""


class Unauthenticated(PredictionFailed):
    """The predictor wants a token, or does not know this one."""


class Unavailable(PredictionFailed):
    """No predictor answers, or it has nothing to serve yet."""


class Overloaded(PredictionFailed):
    """The request is too large, or the predictor has too much to do."""


class DeadlineExceeded(PredictionFailed):
    """No answer came in time."""


BY_CODE: dict[str, type[PredictionFailed]] = {
    "INVALID_ARGUMENT": BadRequest,
    "NOT_FOUND": ModelNotFound,
    "UNAUTHENTICATED": Unauthenticated,
    "UNAVAILABLE": Unavailable,
    "RESOURCE_EXHAUSTED": Overloaded,
    "DEADLINE_EXCEEDED": DeadlineExceeded,
}
