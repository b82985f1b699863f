"""What can go wrong here, as facts. Only grpc_api.py knows what a caller is told.

PredictorError
├── RequestError          one request cannot be answered
│   ├── BadRequest        its tensors, its names
│   │   └── NotFiniteInput
│   ├── UnknownModel
│   ├── UnknownVersion
│   ├── NothingDeployed   the model is served here, but there is nothing to serve yet
│   ├── TooLarge
│   ├── MetadataOff       the operator does not want it told
│   ├── Overloaded        too many questions wait for the model
│   ├── ModelUnavailable  what runs the model is being started again
│   ├── NotFinite         the model's own answer is no number
│   └── ModelFailed       the model itself does not run
└── LoadError             one deployment cannot be served here
    ├── LoadRefused       and never will be
    └── LoadPostponed     and may be later
"""


class PredictorError(Exception):
    """Root of the errors of this service."""


class RequestError(PredictorError):
    """One request cannot be answered; the others go on. `of_model` is the model that it found, for who counts."""

    of_model = ""


class BadRequest(RequestError):
    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field, self.problem = field, problem


class NotFiniteInput(BadRequest):
    """NaN or an infinity, where they are refused."""


class UnknownModel(RequestError):
    def __init__(self, model: str) -> None:
        super().__init__(f"model {model[:80]!r} is not served here")
        self.model = model


class UnknownVersion(RequestError):
    def __init__(self, model: str, version: str, served: str) -> None:
        super().__init__(f"model {model!r} has no version {version[:80]!r} here; version {served} is served")
        self.model, self.version, self.served = model, version, served


class NothingDeployed(RequestError):
    def __init__(self, model: str) -> None:
        super().__init__(f"nothing is deployed yet for model {model[:80]!r}" if model else "nothing is deployed yet")
        self.model = model


class MetadataOff(RequestError):
    def __init__(self) -> None:
        super().__init__("metadata is switched off here (PUSHLINE_METADATA)")


class ModelUnavailable(RequestError):
    def __init__(self, model: str, problem: str) -> None:
        super().__init__(f"model {model!r} cannot answer now: {problem}")
        self.model, self.problem = model, problem


class TooLarge(RequestError):
    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field, self.problem = field, problem


class Overloaded(RequestError):
    def __init__(self, model: str, waiting: int) -> None:
        super().__init__(f"{waiting} requests for model {model!r} are worked on and waiting; more are refused")
        self.model = model


class NotFinite(RequestError):
    def __init__(self, output: str) -> None:
        super().__init__(f"the model's output {output} is not a finite number for this input")
        self.output = output


class ModelFailed(RequestError):
    """A program that passed the evaluator and warmed up does not run for a request that fits it."""


class LoadError(PredictorError):
    def __init__(self, reason: str, sentence: str) -> None:
        super().__init__(sentence)
        self.reason, self.sentence = reason, sentence


class LoadRefused(LoadError):
    """The deployment will never be served here as it is; trying again would not help."""


class LoadPostponed(LoadError):
    """The store, the disk or the bytes that came are at fault: try again."""
