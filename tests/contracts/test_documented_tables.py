"""README's tables say what the code does: those made from the code, those of the files' keys, and the checks of the promises."""

import re
import shlex
from pathlib import Path

import pytest
from tools.readme_tables import ARCHITECTURE, METRICS_FILE, README, architecture_tables, filled, metric_tables

from benchmarks.campaigns.runner import campaigns
from pushline.runtime.operator_file import OperatorFileError, read_operator_file
from pushline.trainer.repository_file import RepositoryFileError, parse_repository_file
from tests.contracts.documented import collected, table_after

TEXT = README.read_text(encoding="utf-8")
ROOT = README.parent
WRONG = "a_key_that_nobody_knows"
MODEL = '[[models]]\nname = "a"\nrepository = "a.git"\n'
FORGE = '[models.forge]\nkind = "gitea"\napi = "https://git.example.com/api/v1"\nproject = "a/b"\ntoken_file = "token"\n'
# table → (what comes before a wrong key in it, its name in README)
REPOSITORY_TABLES = {
    "[model]\n": "model.",
    "[train]\n": "train.",
    "[test]\n": "test.",
    "[evaluate]\n": "evaluate.",
    "[deploy]\n": "deploy.",
    "[gates.accuracy]\n": "gates.<metric>",
}
OPERATOR_TABLES = {
    MODEL: "models[].",
    MODEL + "[models.limits]\n": "models[].limits.",
    MODEL + "[models.data]\n": "models[].data.",
    MODEL + FORGE: "models[].forge.",
    "[up]\n": "up.",
    MODEL + "[models.gates.accuracy]\n": "models[].gates.<metric>",
}


def known_keys(sentence: str) -> set[str]:
    found = re.search(r"unknown key; known are (.*)$", sentence)
    assert found, sentence
    return set(found[1].split(", "))


def documented(mark: str, under: str) -> set[str]:
    """Keys that a table of README has directly in the table `under`; of a gate the bounds that its row names."""
    rows = {row[0].strip("`"): row for row in table_after(TEXT, f"<!-- keys: {mark} -->")}
    if under in rows:
        return set(re.findall(r"`(min|max|max_drop|slice_min|slice_max_drop|sure|tolerance)\b", rows[under][2]))
    inside = (key.removeprefix(under) for key in rows if key.startswith(under))
    return {key.partition(".")[0] for key in inside if under != "models[]." or "." not in key}


def test_the_tables_made_from_the_code_are_up_to_date() -> None:
    assert filled(TEXT) == TEXT, "run .venv/bin/python tools/readme_tables.py"


def test_the_tables_of_all_that_is_shown_and_measured_are_up_to_date() -> None:
    text = METRICS_FILE.read_text(encoding="utf-8")

    assert filled(text, metric_tables()) == text, "run .venv/bin/python tools/readme_tables.py"


def test_the_tables_and_pictures_of_architecture_are_those_of_the_code() -> None:
    text = ARCHITECTURE.read_text(encoding="utf-8")

    assert filled(text, architecture_tables()) == text, "run .venv/bin/python tools/readme_tables.py"


@pytest.mark.parametrize("table", REPOSITORY_TABLES)
def test_every_key_of_pushline_toml_is_in_the_table_and_no_other(table: str, tmp_path: Path) -> None:
    (tmp_path / "line.toml").write_text(MODEL)
    (model,) = read_operator_file(tmp_path / "line.toml").models

    with pytest.raises(RepositoryFileError) as raised:
        parse_repository_file(f"{table}{WRONG} = 1\n", model)

    known = known_keys(raised.value.sentence) - ({"eps"} if "gates" in table else set())  # for a gate that comes later
    assert documented("pushline.toml", REPOSITORY_TABLES[table]) == known


@pytest.mark.parametrize("table", OPERATOR_TABLES)
def test_every_key_of_the_operators_file_is_in_the_table_and_no_other(table: str, tmp_path: Path) -> None:
    (tmp_path / "line.toml").write_text(f"{table}{WRONG} = 1\n")

    with pytest.raises(OperatorFileError) as raised:
        read_operator_file(tmp_path / "line.toml")

    known = known_keys(raised.value.problem) - (
        {"gates", "limits", "data", "forge"} if table == MODEL else set()
    )  # tables of their own
    assert documented("line.toml", OPERATOR_TABLES[table]) == known


@pytest.mark.parametrize("check", [row[2] for row in table_after(TEXT, "<!-- checks -->")])
def test_every_check_of_a_promise_selects_tests(check: str) -> None:
    words = shlex.split(check.strip("`"))
    if words[0] == "make":
        assert re.search(rf"^{words[1]}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
        return
    assert words[0] == ".venv/bin/pytest"
    only = words[words.index("-k") + 1].split(" or ") if "-k" in words else [""]
    paths = words[1 : words.index("-k")] if "-k" in words else words[1:]

    assert all((ROOT / path).exists() for path in paths)
    names = {name for path in paths for name in collected(ROOT) if name.startswith(path)}
    assert [part for part in only if not any(part in name for name in names)] == []


def test_every_campaign_that_checks_a_promise_is_there() -> None:
    rows = table_after(TEXT, "<!-- campaigns -->")
    named = [shlex.split(check.strip("`")) for _, check, _ in rows]

    assert all(words[:4] == [".venv/bin/python", "-m", "benchmarks.campaigns", "--only"] for words in named)
    assert {word for words in named for word in words[4:]} <= set(campaigns())
    assert all(figure for _, _, figure in rows)
