"""The words at the forge: a status in one line, a comment in Markdown. Pure.

What strangers wrote (sentences, names, reasons) goes into a comment through `forge_text`: it calls nobody and gives no order.
"""

import hashlib
import re

from pushline.auditor.forge.ports import Status
from pushline.auditor.forge.word import Word
from pushline.line.events import GateResult, ModelEvaluated
from pushline.reports.forge_text import line, text

CUT = "…"
CUT_COMMENT = "\n\nThe rest was cut; the whole report is `pushline report`'s.\n"
MAX_GATES = 50
_STATES = {"pending": "⏳", "success": "✅", "failure": "❌", "error": "⚠️"}
MAX_SENTENCE = 1000


def status_of(word: Word, url: str, longest: int) -> Status:
    return Status(word.state, word.stage, cut(line(word.sentence, MAX_SENTENCE), longest), url)


def cut(whole: str, longest: int) -> str:
    """Cut at a space where one is near."""
    if len(whole) <= longest:
        return whole
    head = whole[: longest - len(CUT)]
    return (head[: head.rfind(" ")] if " " in head[longest // 2 :] else head).rstrip() + CUT


def marker(model: str, sha: str) -> str:
    """Every comment of ours begins with it, unseen; the text's own digest follows."""
    return f"<!-- pushline/{model} {sha} "


def digest_in(body: str, mark: str) -> str:
    found = re.match(r"([0-9a-f]{16}) -->", body.removeprefix(mark))
    return found[1] if found and body.startswith(mark) else ""


def comment_of(model: str, word: Word, report: str, url: str, longest: int) -> str:
    """`report` is Markdown already, with the verdict's sentence in it; empty where there is no verdict."""
    mark = marker(model, word.sha)
    name = f"[{model}]({url})" if url else f"`{model}`"
    says_why = report and word.verdict is not None and word.why == word.verdict.sentence
    told = text(word.fact if says_why else word.sentence, MAX_SENTENCE)
    body = f"{_STATES[word.state]} **Pushline** {name}: {told}\n\n{report}".rstrip() + "\n"
    room = longest - len(mark) - len("0" * 16 + " -->\n")
    if len(body) > room:
        body = body[: room - len(CUT_COMMENT)].rpartition("\n")[0] + CUT_COMMENT
    return f"{mark}{hashlib.sha256(body.encode()).hexdigest()[:16]} -->\n{body}"


def event_text(event: ModelEvaluated) -> str:
    """Verdict and gates as the event itself has them, for who has no store to read the report from."""
    told = text(event.sentence, MAX_SENTENCE)
    if not event.gates:
        return told
    rows = [_row(gate) for gate in event.gates[:MAX_GATES]]
    more = f"\n\n{len(event.gates) - MAX_GATES} more gates." if len(event.gates) > MAX_GATES else ""
    head = "| | gate | this model | threshold | live model |\n| --- | --- | --- | --- | --- |\n"
    return f"{told}\n\n{head}" + "\n".join(rows) + more


def _row(gate: GateResult) -> str:
    mark = "✅" if gate.passed else "❌"
    numbers = " | ".join(_number(number) for number in (gate.value, gate.threshold, gate.champion))
    return f"| {mark} | {text(gate.metric, 80)} {text(gate.rule, 80)} | {numbers} |"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"
