import io

import numpy as np
import pytest

from pushline.cli.exits import Said
from pushline.cli.inputs import read_input


def an_npz(**arrays: object) -> bytes:
    out = io.BytesIO()
    np.savez(out, **arrays)  # type: ignore[arg-type]  # arrays of any kind
    return out.getvalue()


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.json", b"[[1, 2], [3, 4]]"),
        ("-", b'{"x": [[1, 2], [3, 4]]}'),
        ("-", b'{"inputs": {"x": [[1, 2], [3, 4]]}}'),
        ("a.csv", b"1,2\n3,4\n"),
        ("-", b"width,height\n1,2\n\n3,4\n"),
        ("a.npz", an_npz(x=[[1, 2], [3, 4]], y=[0, 1])),
        ("-", an_npz(x=[[1, 2], [3, 4]])),
    ],
)
def test_rows_are_read_from_every_form(name: str, data: bytes) -> None:
    (array,) = read_input(name, data).values()

    assert array.tolist() == [[1, 2], [3, 4]]


def test_several_inputs_keep_their_names() -> None:
    assert sorted(read_input("a.npz", an_npz(**{"x.left": [1], "x.right": [2], "y": [0]}))) == ["left", "right"]


def test_texts_are_read_beside_numbers() -> None:
    read = read_input("a.json", '{"review": ["good", "nøt"], "weight": [[1], [2]]}'.encode())

    assert {name: array.tolist() for name, array in read.items()} == {"review": ["good", "nøt"], "weight": [[1], [2]]}


def test_rows_can_be_cut() -> None:
    assert read_input("a.csv", b"1\n2\n3\n", 2)["x"].tolist() == [[1], [2]]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.json", b"[[1, 2], [3]]"),
        ("a.json", b'["a", 1]'),
        ("a.json", b'["a", null]'),
        ("a.json", b"[]"),
        ("a.json", b"{"),
        ("a.csv", b"1,2\n3\n"),
        ("a.csv", b"1,b\n3,x\n"),
        ("a.csv", b""),
        ("a.npz", b"PK\x03\x04broken"),
        ("a.npz", b"no archive"),
        ("a.csv", b"\xff\xfe"),
        ("a.json", b'{"inputs": 1}'),
    ],
)
def test_what_cannot_be_read_is_a_sentence_that_names_the_file(name: str, data: bytes) -> None:
    with pytest.raises(Said, match=r"a\."):
        read_input(name, data)
