"""ARCHITECTURE.md says what the code does."""

from pathlib import Path

from pushline.line.ledger import RULE_NAMES
from pushline.line.topics import TOPICS
from tests.contracts.documented import table_after

TEXT = (Path(__file__).parents[2] / "ARCHITECTURE.md").read_text(encoding="utf-8")


def names_in(mark: str) -> list[str]:
    """Give the first column of the first table behind `mark`, without its ticks."""
    head = TEXT.index("| ", TEXT.index(mark))
    return [row[0].strip("`") for row in table_after(TEXT[head - 1 :], "\n")]


def test_the_table_of_rules_names_each_rule_of_the_ledger_once() -> None:
    assert sorted(names_in("## 4. Rules")) == sorted(RULE_NAMES)


def test_the_table_of_topics_is_the_topic_table() -> None:
    assert names_in("## 1. The flow") == [topic.name for topic in TOPICS]
