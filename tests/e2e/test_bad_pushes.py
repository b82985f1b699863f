"""What a committer can get wrong: each push ends in exactly one outcome with one clear sentence, and the next commit is trained."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pushline.line.topics import TOPICS
from tests.e2e.running_line import RunningLine, running_line

DIGITS = (Path(__file__).parents[2] / "examples" / "digits" / "train.py").read_text()
GATED = "[models.gates]\naccuracy = { min = 0.5, max_drop = 0.02 }\n"
GOOD = {"train.py": DIGITS, "pushline.toml": "[evaluate]\n"}

# name → (files, outcome, reason, what the sentence says)
BAD: dict[str, tuple[dict[str, str], str, str, tuple[str, ...]]] = {
    "a script that raises": (
        {"train.py": "print('loading')\nraise ValueError('no such column: age')\n"},
        "failed",
        "script_failed",
        ("no such column: age",),
    ),
    "a script that saves nothing": ({"train.py": "print('done')\n"}, "failed", "no_model", ("model.h5",)),
    "a script that saves no model": (
        {"train.py": "open('model.h5', 'w').write('not a model')\n"},
        "failed",
        "not_a_model",
        ("model.h5",),
    ),
    "a script with an error of syntax": ({"train.py": "def broken(:\n"}, "failed", "script_failed", ("SyntaxError",)),
    "no script": ({"pushline.toml": '[train]\nscript = "absent.py"\n'}, "failed", "no_script", ("absent.py",)),
    "pushline.toml with an unknown key": (
        {"pushline.toml": "[train]\nscrpt = 'train.py'\n"},
        "failed",
        "bad_repository_file",
        ("pushline.toml", "scrpt"),
    ),
    "pushline.toml with a wrong type": (
        {"pushline.toml": "[train]\nscript = 3\n"},
        "failed",
        "bad_repository_file",
        ("pushline.toml", "train.script"),
    ),
    "pushline.toml with another model's name": (
        {"pushline.toml": '[model]\nname = "other"\n'},
        "failed",
        "other_model",
        ("pushline.toml", "model.name", "other"),
    ),
    "pushline.toml with a weakened gate": (
        {"pushline.toml": "[gates]\naccuracy = { min = 0.1 }\n"},
        "failed",
        "weakened_gate",
        ("pushline.toml", "accuracy", "0.5"),
    ),
    "pushline.toml that is no TOML": ({"pushline.toml": "[train\n"}, "failed", "bad_repository_file", ("pushline.toml",)),
}


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningLine]:
    with running_line(tmp_path_factory.mktemp("line"), {"gated": GATED}) as running:
        yield running


@pytest.mark.parametrize("case", BAD)
@pytest.mark.timeout(180)
def test_a_bad_push_ends_once_with_a_reason(line: RunningLine, case: str) -> None:
    files, outcome, reason, words = BAD[case]

    run = line.ended(line.push("gated", {**GOOD, **files}, case))

    assert (run.outcome, run.reason) == (outcome, reason), run.sentence
    assert all(word in run.sentence for word in words), run.sentence


@pytest.mark.timeout(300)
def test_a_worse_model_is_rejected_with_number_and_rule_and_the_good_one_stays_live(line: RunningLine) -> None:
    good = line.ended(line.push("gated", GOOD))
    worse = line.ended(line.push("gated", {**GOOD, "train.py": DIGITS.replace("EPOCHS = 8", "EPOCHS = 1")}))

    assert good.outcome == "deployed", good.sentence
    assert (worse.outcome, worse.trained is not None) == ("rejected", True), worse.sentence
    assert "accuracy" in worse.sentence
    assert any(character.isdigit() for character in worse.sentence)
    with line.tail.read() as ledger:
        assert ledger.line("gated").live[0].run_id == good.run_id


def test_every_run_of_this_line_has_one_record_of_each_kind_at_most(line: RunningLine) -> None:
    with line.tail.read() as ledger:
        assert all(run.outcome for run in ledger.runs.values())
        assert not [topic.name for topic in TOPICS if ledger.counts[(topic.name, "invalid")]]
