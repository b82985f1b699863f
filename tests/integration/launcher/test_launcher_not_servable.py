"""A model that LiteRT's builtin operators cannot say."""

from typing import Any, Protocol


class Run(Protocol):
    status: int
    result: dict[str, Any]


class Launch(Protocol):
    def __call__(self, name: str, *words: str) -> Run: ...


def test_a_model_that_does_not_compile_to_builtin_operators_is_not_servable_and_the_operator_is_named(launch: Launch) -> None:
    launched = launch("inverse")

    assert launched.status == 1
    assert (launched.result["outcome"], launched.result["reason"]) == ("failed", "not_servable")
    assert launched.result["sentence"].startswith("the model cannot be compiled to a serving program: ")
    assert "MatrixInverse" in launched.result["sentence"]
