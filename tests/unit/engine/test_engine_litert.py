import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from pushline.engine.engine import DYNAMIC, Array, BadInput, BadProgram, RefusedInput, TensorSpec
from pushline.engine.litert import LiteRtEngine, load

PROGRAMS = Path(__file__).parents[2] / "fixtures" / "programs"
BATCHES = (1, 2, 8, 9, 31, 32, 33, 64, 65, 70)
OPENED: dict[str, list[tuple[Path, int | None]]] = {
    "dense": [(PROGRAMS / "dense.tflite", None)],
    "two_inputs": [(PROGRAMS / "two_inputs.tflite", None)],
    "recurrent": [(PROGRAMS / f"recurrent-{batch}.tflite", batch) for batch in (32, 1, 8)],
}


@pytest.fixture(params=sorted(OPENED))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def engine(name: str) -> LiteRtEngine:
    return load(OPENED[name])


@pytest.fixture(scope="module")
def answers() -> Mapping[str, Array]:
    with np.load(PROGRAMS / "answers.npz") as arrays:
        return dict(arrays)


def kerass(answers: Mapping[str, Array], name: str, specs: tuple[TensorSpec, ...], rows: int) -> dict[str, Array]:
    return {spec.name: answers[f"{name}.{spec.name}"][:rows] for spec in specs}


@pytest.mark.parametrize("rows", BATCHES)
def test_any_batch_is_answered_as_keras_answered_it(
    name: str, engine: LiteRtEngine, answers: Mapping[str, Array], rows: int
) -> None:
    got = engine.run(kerass(answers, name, engine.signature.inputs, rows))

    want = kerass(answers, name, engine.signature.outputs, rows)
    assert sorted(got) == sorted(want)
    for output, value in want.items():
        assert got[output].dtype == value.dtype
        assert np.allclose(got[output], value, 1e-5, 1e-5)


def test_the_signature_has_keras_names_and_an_open_batch() -> None:
    signature = load(OPENED["two_inputs"]).signature

    assert set(signature.inputs) == {TensorSpec("left", "float32", (DYNAMIC, 3)), TensorSpec("right", "int32", (DYNAMIC, 2, 2))}
    assert set(signature.outputs) == {TensorSpec("parts", "float32", (DYNAMIC, 2)), TensorSpec("total", "float32", (DYNAMIC, 1))}


def test_fixed_batches_have_an_open_batch_together() -> None:
    assert load(OPENED["recurrent"]).signature.inputs == (TensorSpec("words", "float32", (DYNAMIC, 5, 2)),)


def test_sixteen_threads_get_their_own_answers(name: str, engine: LiteRtEngine, answers: Mapping[str, Array]) -> None:
    together = threading.Barrier(16)

    def ask(number: int) -> bool:
        together.wait(timeout=30)
        equal = True
        for turn in range(20):
            rows = slice((number + turn) % 50, (number + turn) % 50 + 1 + (number * turn) % 9)
            got = engine.run({spec.name: answers[f"{name}.{spec.name}"][rows] for spec in engine.signature.inputs})
            equal &= all(np.allclose(got[key], answers[f"{name}.{key}"][rows], 1e-5, 1e-5) for key in got)
        return equal

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(ask, range(16)))


def test_answers_are_the_callers_own(name: str, engine: LiteRtEngine, answers: Mapping[str, Array]) -> None:
    rows = kerass(answers, name, engine.signature.inputs, 3)
    first = engine.run(rows)
    kept = {key: value.copy() for key, value in first.items()}

    engine.run({key: value + 1 for key, value in rows.items()})

    assert all(np.array_equal(first[key], kept[key]) for key in kept)


def test_arguments_may_be_read_only_and_strided(answers: Mapping[str, Array]) -> None:
    table = np.asfortranarray(answers["dense.table"][:6])
    table.setflags(write=False)

    got = load(OPENED["dense"]).run({"table": table})

    assert np.allclose(got["output_0"], answers["dense.output_0"][:6], 1e-5)


@pytest.mark.parametrize("rows", [1, 64, 5000])  # a few bytes, and so many that they are copied in place and in parts
def test_inputs_need_not_be_aligned(answers: Mapping[str, Array], rows: int) -> None:
    engine = load(OPENED["dense"])
    (spec,) = engine.signature.inputs
    aligned = np.resize(answers[f"dense.{spec.name}"], (rows, *spec.shape[1:])).astype(spec.dtype)
    unaligned = np.frombuffer(b"\0\0\0" + aligned.tobytes(), spec.dtype, -1, 3).reshape(aligned.shape)

    got, want = engine.run({spec.name: unaligned}), engine.run({spec.name: aligned})

    assert not unaligned.flags.aligned
    assert all(np.array_equal(got[name], want[name]) for name in want)


