"""Training data by digest, and the operator's data sets: the store in memory and the real sandbox."""

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from pushline.line.events import ModelTrained
from pushline.line.stage import Transient
from pushline.runtime.operator_file import DataConfig
from tests.fixtures.trainer_sandbox.trainings import LIMITS, SAVES, TRAINING_PYTHON, Bench, MiB

TABLE = b"age,income\n31,7\n"
DIGEST = hashlib.sha256(TABLE).hexdigest()
KEY = "datasets/digits/table.csv"
READS = "print('read', open('data/table.csv').read().splitlines())\n"


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    made = Bench(tmp_path)
    made.store.put_bytes(KEY, TABLE)
    return made


def trained(bench: Bench, script: str, *addresses: str, files: dict[str, str] | None = None) -> ModelTrained:
    listed = ", ".join(f'"{address}"' for address in addresses or (f"s3://line/{KEY}#sha256={DIGEST}",))
    return bench.trained(bench.push(script, {"pushline.toml": f"[train]\ndata = [{listed}]\n", **(files or {})}))


def test_data_lies_beside_the_script_read_only_and_is_fetched_once(bench: Bench) -> None:
    refuses = (
        "try:\n    open('data/table.csv', 'a')\n    raise SystemExit('written')\n"
        "except OSError as error: print('refused:', error.strerror)\n"
    )
    assert trained(bench, READS + refuses + SAVES).outcome == "succeeded"
    bench.store.put_bytes(KEY, b"something else")

    event = trained(bench, READS + "print('again')\n" + SAVES)

    assert event.outcome == "succeeded", event.sentence
    assert bench.leftovers() == []


def test_the_repositorys_own_data_folder_is_there_too(bench: Bench) -> None:
    script = "assert open('data/own.txt').read() == 'mine'\n" + READS + SAVES

    event = trained(bench, script, files={"data/own.txt": "mine"})

    assert event.outcome == "succeeded", event.sentence


@pytest.mark.parametrize(
    ("address", "reason", "words"),
    [
        pytest.param(f"s3://line/datasets/digits/no.csv#sha256={DIGEST}", "data_missing", "no.csv is not there", id="missing"),
        pytest.param(
            f"s3://line/{KEY}#sha256={'0' * 64}", "data_wrong_digest", f"has SHA-256 {DIGEST}, not {'0' * 64}", id="digest"
        ),
        pytest.param(f"s3://line/models/other/model.h5#sha256={DIGEST}", "data_not_allowed", "may lie (s3://line/d", id="model"),
        pytest.param(
            f"s3://line/datasets/other/t.csv#sha256={DIGEST}", "data_not_allowed", "datasets/digits/", id="another model's"
        ),
        pytest.param(f"s3://elsewhere/{KEY}#sha256={DIGEST}", "data_not_allowed", "s3://elsewhere/", id="another bucket"),
        pytest.param(f"s3://line/{KEY}", "bad_repository_file", "is not of the form s3://bucket/key#sha256=", id="no digest"),
    ],
)
def test_data_that_cannot_be_had_fails_the_run_with_one_sentence(bench: Bench, address: str, reason: str, words: str) -> None:
    event = trained(bench, READS + SAVES, address)

    assert (event.outcome, event.reason, event.sandbox) == ("failed", reason, "")
    assert words in event.sentence
    assert bench.leftovers() == []


def test_what_the_operator_allows_may_be_fetched_from_there(bench: Bench) -> None:
    bench.data = DataConfig(("s3://shared/tables/",))
    bench.store.put_bytes("tables/table.csv", TABLE)

    assert trained(bench, READS + SAVES, f"s3://shared/tables/table.csv#sha256={DIGEST}").outcome == "succeeded"


def test_data_above_the_operators_limit_fails_the_run_even_when_it_lies_here(bench: Bench) -> None:
    assert trained(bench, READS + SAVES).outcome == "succeeded"
    bench.data = DataConfig((), len(TABLE) - 1)
    assert trained(bench, READS + "1\n" + SAVES).reason == "data_too_large"

    bench.store.put_bytes("datasets/digits/big.bin", bytes(MiB))
    digest = hashlib.sha256(bytes(MiB)).hexdigest()
    event = trained(bench, SAVES, f"s3://line/datasets/digits/big.bin#sha256={digest}")

    assert event.sentence == "The data that pushline.toml names has more than the 15 bytes that it may have."


def test_data_under_the_name_of_a_file_of_the_repository_fails_the_run(bench: Bench) -> None:
    event = trained(bench, READS + SAVES, files={"data/Table.csv": "mine"})

    assert (event.reason, event.sandbox) == ("data_clash", "")


def test_a_store_that_is_away_is_waited_for(bench: Bench) -> None:
    run = bench.push(READS + SAVES, {"pushline.toml": f'[train]\ndata = ["s3://line/{KEY}#sha256={DIGEST}"]\n'})
    bench.store.set_unavailable(True)
    with pytest.raises(Transient, match="store: "):
        bench.train(run)
    bench.store.set_unavailable(False)

    assert bench.trained(run).outcome == "succeeded"


def test_what_was_changed_on_this_machine_is_fetched_again(bench: Bench) -> None:
    assert trained(bench, READS + SAVES).outcome == "succeeded"
    (there,) = (bench.folder / "work/data").glob("*/*")
    there.chmod(0o644)
    there.write_bytes(b"tampered with")

    event = trained(bench, "assert 'income' in open('data/table.csv').read()\n" + SAVES)

    assert event.outcome == "succeeded", event.sentence


@pytest.mark.timeout(120)
def test_data_sets_of_the_operator_are_found_by_keras(bench: Bench) -> None:
    bench.datasets = bench.folder / "datasets"
    bench.datasets.mkdir()
    (bench.datasets / "table.csv").write_bytes(TABLE)
    bench.limits = replace(LIMITS, timeout_seconds=90.0, memory_bytes=4096 * MiB, processes=256)
    bench.training = bench.made(TRAINING_PYTHON)
    script = f"""
        from keras.utils import get_file
        path = get_file("table.csv", "https://data.example/table.csv", file_hash="{DIGEST}")
        assert open(path).read().startswith("age"), path
        try:
            open(path, "a")
            raise SystemExit("written")
        except OSError: pass
        {SAVES}
    """

    event = bench.trained(bench.push(script))

    assert event.outcome == "succeeded", event.sentence
