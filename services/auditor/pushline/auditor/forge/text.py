"""The words at the forge: a status in one line, a comment in Markdown. Pure.

What strangers wrote (sentences, names, reasons) must not call anybody, link anywhere, load a picture or give the forge an order.
"""

import hashlib
import re

from pushline.auditor.forge.ports import Status
from pushline.auditor.forge.word import Word
from pushline.line.events import GateResult, ModelEvaluated

CUT = "…"
CUT_COMMENT = "\n\nThe rest was cut; the whole report is `pushline report`'s.\n"
MAX_GATES = 50
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>()#+\-.!|~$^&:/=])")
_CALLS = re.compile(r"([@#!%~&])(?=[A-Za-z0-9_])")  # somebody, an issue, a request, a milestone, a label
_ORDER = re.compile(r"^(\s*)/", re.MULTILINE)  # a line that begins so is an order to GitLab
_STATES = {"pending": "⏳", "success": "✅", "failure": "❌", "error": "⚠️"}
_WORD_JOINER = "\u2060"


def status_of(word: Word, url: str, longest: int) -> Status:
    return Status(word.state, word.stage, cut(one_line(word.sentence), longest), url)


def one_line(text: str) -> str:
    return " ".join(_CONTROL.sub(" ", text).split())


def cut(text: str, longest: int) -> str:
    if len(text) <= longest:
        return text
    head = text[: longest - len(CUT)]
    return (head[: head.rfind(" ")] if " " in head[longest // 2 :] else head).rstrip() + CUT


def plain(text: str) -> str:
    """Give text that Markdown shows as it is."""
    return _MARKDOWN.sub(r"\\\1", _CALLS.sub(rf"\1{_WORD_JOINER}", one_line(text)))


def marker(model: str, sha: str) -> str:
    """Every comment of ours begins with it, unseen; the text's own digest follows."""
    return f"<!-- pushline/{model} {sha} "


def digest_in(body: str, mark: str) -> str:
    found = re.match(r"([0-9a-f]{16}) -->", body.removeprefix(mark))
    return found[1] if found and body.startswith(mark) else ""


def comment_of(model: str, word: Word, report: str, url: str, longest: int) -> str:
    """`report` is Markdown already, of the report or of the event's own gates; empty where there is no verdict."""
    mark = marker(model, word.sha)
    name = f"[{model}]({url})" if url else f"`{model}`"
    head = f"{_STATES[word.state]} **Pushline** {name}: {plain(word.sentence)}"
    text = _CONTROL.sub("", f"{head}\n\n{report}".rstrip()) + "\n"
    text = _ORDER.sub(r"\1\\/", text)
    room = longest - len(mark) - len("0" * 16 + " -->\n")
    if len(text) > room:
        text = text[: room - len(CUT_COMMENT)].rpartition("\n")[0] + CUT_COMMENT
    return f"{mark}{hashlib.sha256(text.encode()).hexdigest()[:16]} -->\n{text}"


def gates_text(event: ModelEvaluated) -> str:
    """The event's own gates as a table, for who has no store to read the report from."""
    if not event.gates:
        return ""
    rows = [_row(gate) for gate in event.gates[:MAX_GATES]]
    more = f"\n\n{len(event.gates) - MAX_GATES} more gates." if len(event.gates) > MAX_GATES else ""
    return "| | gate | number | threshold | live model |\n| --- | --- | --- | --- | --- |\n" + "\n".join(rows) + more


def _row(gate: GateResult) -> str:
    mark = "✅" if gate.passed else "❌"
    numbers = " | ".join(_number(number) for number in (gate.value, gate.threshold, gate.champion))
    return f"| {mark} | {plain(gate.metric)} {plain(gate.rule)} | {numbers} |"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"
