"""Gates on the evaluation set itself: rows that the training was given too, and rows that stand in it more than once."""

import math
from collections.abc import Iterator

from pushline.evaluator.findings import DataFacts
from pushline.evaluator.judged import SLACK, Judged, no, row, show, usable, yes
from pushline.objects.manifest import Gate

DATA = ("leakage", "duplicates")
MOST_LEAKAGE = 0.5  # where no gate of its own says less
_WHAT = {
    "leakage": "of the evaluation set's rows were given to fit too",
    "duplicates": "of the evaluation set's rows stand in it more than once",
}


def judge_data(gate: Gate, facts: DataFacts | None) -> Judged:
    found = {"leakage": facts.leakage, "duplicates": facts.duplicates} if facts else {}
    most = math.nan if gate.maximum is None else gate.maximum
    return _judge(gate.metric, most, usable(found.get(gate.metric)))


def judge_leakage(facts: DataFacts | None) -> Iterator[Judged]:
    """The default: what is not known is only noted, but a set that is mostly training data says nothing about the model."""
    if facts is not None and facts.leakage is not None:
        yield _judge("leakage", MOST_LEAKAGE, usable(facts.leakage))


def _judge(metric: str, most: float, share: float) -> Judged:
    result = row(metric, "max", most, share)
    if math.isnan(share):
        return no(result, "not_finite", f"{metric} is not known for this run; the gate asks for max {show(most)}")
    said = f"{100 * share:.3g} % {_WHAT[metric]}"
    if not share <= most + SLACK:
        return no(result, metric, f"{said}; the gate allows {100 * most:.3g} %")
    return yes(result, f"{metric}: {said}, within the {100 * most:.3g} % allowed")
