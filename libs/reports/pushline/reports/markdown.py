"""A report as Markdown for forges: the decision and its reason, the gates, and what stands behind them.

Every text that does not come from this program goes in through `forge_text`.
"""

from collections.abc import Iterator, Mapping, Sequence

from pushline.reports import view, words
from pushline.reports.findings import Estimate
from pushline.reports.forge_text import address, code, text
from pushline.reports.report import GateRow, Report
from pushline.reports.slices import worst_slices

MAX_BYTES = 60 * 1024
MOST_GATES = 40
MOST_ROWS = 15  # of every other table
MARKS = {"accepted": "\N{WHITE HEAVY CHECK MARK}", "inconclusive": "\N{BLACK QUESTION MARK ORNAMENT}"}
REFUSED = "\N{CROSS MARK}"
CUT = "The rest stands in the report."


def markdown(report: Report, links: Mapping[str, str] | None = None) -> str:
    """`links` are words and addresses, written at the end. At most MAX_BYTES as UTF-8."""
    end = _links(links or {})
    return _fitting([_decision(report), *_blocks(report)], end)


def _fitting(blocks: Sequence[str], end: str) -> str:
    """The decision always fits: its texts are bounded."""
    room = MAX_BYTES - len(f"{CUT}\n\n{end}\n".encode()) - 8
    kept: list[str] = []
    for block in blocks:
        room -= len(block.encode()) + 2
        if room < 0:
            kept.append(CUT)
            break
        kept.append(block)
    return "\n\n".join([*kept, *([end] if end else [])]) + "\n"


def _decision(report: Report) -> str:
    mark = MARKS.get(report.verdict, REFUSED)
    head = f"### {mark} {report.verdict.capitalize()}: {text(report.model, 80)} at {code(report.commit.sha[: words.SHORT])}"
    return f"{head}\n\n{text(words.sentence(report.sentence), 1000)}"


def _blocks(report: Report) -> Iterator[str]:
    if report.gates:
        yield _gates(report)
    if report.comparison:
        yield from (f"**What this set can see:** {text(words.sentence(power.sentence))}" for power in report.comparison.power[:3])
    parts = (
        ("Slices, the worst first", _slices(report)),
        ("Metrics", _metrics(report)),
        ("Numbers of the repository's own making", _own(report)),
        ("Data", _data(report)),
        ("Changed since the live model", _changes(report)),
    )
    yield from (_folded(title, body) for title, body in parts if body)
    yield _lineage(report)


def _folded(title: str, body: str) -> str:
    return f"<details><summary>{title}</summary>\n\n{body}\n\n</details>"


def table(head: Sequence[str], rows: Sequence[Sequence[str]], most: int = MOST_ROWS) -> str:
    """Write a table of cells that are Markdown already; of more than `most` rows the first."""
    lines = [head, ["---"] * len(head), *rows[:most]]
    drawn = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
    return drawn + (f"\n\n{len(rows) - most} more." if len(rows) > most else "")


def _gates(report: Report) -> str:
    level = words.level(report.confidence)
    head = ("Gate", "This model", f"Interval ({level})", "Live model", "Difference (bounds)", "Result")
    return table(head, [_gate(gate, report) for gate in words.worst_first(report)], MOST_GATES)


def _gate(gate: GateRow, report: Report) -> tuple[str, ...]:
    result = words.result(gate)
    return (
        f"{text(gate.metric, 80)} {text(words.rule(gate, report))}",
        words.show(gate.value),
        words.interval(gate.low, gate.high),
        words.show(gate.champion),
        words.difference(gate.difference),
        result if gate.passed else f"**{result}**",
    )


def _metrics(report: Report) -> str:
    rows = [(text(row.name, 80), words.estimate(row.found), words.brief(row.live)) for row in view.metrics(report)]
    return table(("Metric", f"This model ({words.level(report.confidence)} interval)", "Live model"), rows) if rows else ""


def _slices(report: Report) -> str:
    found = worst_slices(report)
    rows = [
        (text(words.slice_name(each), 120), str(each.rows), words.estimate(each.metrics.get(metric, Estimate(None))))
        for metric, each in found
    ]
    return table(("Slice", "Rows", f"{text(found[0][0], 80)}"), rows) if rows else ""


def _own(report: Report) -> str:
    rows = [(text(own.name, 80), words.show(own.value), text(own.problem) or code(own.function, 120)) for own in report.own_metrics]
    return table(("Name", "Value", "From"), rows) if rows else ""


def _data(report: Report) -> str:
    data = report.data
    if data is None:
        return ""
    leakage = "not known" if data.leakage is None else words.percent(data.leakage)
    lines = [
        f"* {data.rows} rows, {len(data.class_counts)} classes" if data.class_counts else f"* {data.rows} rows",
        f"* also in the training data: {leakage}",
        f"* more than once in the set: {words.percent(data.duplicates)}",
        *(f"* {text(note)}" for note in data.notes[:MOST_ROWS]),
    ]
    return "\n".join(lines)


def _changes(report: Report) -> str:
    changes = report.changes
    if changes is None:
        return ""
    commits = [f"* {code(each.sha[: words.SHORT])} {text(each.message, 120)} ({text(each.author, 60)})" for each in changes.commits]
    more = changes.more_commits + max(0, len(commits) - MOST_ROWS)
    made = [(text(each.what, 80), text(each.before, 120), text(each.after, 120)) for each in changes.made]
    blocks = [
        "\n".join([*([f"* {more} older commits"] if more else []), *commits[-MOST_ROWS:]]),
        table(("What", "Live model", "This model"), made) if made else "",
    ]
    return "\n\n".join(block for block in blocks if block)


def _lineage(report: Report) -> str:
    live = code(report.champion.digest[: words.SHORT]) if report.champion else "nothing, as no model was live"
    run = (
        f"Run {code(report.run_id)}, attempt {report.attempt}; model.h5 {code(report.digest[: words.SHORT])}; compared with {live}."
    )
    return run + (" An older version of Pushline wrote this report." if report.is_older else "")


def _links(links: Mapping[str, str]) -> str:
    return " · ".join(f"[{text(name, 60)}](<{address(url)}>)" for name, url in links.items() if address(url))
