import random
import subprocess
import sys
from pathlib import Path

import flatbuffers  # type: ignore[import-untyped] # it ships none
import pytest
from ai_edge_litert import schema_py_generated as schema

from pushline.engine.check import check_program
from pushline.engine.engine import BadProgram

PROGRAMS = Path(__file__).parents[2] / "fixtures" / "programs"
DENSE = (PROGRAMS / "dense.tflite").read_bytes()


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def changed(path: Path, change: str) -> Path:
    """The dense program with one statement run on its object form, `model`."""
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(DENSE, 0))
    exec(change, {"model": model, "schema": schema})  # noqa: S102 statements of the table below
    builder = flatbuffers.Builder(len(DENSE))
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return written(path, bytes(builder.Output()))


@pytest.mark.parametrize("name", ["dense", "two_inputs", "recurrent-1", "recurrent-8", "recurrent-32"])
def test_exported_programs_pass(name: str) -> None:
    check_program(PROGRAMS / f"{name}.tflite")


def test_a_program_that_needs_tensorflow_is_refused_by_the_operators_name() -> None:
    with pytest.raises(BadProgram, match=r"flex\.tflite needs Flex\w+; only builtin operators are allowed"):
        check_program(PROGRAMS / "flex.tflite")


@pytest.mark.parametrize("content", [b"", b"TFL3", b"\x89HDF\r\n\x1a\n" * 20, b"PK\x03\x04" * 20])
def test_another_kind_of_file_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(BadProgram, match="no LiteRT flatbuffer"):
        check_program(written(tmp_path / "p.tflite", content))


def test_a_file_above_the_bound_is_refused_unread(tmp_path: Path) -> None:
    with pytest.raises(BadProgram, match=r"p\.tflite is 1704 bytes, 1000 are allowed"):
        check_program(written(tmp_path / "p.tflite", DENSE), max_bytes=1000)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("model.version = 4", "has the version 4"),
        ("model.operatorCodes[0].customCode = b'Evil'", "needs Evil; only builtin"),
        ("model.operatorCodes[0].builtinCode = 51", "needs a delegate"),
        ("model.operatorCodes[0].builtinCode = 9999", "needs the operator 9999"),
        ("model.subgraphs = []", "has 0 subgraphs"),
        ("model.buffers[1].offset, model.buffers[1].size = 4000, 8", "ends outside the file"),
        ("model.subgraphs[0].tensors[0].buffer = 999", "in the buffer 999"),
        ("model.subgraphs[0].tensors[1].shape = [1 << 20, 1 << 20]", "bytes are allowed"),
        ("model.subgraphs[0].tensors[1].shape = [-5]", "of the shape"),
        ("model.subgraphs[0].operators[0].opcodeIndex = 77", "does not list"),
        ("model.subgraphs[0].operators[0].inputs = [400]", "names the tensor 400"),
        ("model.subgraphs[0].inputs = [-1]", "names the tensor -1"),
        ("model.subgraphs[0].inputs = []", "has no input or no output"),
        ("model.subgraphs[0].tensors[0].type = schema.TensorType.STRING", "which is no numbers"),
        ("model.subgraphs[0].tensors[0].name = b'\\xff'", "is damaged: 'utf-8'"),
        ("model.signatureDefs[0].outputs[0].name = b''", "has the signature name"),
        ("model.signatureDefs *= 2", "has 2 signatures"),
        ("model.signatureDefs[0].subgraphIndex = 1", "not the main one"),
        ("model.signatureDefs[0].inputs[0].tensorIndex = 90", "names the tensor 90"),
    ],
)
def test_a_program_outside_the_bounds_is_refused_with_a_sentence(tmp_path: Path, change: str, sentence: str) -> None:
    with pytest.raises(BadProgram, match=sentence):
        check_program(changed(tmp_path / "p.tflite", change))


def test_the_unchanged_program_written_again_passes(tmp_path: Path) -> None:
    check_program(changed(tmp_path / "p.tflite", "pass"))


def test_damaged_files_are_refused_or_pass_but_never_break_the_reader(tmp_path: Path) -> None:
    chance = random.Random(5)  # noqa: S311 a test's damage
    refused = 0
    for _ in range(300):
        content = bytearray(DENSE[: chance.choice((len(DENSE), chance.randrange(8, len(DENSE))))])
        for _ in range(chance.randrange(1, 4)):
            content[chance.randrange(8, len(content)) if len(content) > 8 else 0] = chance.randrange(256)
        try:
            check_program(written(tmp_path / "p.tflite", bytes(content)))
        except BadProgram:
            refused += 1

    assert refused > 100


def test_the_engine_imports_without_tensorflow() -> None:
    program = (
        "import sys, pushline.engine.litert, pushline.engine.check; print('tensorflow' in sys.modules, 'keras' in sys.modules)"
    )

    said = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True, timeout=60)

    assert said.stdout.split() == ["False", "False"]