@pytest.mark.parametrize("rows", [1, 9, 70, 30_000])
def test_every_number_of_every_input_is_shown_to_who_accepts_it(name: str, answers: Mapping[str, Array], rows: int) -> None:
    engine, seen = load(OPENED[name]), dict[str, list[float]]()
    inputs = {
        spec.name: np.resize(answers[f"{name}.{spec.name}"], (rows, *answers[f"{name}.{spec.name}"].shape[1:]))
        for spec in engine.signature.inputs
    }

    def accepts(field: str, values: Array) -> bool:
        seen.setdefault(field, []).extend(values.ravel().tolist())
        return True

    engine.run(inputs, accepts)

    for field, values in inputs.items():
        shown = seen[field][: values.size]  # a batch of fixed size is filled up with zeros at its end
        assert shown == values.ravel().tolist()
        assert not any(seen[field][values.size :])


def test_what_is_not_accepted_is_named_and_the_engine_goes_on(answers: Mapping[str, Array]) -> None:
    engine = load(OPENED["dense"])
    (spec,) = engine.signature.inputs
    inputs = {spec.name: np.resize(answers[f"dense.{spec.name}"], (2000, *spec.shape[1:])).astype(spec.dtype)}
    want = engine.run(inputs)

    for _ in range(3):
        with pytest.raises(RefusedInput, match=spec.name):
            engine.run(inputs, lambda _name, _values: False)

    got = engine.run(inputs, lambda _name, _values: True)
    assert all(np.array_equal(got[name], want[name]) for name in want)


def test_more_shapes_than_are_kept_still_answer(answers: Mapping[str, Array]) -> None:
    engine = load(OPENED["dense"])

    for rows in (*range(1, 30), 1):
        assert len(engine.run({"table": answers["dense.table"][:rows]})["output_0"]) == rows


@pytest.mark.parametrize(
    ("inputs", "field", "problem"),
    [
        ({}, "table", "missing"),
        ({"table": np.zeros((1, 4), "float32"), "chair": np.zeros(1)}, "chair", "no such input; it has table"),
        ({"table": np.zeros((1, 4), "float64")}, "table", "its dtype is float64, the model takes float32"),
        ({"table": np.zeros((1, 5), "float32")}, "table", r"its shape is \[1, 5\], the model takes \[-1, 4\]"),
        ({"table": np.zeros(4, "float32")}, "table", r"its shape is \[4\]"),
        ({"table": np.zeros((0, 4), "float32")}, "table", "at least one row"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(inputs: dict[str, Array], field: str, problem: str) -> None:
    with pytest.raises(BadInput, match=problem) as refused:
        load(OPENED["dense"]).run(inputs)

    assert refused.value.field == field


def test_inputs_of_different_lengths_are_refused() -> None:
    with pytest.raises(BadInput, match="it has 2 rows"):
        load(OPENED["two_inputs"]).run({"left": np.zeros((1, 3), "float32"), "right": np.zeros((2, 2, 2), "int32")})


def test_warm_up_runs_every_program(engine: LiteRtEngine) -> None:
    engine.warm_up()


def test_a_closed_engine_answers_nothing() -> None:
    engine = load(OPENED["dense"])
    engine.close()

    with pytest.raises(BadInput, match="closed"):
        engine.run({"table": np.zeros((1, 4), "float32")})


def test_no_program_is_refused() -> None:
    with pytest.raises(BadProgram, match="no program"):
        load([])


def test_a_file_that_is_no_program_is_refused(tmp_path: Path) -> None:
    (tmp_path / "junk.tflite").write_bytes(b"junk" * 100)

    with pytest.raises(BadProgram, match=r"junk\.tflite is no LiteRT program"):
        load([(tmp_path / "junk.tflite", None)])


def test_a_batch_that_the_program_does_not_have_is_refused() -> None:
    with pytest.raises(BadProgram, match="not the batch of 4"):
        load([(PROGRAMS / "recurrent-8.tflite", 4)])


def test_programs_with_different_signatures_are_refused() -> None:
    with pytest.raises(BadProgram, match="several programs need a fixed batch each"):
        load([*OPENED["dense"], *OPENED["two_inputs"]])


def test_a_program_with_foreign_operators_is_refused_where_it_runs() -> None:
    with pytest.raises(BadProgram, match=r"flex\.tflite does not take"):
        load([(PROGRAMS / "flex.tflite", None)]).warm_up()
