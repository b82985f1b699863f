"""Can the verdict be trusted? Simulated pairs of models whose true difference is known, judged by the gates as they are.

    python -m benchmarks.trust [--pairs 1000] [--evaluations 100]

* A candidate that is worse by exactly the margin (max_drop) is promoted in at most alpha of the cases.
* Two models of equal worth are refused in at most beta of the cases, on a set of the size that the formula of power said before.
* A candidate that is worse by two points more than the margin is refused.
* The bounds of every metric's difference, and the interval of every metric, hold the true number as often as they say.
* Evaluating one model again gives the same report, to the byte.

Shares are told with their interval (Clopper and Pearson, 95 %). A share that is truly at its bound is seen above it in half of all
trials, so the goal is that the interval reaches the bound, beside the probability itself where it can be added up without luck.
"""

import argparse
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import binom, binomtest

from benchmarks import intervals
from benchmarks.goals import Goal, at_least, at_most, table
from benchmarks.repeated_evaluations import distinct_reports
from benchmarks.simulated import Classifiers, Pairs, Regressions
from pushline.evaluator.comparison import compare
from pushline.evaluator.findings import Estimate
from pushline.evaluator.gates import Champion, Evidence, judge_gates
from pushline.evaluator.paired import Side, difference, pairs, side
from pushline.evaluator.proportions import Discordance, rows_to_see
from pushline.evaluator.verdict import conclude
from pushline.objects.manifest import Gate

SEED = 20_240_229
CONFIDENCE, POWER = 0.95, 0.95
ALPHA, BETA = 1 - CONFIDENCE, 1 - POWER
MARGIN, DISCORDANT, BEYOND = 0.02, 0.04, 0.02
MANY = 100_000
TRUE_ROWS = 1_000_000
TOLERANCE = 0.025  # of a bootstrap's coverage, at SIZES' last
SIZES = (200, 1_000)
NAMES = {
    "classifiers": (
        "accuracy",
        "balanced_accuracy",
        "precision",
        "recall",
        "f1",
        "f1_weighted",
        "roc_auc",
        "pr_auc",
        "log_loss",
        "brier",
    ),
    "regressions": ("rmse", "mae", "r2"),
}
GATES = (Gate("accuracy", None, None, MARGIN, {}, "repository"),)


@dataclass(frozen=True, slots=True)
class Share:
    """How many of so many cases."""

    found: int
    of: int

    @property
    def value(self) -> float:
        return self.found / self.of

    @property
    def interval(self) -> tuple[float, float]:
        ends = binomtest(self.found, self.of).proportion_ci(0.95, "exact")
        return float(ends.low), float(ends.high)

    def __str__(self) -> str:
        low, high = self.interval
        return f"{self.value:.4f} ({low:.4f} to {high:.4f})"


def verdicts(models: Classifiers, rows: int, count: int, seed: int) -> list[str]:
    """Judge so many pairs by the gates, each on rows of its own."""
    return [_verdict(*map(side, models.draw(np.random.default_rng((SEED, seed, at)), rows))) for at in range(count)]


def _verdict(candidate: Side, champion: Side) -> str:
    comparison = compare(candidate, champion, {"accuracy": MARGIN}, CONFIDENCE)
    now, before = (float(each.rows.correct.mean()) for each in (candidate, champion))
    evidence = Evidence("classification", {"accuracy": Estimate(now)}, Champion({"accuracy": before}), None, comparison=comparison)
    return conclude(judge_gates(GATES, evidence), "").verdict


def promoted(models: Classifiers, rows: int) -> float:
    """Add up the probability that such a candidate passes max_drop: no luck in it."""
    counts = range(int(binom.ppf(1e-10, rows, models.discordant)), int(binom.ppf(1 - 1e-10, rows, models.discordant)) + 1)
    least = [(count, _least_right_alone(count, rows)) for count in counts]
    share = models.only_candidate / models.discordant
    return float(sum(binom.pmf(count, rows, models.discordant) * binom.sf(alone - 1, count, share) for count, alone in least))


def _least_right_alone(discordant: int, rows: int) -> int:
    """Of so many discordant rows, how many the candidate has to have right to pass: found by halving, as the test is monotone."""
    low, high = 0, discordant + 1
    while low < high:
        middle = (low + high) // 2
        if Discordance(middle, discordant - middle, rows).bound(CONFIDENCE) > -MARGIN:
            high = middle
        else:
            low = middle + 1
    return low


def promoted_of(models: Classifiers, rows: int, count: int) -> Share:
    """Judge so many pairs by their discordant rows alone, which are all that max_drop on accuracy looks at."""
    random = np.random.default_rng((SEED, rows))
    discordant = random.binomial(rows, models.discordant, count)
    alone = random.binomial(discordant, models.only_candidate / models.discordant)
    least = {each: _least_right_alone(each, rows) for each in set(discordant.tolist())}
    return Share(sum(right >= least[each] for right, each in zip(alone.tolist(), discordant.tolist(), strict=True)), count)


