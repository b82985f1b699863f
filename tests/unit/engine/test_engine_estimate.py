"""The arithmetic of what a model needs, and what is read out of a program for it."""

from dataclasses import replace
from pathlib import Path

import pytest

from pushline.engine import estimate
from pushline.engine.engine import BadProgram
from pushline.engine.estimate import INTERPRETER_BYTES, LITERT_BYTES, SPARE, TENSORFLOW_BYTES, Sizes

PROGRAMS = Path(__file__).parents[2] / "fixtures" / "programs"
MIB = 2**20
SIZES = Sizes(file=50 * MIB, packed=40 * MIB, rows=2 * MIB, at_once=6 * MIB, operators=0)


def test_the_file_is_there_once_and_the_rest_for_each_interpreter() -> None:
    one, three = estimate.of_programs([SIZES], 1), estimate.of_programs([SIZES], 3)

    assert one == pytest.approx(LITERT_BYTES + 50 * MIB + SPARE * (40 + 6 + 2 * 2) * MIB + INTERPRETER_BYTES)
    assert three - one == 2 * (one - LITERT_BYTES - 50 * MIB)


def test_several_programs_add_up() -> None:
    small = replace(SIZES, file=MIB)

    both = estimate.of_programs([SIZES, small], 2)

    assert both == estimate.of_programs([SIZES], 2) + estimate.of_programs([small], 2) - LITERT_BYTES


def test_a_model_for_tensorflow_grows_with_its_file() -> None:
    assert estimate.of_model(0) == TENSORFLOW_BYTES
    assert estimate.of_model(100 * MIB) - estimate.of_model(0) >= 100 * MIB


def test_a_programs_sizes_are_those_of_its_tensors() -> None:
    """Four numbers to eight to three, softmax. The kernels are packed; biases of zero are left out by the converter."""
    found = estimate.read_sizes(PROGRAMS / "dense.tflite", 10)

    assert found.file == (PROGRAMS / "dense.tflite").stat().st_size
    assert found.packed == 4 * (4 * 8 + 8 * 3)
    assert found.rows == 4 * 10 * (4 + 3)
    assert found.at_once == 4 * 10 * (8 + 3)
    assert found.operators == 3


def test_a_batch_that_is_fixed_stays_what_it_is() -> None:
    assert estimate.read_sizes(PROGRAMS / "recurrent-8.tflite", 8) == estimate.read_sizes(PROGRAMS / "recurrent-8.tflite", 64)


@pytest.mark.parametrize("content", [(PROGRAMS / "dense.tflite").read_bytes()[:600], b"TFL3" * 100], ids=["cut", "nonsense"])
def test_a_damaged_program_is_told(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "program.tflite"
    path.write_bytes(content)

    with pytest.raises(BadProgram, match=r"program\.tflite is damaged"):
        estimate.read_sizes(path, 1)
