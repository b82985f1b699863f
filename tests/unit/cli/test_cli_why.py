"""`pushline why`: what is asked about, and how the answer looks on a screen and to a machine."""

import io
import json

import pytest
from rich.console import Console

from pushline.cli.exits import Exit, Said
from pushline.cli.line_file import LineFile, StoreAccess
from pushline.cli.main import COMMANDS
from pushline.cli.terminal import Terminal
from pushline.cli.why import Question, _question, answers, find_runs
from pushline.cli.why_open import notes_on
from pushline.cli.why_view import as_plain, show
from pushline.line.why import CAUSES, Answer, Fact
from pushline.objects import keys
from pushline.objects.memory_store import MemoryStore
from tests.unit.cli.story import MODEL, a_story, digest_of, sha_of
from tests.unit.line.model.making import digest
from tests.unit.line.why.scene import BEGAN_MS, Scene
from tests.unit.line.why.test_line_why_run import CASES

WIDTH, HEIGHT = 80, 24
LINE = LineFile(0, "b", {}, "", StoreAccess("s", "b", "k", "s", "r"), "127.0.0.1", {}, {}, "", "")


def screen(found: list[Answer], notes: tuple[str, ...] = ()) -> str:
    out = Console(file=io.StringIO(), width=WIDTH, height=HEIGHT)
    show(Terminal(out, out, {}), found, notes)
    assert isinstance(out.file, io.StringIO)
    return out.file.getvalue()


def long_answer() -> Answer:
    facts = tuple(Fact(f"judged {at} times: {'so ' * 99}", BEGAN_MS, "evaluated", 3, 10**6 + at, "x" * 60) for at in range(30))
    steps = ("step " * 40,) * 9
    return Answer(
        "rejected_by_gate", "A sentence [bold]of words. " * 60, facts, steps, MODEL, "a" * 40, "b" * 36, outcome="rejected"
    )


@pytest.mark.parametrize("case", CASES)
def test_every_answer_fits_on_one_screen(case: str) -> None:
    scene, cause, _ = CASES[case]

    lines = screen([scene()]).splitlines()

    assert len(lines) <= HEIGHT - 1  # the prompt takes one
    assert max(map(len, lines)) <= WIDTH
    assert cause in lines[0]
    assert ("NEXT" in lines) == bool(CAUSES[cause].next_steps)


def test_the_longest_answer_fits_on_one_screen_and_says_what_it_leaves_out() -> None:
    found = [long_answer()] * 9

    text = screen(found, ("a note " * 40,))

    assert len(text.splitlines()) <= HEIGHT - 1
    assert max(map(len, text.splitlines())) <= WIDTH
    assert "… 25 more, shown by --json" in text
    assert "… 7 more, shown by --json" in text


def test_text_of_others_is_shown_as_it_is() -> None:
    assert "[bold]of words" in screen([long_answer()])


def test_every_command_that_a_next_step_names_is_there() -> None:
    steps = [step for cause in CAUSES.values() for step in cause.next_steps if step.startswith("pushline ")]

    assert {step.split()[1] for step in steps} <= {name for names in COMMANDS.values() for name in names}


def test_a_machine_reads_every_fact_with_its_place_and_time() -> None:
    scene, _, _ = CASES["rolled back"]

    told = json.loads(json.dumps(as_plain(scene(), ("a note",))))

    assert (told["cause"], told["says"]) == ("rolled_back", CAUSES["rolled_back"].says)
    assert told["facts"][0]["place"].startswith("commit/")
    assert told["facts"][0]["at"] == "2027-01-15T08:00:05.000Z"
    assert told["notes"] == ["a note"]


def test_a_run_a_commit_and_a_digest_are_found_by_a_prefix() -> None:
    with a_story("one", "two") as story, story.tail.read() as ledger:
        run = story.run("two")
        for name in (run.run_id[:8], sha_of("two")[:8], digest_of("two")[:8], digest_of("two")):
            (found,) = answers(ledger, Question(name, ""))
            assert (found.run_id, found.cause) == (run.run_id, "live")


def test_every_run_of_a_commit_is_told_the_named_one_first_then_the_newest() -> None:
    scene = Scene()
    scene.push("a")
    scene.train("a", "failed", "crashed")
    first = scene.run("a").run_id
    for _ in range(2):
        scene.rerun("a")
        scene.train("a", "failed", "crashed")

    by_commit = find_runs(scene.ledger, Question("aaaa", ""))
    by_run = find_runs(scene.ledger, Question(first[:8], ""))

    assert [run.attempt for run in by_commit] == [3, 2, 1]
    assert [run.attempt for run in by_run] == [1, 3, 2]
    assert "attempt 3, run" in screen([*answers(scene.ledger, Question(first[:8], ""))])


def test_what_fits_several_is_named_and_nothing_is_guessed() -> None:
    like_the_commit = next(f"m{number}" for number in range(10**7) if digest(f"m{number}").startswith("aaaa"))
    scene = Scene()
    scene.push("a")
    scene.push("b")
    scene.train("b", model_file=like_the_commit)

    with pytest.raises(Said, match="fits several: a ") as caught:
        find_runs(scene.ledger, Question("aaaa", ""))

    assert caught.value.code == Exit.USAGE


def test_live_names_the_models_where_there_are_several() -> None:
    with a_story("one") as story, story.tail.read() as ledger:
        ledger.line("other")
        ledger.models["other"] = ledger.line("other")

        with pytest.raises(Said, match="several models: digits, other"):
            answers(ledger, Question("live", ""))
        assert answers(ledger, Question("live", "other"))[0].cause == "nothing_live"


@pytest.mark.parametrize(
    ("what", "sentence"), [("v1.2", "is neither `live` nor"), ("abc", "too short"), ("--", "too short"), ("../x", "is neither")]
)
def test_what_names_nothing_is_a_sentence(what: str, sentence: str) -> None:
    with pytest.raises(Said, match=sentence) as caught:
        _question(what, "")

    assert caught.value.code == Exit.USAGE


def test_a_model_that_is_not_there_is_a_sentence() -> None:
    with a_story("one") as story, story.tail.read() as ledger, pytest.raises(Said, match="there is digits") as caught:
        answers(ledger, Question("live", "letters"))

    assert caught.value.code == Exit.NOT_FOUND


def test_an_open_training_tells_its_try_and_how_far_it_is() -> None:
    with a_story() as story:
        run = story.push("one")
        for name in ("1-aa", "2-bb"):
            story.store.put_bytes(
                keys.try_file(MODEL, run.run_id, name, "progress.json"),
                json.dumps({"stage": "training", "epoch": 3, "epochs": 9, "metrics": {"loss": 0.25}}).encode(),
            )
        with story.tail.read() as ledger:
            (answer,) = answers(ledger, Question(run.run_id, ""))

        assert notes_on(answer, story.store, LINE) == ("try 2: training, epoch 3 of 9 (loss 0.25)",)


def test_an_open_training_without_a_try_says_so_and_so_does_a_store_that_is_away() -> None:
    scene, _, _ = CASES["training"]
    away = MemoryStore()
    away.set_unavailable(away=True)

    assert notes_on(scene(), MemoryStore(), LINE) == ("no try of it has begun yet",)
    assert notes_on(scene(), away, LINE)[0].startswith("the store does not answer")


def test_of_a_run_that_ended_nobody_is_asked() -> None:
    scene, _, _ = CASES["rolled back"]
    away = MemoryStore()
    away.set_unavailable(away=True)

    assert notes_on(scene(), away, LINE) == ()
