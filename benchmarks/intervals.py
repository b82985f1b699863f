"""How often the interval of each metric holds the true number, over simulated sets whose true number is known.

    python -m benchmarks.intervals [--sets 1000] [--rows 200 1000]

The true number is that of 1,000,000 rows of the same making. Wanted is 95 %; with 1,000 sets a figure is right to 1.4 points.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from benchmarks.goals import Goal, at_least, table
from pushline.evaluator.arrays import Array
from pushline.evaluator.findings import Estimate
from pushline.evaluator.measures import measure

TRUE_ROWS, CONFIDENCE = 1_000_000, 0.95
TOLERANCE = 0.05  # at the largest size; a proportion close to 1 has a coverage that jumps between 0.9 and 1
QUANTILES = (0.1, 0.5, 0.9)


@dataclass(frozen=True, slots=True)
class Population:
    name: str
    task: str
    draw: Callable[[np.random.Generator, int], tuple[Array, Array]]
    quantiles: tuple[float, ...] = ()


def two_classes(random: np.random.Generator, rows: int) -> tuple[Array, Array]:
    """Probabilities that are right: of the rows with 0.8, 80 % are of the second class."""
    shares = 1 / (1 + np.exp(-1.5 * random.normal(size=rows)))
    return (random.random(rows) < shares).astype(np.int64), shares[:, np.newaxis]


def rare_class(random: np.random.Generator, rows: int) -> tuple[Array, Array]:
    truth = random.random(rows) < 0.05
    return truth.astype(np.int64), 1 / (1 + np.exp(2.5 - random.normal(size=(rows, 1)) - 2.5 * truth[:, np.newaxis]))


def classes(lead: float) -> Callable[[np.random.Generator, int], tuple[Array, Array]]:
    def draw(random: np.random.Generator, rows: int) -> tuple[Array, Array]:
        truth = random.choice(6, rows, p=[0.3, 0.2, 0.2, 0.1, 0.1, 0.1])
        scores = random.normal(size=(rows, 6))
        scores[np.arange(rows), truth] += lead
        return truth, 2 * scores

    return draw


def labels(random: np.random.Generator, rows: int) -> tuple[Array, Array]:
    alike = random.normal(size=(rows, 1))  # what makes a row hard makes it hard for every label
    truth = random.random((rows, 5)) < [0.05, 0.2, 0.5, 0.3, 0.1]
    return truth.astype(np.int64), 1 / (1 + np.exp(1 - random.normal(size=(rows, 5)) - alike - 2.5 * truth))


def line(noise: Callable[[np.random.Generator, int], Array]) -> Callable[[np.random.Generator, int], tuple[Array, Array]]:
    def draw(random: np.random.Generator, rows: int) -> tuple[Array, Array]:
        answers = random.normal(size=rows)
        return 20 + answers + noise(random, rows), 20 + answers[:, np.newaxis]

    return draw


def quantiles(random: np.random.Generator, rows: int) -> tuple[Array, Array]:
    width = random.uniform(0.5, 2, (rows, 1))
    middle = random.normal(size=(rows, 1))
    return 20 + middle[:, 0] + width[:, 0] * random.normal(size=rows), 20 + middle + width * np.array([[-1.28, 0, 1.28]])


POPULATIONS = (
    Population("two classes, calibrated", "classification", two_classes),
    Population("5 % of the second class", "classification", rare_class),
    Population("six classes", "classification", classes(2.0)),
    Population("six classes, 99 % right", "classification", classes(4.3)),
    Population("five labels", "multilabel", labels),
    Population("a line", "regression", line(lambda random, rows: random.normal(size=rows))),
    Population("a line, heavy tails", "regression", line(lambda random, rows: random.standard_t(4, rows))),
    Population("quantiles", "regression", quantiles, QUANTILES),
)


def coverage(population: Population, rows: int, sets: int, seed: int) -> dict[str, float]:
    """Give each metric's share of sets whose interval holds the true number; a missing interval holds nothing."""
    task, given = population.task, population.quantiles
    true = measure(task, *population.draw(np.random.default_rng(seed), TRUE_ROWS), (), quantiles=given).numbers
    found = [
        measure(task, *population.draw(np.random.default_rng((seed, at)), rows), (), quantiles=given).metrics for at in range(sets)
    ]
    names = [name for name in true if "." not in name]
    return {name: float(np.mean([holds(each.get(name), true[name]) for each in found])) for name in names}


def holds(estimate: Estimate | None, true: float | None) -> bool:
    if estimate is None or estimate.low is None or estimate.high is None or true is None:
        return False
    return estimate.low <= true <= estimate.high


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--sets", type=int, default=1_000)
    parser.add_argument("--rows", type=int, nargs="+", default=[200, 1_000])
    parser.add_argument("--only", default="")
    asked = parser.parse_args()
    goals: list[Goal] = []
    for seed, population in enumerate(POPULATIONS):
        if asked.only not in population.name:
            continue
        found = {rows: coverage(population, rows, asked.sets, seed) for rows in asked.rows}
        print(told(population, found, asked.sets), flush=True)
        worst = min(found[max(found)].items(), key=lambda each: each[1])
        goals.append(at_least(f"{population.name}: least coverage of an interval, {worst[0]}", CONFIDENCE - TOLERANCE, worst[1]))
    print(table(goals))


def told(population: Population, found: dict[int, dict[str, float]], sets: int) -> str:
    lines = [f"### {population.name}: share of {sets} sets whose interval holds the true number", ""]
    lines += ["| metric | " + " | ".join(f"{rows} rows" for rows in found) + " |", "|---" * (len(found) + 1) + "|"]
    lines += [
        f"| {name} | " + " | ".join(f"{each[name]:.3f}" for each in found.values()) + " |" for name in next(iter(found.values()))
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
