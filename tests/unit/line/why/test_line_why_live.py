"""What `why live` says of a model."""

from pushline.line.why import why_live
from tests.unit.line.why.scene import MODEL, Scene


def test_what_is_live_tells_its_whole_way_and_every_replica() -> None:
    scene = Scene()
    scene.live("a")
    scene.live("b")
    scene.serve("r1")
    scene.serve("r2", state="failed", sentence="out of memory")

    answer = why_live(scene.ledger, scene.line)

    assert (answer.cause, answer.commit) == ("live", "b" * 40)
    assert [fact.topic for fact in answer.facts] == ["commit", "trained", "evaluated", "deployed"]
    assert [replica.name for replica in answer.replicas] == ["r1", "r2"]


def test_a_hold_is_told_with_what_is_live() -> None:
    scene = Scene()
    scene.live("a")
    scene.hold()

    answer = why_live(scene.ledger, scene.line)

    assert answer.sentence.endswith("The model is on hold: nothing else goes live.")
    assert answer.facts[-1].what == "hold: an audit"


def test_a_released_model_is_not_told_to_be_held() -> None:
    scene = Scene()
    scene.live("a")
    scene.hold()
    scene.hold("release")

    assert "hold" not in why_live(scene.ledger, scene.line).sentence


def test_where_nothing_was_ever_deployed_the_newest_run_is_told() -> None:
    scene = Scene()
    scene.push("a")
    scene.train("a", "failed", "script_failed", "it broke")

    answer = why_live(scene.ledger, scene.line)

    assert answer.cause == "nothing_live"
    assert answer.sentence == (
        f"Nothing of {MODEL} was ever deployed. Its newest run: Commit aaaaaaaaaa of a failed (script_failed): it broke"
    )
    assert [fact.topic for fact in answer.facts] == ["commit", "trained"]


def test_a_model_without_a_push_has_nothing_live() -> None:
    scene = Scene()

    answer = why_live(scene.ledger, scene.line)

    assert (answer.cause, answer.facts) == ("nothing_live", ())