def decisions(count: int) -> Iterator[Goal]:
    """Promotions at the margin, refusals of equals, refusals beyond the margin."""
    rows = math.ceil(rows_to_see(MARGIN, DISCORDANT, CONFIDENCE, POWER))
    print(f"max_drop {MARGIN}, confidence {CONFIDENCE}; {DISCORDANT:.0%} of the rows tell the two models apart.")
    print(f"Said beforehand: {rows} rows let equals pass in {POWER:.0%} of the cases.\n")
    kinds = {
        "exactly at the margin": Classifiers((DISCORDANT - MARGIN) / 2, (DISCORDANT + MARGIN) / 2),
        "of equal worth": Classifiers(DISCORDANT / 2, DISCORDANT / 2),
        "2 points beyond the margin": Classifiers((0.05 - MARGIN - BEYOND) / 2, (0.05 + MARGIN + BEYOND) / 2),
    }
    said = {name: verdicts(models, rows, count, seed) for seed, (name, models) in enumerate(kinds.items())}
    print(f"### Verdicts on {count} pairs each\n\n| the candidate is | accepted | inconclusive | rejected | accepted, added up |")
    print("|---|---|---|---|---|")
    for name, found in said.items():
        told = " | ".join(str(Share(found.count(word), count)) for word in ("accepted", "inconclusive", "rejected"))
        print(f"| {name} | {told} | {promoted(kinds[name], rows):.4f} |")
    print(flush=True)
    at_margin, equals, beyond = ([word == "accepted" for word in found] for found in said.values())
    yield at_most("promoted at exactly the margin: probability", ALPHA, promoted(kinds["exactly at the margin"], rows))
    yield at_most(f"likewise of {count} pairs: lower end", ALPHA, Share(sum(at_margin), count).interval[0])
    more = promoted_of(kinds["exactly at the margin"], rows, MANY)
    yield at_most(f"likewise of {MANY} pairs, by their discordant rows alone", ALPHA, more.value)
    yield at_most("equals refused: probability", BETA, 1 - promoted(kinds["of equal worth"], rows))
    yield at_most(f"likewise of {count} pairs: lower end", BETA, Share(count - sum(equals), count).interval[0])
    yield at_least(f"2 points beyond the margin, refused of {count} pairs", 0.95, 1 - sum(beyond) / count)


def differences(models: Pairs, rows: int, count: int, true: dict[str, float]) -> dict[str, tuple[Share, Share]]:
    """Of each metric: how often the lower bound of the difference lies above the true one, and the upper one below it.

    The first is the chance of promotion at exactly the margin, whatever metric the gate names (of an error the second).
    """
    missed = {name: [0, 0] for name in true}
    for at in range(count):
        candidate, champion = map(side, models.draw(np.random.default_rng((SEED, rows, at)), rows))
        for name, pair in pairs(candidate, champion, list(true)).items():
            found = difference(pair, CONFIDENCE)
            missed[name][0] += found.low is None or found.low > true[name]
            missed[name][1] += found.high is None or found.high < true[name]
    return {name: (Share(low, count), Share(high, count)) for name, (low, high) in missed.items()}


def true_differences(models: Pairs) -> dict[str, float]:
    candidate, champion = (side(rows).summed.sums.point() for rows in models.draw(np.random.default_rng(SEED), TRUE_ROWS))
    return {name: candidate[name] - champion[name] for name in NAMES[models.name]}


def bounds(count: int) -> Iterator[Goal]:
    """Coverage of the bounds of every metric's difference."""
    for models in (Classifiers(0.03, 0.05), Regressions(1.03)):
        true = true_differences(models)
        found = {rows: differences(models, rows, count, true) for rows in SIZES}
        print(f"### {models.name}: share of {count} pairs whose bound misses the true difference (wanted {ALPHA:.2f})\n")
        print("| metric | true difference | " + " | ".join(f"lower, {rows} rows | upper, {rows} rows" for rows in SIZES) + " |")
        print("|---" * (2 + 2 * len(SIZES)) + "|")
        for name, value in true.items():
            print(f"| {name} | {value:.4f} | " + " | ".join(f"{each}" for rows in SIZES for each in found[rows][name]) + " |")
        print(flush=True)
        name, worst = max(_worst(found[SIZES[-1]]), key=lambda each: each[1])
        yield at_most(
            f"{models.name}: a bound of a difference misses, at most ({name}, {SIZES[-1]} rows)", ALPHA + TOLERANCE, worst
        )


def _worst(found: dict[str, tuple[Share, Share]]) -> Iterator[tuple[str, float]]:
    return ((name, max(low.value, high.value)) for name, (low, high) in found.items())


def metrics(count: int) -> Iterator[Goal]:
    """Coverage of every metric's own interval; benchmarks.intervals has more kinds of sets and sizes."""
    for seed, population in enumerate(intervals.POPULATIONS):
        found = intervals.coverage(population, SIZES[-1], count, seed)
        print(
            f"{population.name}, {count} sets of {SIZES[-1]} rows: "
            + ", ".join(f"{name} {share:.3f}" for name, share in found.items())
        )
        name, least = min(found.items(), key=lambda each: each[1])
        room = intervals.TOLERANCE + 2 * math.sqrt(0.05 * 0.95 / count)
        yield at_least(f"{population.name}: least coverage of an interval ({name})", CONFIDENCE - room, least)
    print(flush=True)


def repeats(count: int) -> Iterator[Goal]:
    yield at_most(f"distinct reports of {count} evaluations of one digest", 1, distinct_reports(count))


def main(words: Sequence[str] | None = None) -> list[Goal]:
    parser = argparse.ArgumentParser()
    parser.add_argument("--pairs", type=int, default=1_000)
    parser.add_argument("--evaluations", type=int, default=100)
    asked = parser.parse_args(words)
    steps: list[tuple[Callable[[int], Iterator[Goal]], int]] = [
        (decisions, asked.pairs),
        (bounds, asked.pairs),
        (metrics, max(asked.pairs // 5, 20)),
        (repeats, asked.evaluations),
    ]
    goals = [goal for step, count in steps for goal in step(count)]
    print(table(goals))
    return goals


if __name__ == "__main__":
    main()
