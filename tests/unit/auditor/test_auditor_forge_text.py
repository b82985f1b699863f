"""The words at the forge: cut to its limits, and harmless whoever wrote them."""

from dataclasses import replace

import pytest

from pushline.auditor.forge.ports import StoreAway
from pushline.auditor.forge.reports import StoredReports
from pushline.auditor.forge.text import CUT_COMMENT, comment_of, digest_in, event_text, marker, status_of
from pushline.auditor.forge.word import Word
from pushline.line.events import GateResult, ModelEvaluated
from pushline.line.memory import MemoryLog
from pushline.objects.memory_store import MemoryStore
from tests.unit.auditor.telling import MODEL, Telling
from tests.unit.auditor.test_auditor_forge_word import told_words

GATE = GateResult("accuracy", "min", 0.95, 0.93, None, passed=False, sentence="accuracy 0.93 is under 0.95")


def judged(sentence: str = "accuracy 0.93 is under 0.95", report: tuple[str, str] = ("", "")) -> Word:
    log = MemoryLog()
    tell = Telling(log)
    told = tell.push("one")
    tell.train(told)
    tell.judge(told, "rejected", sentence, (GATE,), report)
    tell.close(told, sentence)
    return told_words(log)[told.commit.sha]


def verdict_of(word: Word) -> ModelEvaluated:
    assert word.verdict is not None
    return word.verdict


@pytest.mark.parametrize("longest", [140, 255])
def test_a_description_is_one_line_cut_to_what_the_forge_takes(longest: int) -> None:
    word = judged("a long\nsentence\x00 \u202eof many words " * 40)

    said = status_of(word, "", longest).description

    assert longest - 20 < len(said) <= longest
    assert said.endswith("…")
    assert not {"\n", "\x00", "\u202e"} & set(said)


def test_a_sentence_without_spaces_is_cut_too() -> None:
    assert len(status_of(judged("x" * 400), "", 140).description) == 140


def test_a_comment_begins_with_a_marker_that_names_model_and_commit() -> None:
    word = judged()

    body = comment_of(MODEL, word, "the report", "https://pushline.example.com/runs/1", 65_000)

    mark = marker(MODEL, word.sha)
    assert body.startswith(f"<!-- pushline/digits {word.sha} ")
    assert len(digest_in(body, mark)) == 16
    assert "[digits](https://pushline.example.com/runs/1)" in body
    assert body.endswith("the report\n")
    assert digest_in(body, marker("other", word.sha)) == ""


def test_another_text_has_another_digest_and_the_same_one_the_same() -> None:
    word, mark = judged(), marker(MODEL, judged().sha)

    bodies = [comment_of(MODEL, word, report, "", 65_000) for report in ("one", "one", "two")]

    first, second, third = (digest_in(body, mark) for body in bodies)
    assert first == second != third


def test_a_comment_is_cut_at_a_line_to_what_the_forge_takes() -> None:
    report = "\n".join(f"| row {number} | 0.5 |" for number in range(10_000))

    body = comment_of(MODEL, judged(), report, "", 65_000)

    assert len(body) <= 65_000
    assert body.endswith(f"| 0.5 |{CUT_COMMENT}")


def test_what_strangers_wrote_calls_nobody_links_nowhere_and_gives_no_order() -> None:
    word = replace(judged(), fact="@all ![x](http://evil.example/x.png)\n/close <script>", why="#12 www.evil.example")

    body = comment_of(MODEL, word, "", "", 65_000)

    assert "@all" not in body
    assert "![x](" not in body
    assert "http://" not in body
    assert "<script" not in body
    assert "#12" not in body
    assert not any(line.startswith("/") for line in body.splitlines())


def test_the_sentence_stands_once_where_the_report_has_it() -> None:
    word = judged()

    body = comment_of(MODEL, word, event_text(verdict_of(word)), "", 65_000)

    assert body.count("accuracy 0.93 is under 0.95") == 1
    assert "| ❌ | accuracy min | 0.93 | 0.95 |  |" in body


def test_a_report_that_is_missing_or_no_report_leaves_the_events_own_gates() -> None:
    store = MemoryStore()
    stored = store.put_bytes("runs/digits/1/evaluation/none/x/report.json", b'{"schema": 99}')
    for key, digest in (("runs/none", "0" * 64), (stored.key, "0" * 64), (stored.key, stored.sha256)):
        event = verdict_of(judged(report=(key, digest)))

        assert StoredReports(store).text(event, {}) == event_text(event)


def test_a_store_that_is_away_is_waited_for() -> None:
    store = MemoryStore()
    store.set_unavailable(True)

    with pytest.raises(StoreAway, match="store: "):
        StoredReports(store).text(verdict_of(judged(report=("runs/x", "0" * 64))), {})
