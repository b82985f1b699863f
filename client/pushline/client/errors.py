"""Why a prediction did not come.

PredictionFailed
├── BadRequest          the input does not fit the model; `str()` names the field
├── ModelNotFound
├── Unavailable         no predictor answers there, or nothing is deployed yet; was tried again already
├── Overloaded          too large, or too much at once
└── DeadlineExceeded
"""


class PredictionFailed(Exception):
    """Root of the errors of this package. `code` is gRPC's name of what happened."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code, self.sentence = code, sentence


class BadRequest(PredictionFailed):
    """The input does not fit the model."""


class ModelNotFound(PredictionFailed):
    """The predictor does not serve this model."""


class Unavailable(PredictionFailed):
    """No predictor answers, or it has nothing to serve yet."""


class Overloaded(PredictionFailed):
    """The request is too large, or the predictor has too much to do."""


class DeadlineExceeded(PredictionFailed):
    """No answer came in time."""


BY_CODE: dict[str, type[PredictionFailed]] = {
    "INVALID_ARGUMENT": BadRequest,
    "NOT_FOUND": ModelNotFound,
    "UNAVAILABLE": Unavailable,
    "RESOURCE_EXHAUSTED": Overloaded,
    "DEADLINE_EXCEEDED": DeadlineExceeded,
}
