"""The reasons that services can write into an event, collected from their code without running it.

A reason is an argument of one of a few functions and classes. What is no literal there has to stand in NOT_LITERAL, with the values
that it takes: so a new way to say a reason is noticed.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

from pushline.trainer.launch_result import REASONS as OF_THE_LAUNCHER

ROOT = Path(__file__).resolve().parents[2]
SERVICES = ("trainer", "evaluator", "deployer")
# callable → the place of the reason among its arguments
SAYS_A_REASON = {
    "Failure": 0,
    "with_output": 0,
    "CheckoutRefused": 0,
    "RepositoryFileError": 0,
    "Failed": 0,
    "NotCompiled": 0,
    "NotJudgeable": 0,
    "ProgramFailed": 0,
    "no": 1,
    "Judged": 1,
    "Verdict": 1,
    "superseded": 2,
    "_closed": 3,
}
LIMITS = ("timeout", "memory", "processes", "files", "pretended", "disk_full")
# what else stands there, as it is written → the values that it takes; none: it hands on what another call named
NOT_LITERAL: dict[str, tuple[str, ...]] = {
    "ended.stopped": LIMITS,
    "result.reason": OF_THE_LAUNCHER,
    "error.reason": (),
    "failure.reason": (),
    "first.reason": (),
    "judged.reason": (),
    "reason": ("output_too_large", "output_invalid", "below_gate", "above_gate", "predictor_crashed", "predictor_refused"),
    "*unmeasured": ("empty_slice", "not_finite"),
    "metric": ("leakage", "duplicates"),
    "f'too_many_{word}'": ("too_many_classes", "too_many_labels"),
    "str(result['reason'])[:60]": ("program_refused", "program_out_of_memory", "program_too_large_answers"),
    "CANNOT_TELL": ("set_cannot_tell",),
    "NEWER_COMMIT": ("newer_commit",),
    "CANCELLED": ("cancelled",),
    "('rejected', 'barred', said)": ("barred",),
    "('superseded', 'older_than_live', _too_old(line))": ("older_than_live",),
    "(outcome, judged.reason or judged.verdict, judged.sentence)": ("rejected", "inconclusive", "failed"),
}
OF_THE_TESTS = tuple(f"tests_{limit}" for limit in LIMITS)  # repository_tests.py puts the word in front
WITHOUT_A_REASON = ("rejected", "inconclusive", "failed", "")  # a verdict that names none, and a gate that passed


def written() -> dict[str, str]:
    """Reason → where it is written."""
    found = dict.fromkeys(OF_THE_TESTS, "repository_tests.py")
    for place, said in _arguments():
        literal = said.value if isinstance(said, ast.Constant) else None
        for reason in NOT_LITERAL.get(ast.unparse(said), ()) if literal is None else (str(literal),):
            found[reason] = place
    return {reason: place for reason, place in found.items() if reason not in WITHOUT_A_REASON}


def unknown_ways() -> list[str]:
    """Give what stands in a reason's place and is neither a literal nor known here."""
    return [
        f"{place}: {ast.unparse(said)}"
        for place, said in _arguments()
        if not isinstance(said, ast.Constant) and ast.unparse(said) not in NOT_LITERAL
    ]


def _arguments() -> Iterator[tuple[str, ast.expr]]:
    for service in SERVICES:
        for path in sorted((ROOT / "services" / service).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and (said := _reason_in(node)) is not None:
                    yield f"{path.relative_to(ROOT)}:{node.lineno}", said


def _reason_in(call: ast.Call) -> ast.expr | None:
    name = call.func.id if isinstance(call.func, ast.Name) else call.func.attr if isinstance(call.func, ast.Attribute) else ""
    at = SAYS_A_REASON.get(name, -1)
    return call.args[at] if 0 <= at < len(call.args) else None
