"""How long is waited after which trouble, and when somebody gives up: a row a kind of trouble; the code takes its numbers here.

ARCHITECTURE shows the table, and a test holds it against this file; another finds numbers of this kind that stand elsewhere. Waits
double from the first to the longest. Nobody gives up in silence: what ends is an outcome, an answer, or a sentence in /readyz.
"""

from dataclasses import dataclass

FOR_EVER = 0  # tries


@dataclass(frozen=True, slots=True)
class Patience:
    trouble: str
    who: str
    first_seconds: float  # between the first failure and the next try
    longest_seconds: float
    tries: int  # FOR_EVER: it is never given up
    meanwhile: str  # what is said while it lasts, and what becomes of it where it ends


BROKER_AWAY = Patience(
    "the broker is away, slow, or its topics are wrong", "every reader (`tail`)", 1.0, 1.0, FOR_EVER,
    "not ready, the reason named; nothing is started",
)  # fmt: skip
OPEN_WORK = Patience(
    "store, forge, broker or package index is away while a stage works; an append without a report; a defect",
    "trainer, evaluator, deployer (`stage`), a run each", 0.5, 30.0, FOR_EVER,
    "not ready, run and reason named; then `decide` looks at the fold anew",
)  # fmt: skip
FENCED = Patience(
    "another member of the group has this replica's name", "trainer, evaluator, deployer (`kafka_ownership`)", 1.0, 60.0, FOR_EVER,
    "owns nothing; not ready, `PUSHLINE_REPLICA` named",
)  # fmt: skip
LOOK = Patience(
    "the git host or the broker does not answer a look", "trainer (`poller`), a model each", 0.5, 30.0, FOR_EVER,
    "not ready, the model named; a webhook gets 503",
)  # fmt: skip
BEGUN_TRAINING = Patience(
    "a training that was begun and left without a record: its trainer died", "trainer (`tries`)", 20.0, 20.0, 3,
    "the next try begins once the last one stands still; after the last: `failed` (`crashed`)",
)  # fmt: skip
FORGE_WORD = Patience(
    "a forge does not take a status or comment", "auditor (`forge`), a commit each", 0.5, 30.0, FOR_EVER,
    "the auditor stays ready; `notes` at `/readyz` and a metric tell it; a refusal is logged and settled",
)  # fmt: skip
LOAD = Patience(
    "what is to serve cannot be loaded here", "predictor (`rollout`)", 0.5, 60.0, FOR_EVER,
    "keeps what it serves, `stale`; `served` says `failed` and why",
)  # fmt: skip
LOAD_REPORT = Patience(
    "a `served` record cannot be written", "predictor (`reports`)", 0.2, 10.0, FOR_EVER,
    "serves on; of 256 that wait the oldest give way to newer ones",
)  # fmt: skip
FURTHER_PROCESS = Patience(
    "a further process of a predictor ends", "predictor (`workers`)", 0.2, 30.0, FOR_EVER,
    "the others answer; a process that lived for 60 s begins with the first wait",
)  # fmt: skip
SERVICE_PROCESS = Patience(
    "a service of `pushline up` ends", "`pushline up` (`supervisor`)", 0.5, 30.0, FOR_EVER,
    "a line on the terminal; one that lived for 30 s begins with the first wait",
)  # fmt: skip

TABLE = (
    BROKER_AWAY, OPEN_WORK, FENCED, LOOK, BEGUN_TRAINING, FORGE_WORD, LOAD, LOAD_REPORT, FURTHER_PROCESS, SERVICE_PROCESS,
)  # fmt: skip
