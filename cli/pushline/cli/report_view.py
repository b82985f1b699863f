"""A report in a terminal: the decision first, then what it rests on."""

from collections.abc import Iterable, Sequence

from rich.table import Table

from pushline.cli.terminal import Terminal, plain
from pushline.reports import view, words
from pushline.reports.findings import Estimate
from pushline.reports.measured import MeasuredCosts
from pushline.reports.report import GateRow, Report

STYLES = {"accepted": "bold green", "rejected": "bold red", "failed": "bold red", "inconclusive": "bold yellow"}
MOST_ROWS = 10


def show_report(terminal: Terminal, report: Report, measured: MeasuredCosts | None) -> None:
    style = STYLES[report.verdict]
    terminal.say(
        f"[{style}]{report.verdict.capitalize()}[/{style}]  {plain(report.model)} {report.commit.sha[:10]}  run {report.run_id}"
    )
    terminal.say(plain(words.sentence(report.sentence)))
    if report.is_older:
        terminal.say("[dim]An older report: it has no intervals, slices, data checks or trial.[/dim]")
    for title, table in _tables(report, measured):
        terminal.say(f"\n[bold]{title}[/bold]")
        terminal.out.print(table)
    for title, lines in _texts(report):
        terminal.say(f"\n[bold]{title}[/bold]")
        for line in lines:
            terminal.say(plain(line))


def _tables(report: Report, measured: MeasuredCosts | None) -> Iterable[tuple[str, Table]]:
    level = words.level(report.confidence)
    if report.gates:
        gates = [_gate(gate, report) for gate in words.worst_first(report)[:MOST_ROWS]]
        yield "Gates", rows(("METRIC", "GATE", "HERE", f"INTERVAL ({level})", "LIVE", "DIFFERENCE (BOUNDS)", "RESULT"), gates)
    if report.metrics:
        yield "Metrics", rows(("METRIC", "HERE", f"INTERVAL ({level})", "LIVE", "DIFFERENCE (BOUNDS)"), _metrics(report))
    slices = view.slices(report)[:MOST_ROWS]
    if slices:
        head = ("SLICE", "ROWS", plain(slices[0].metric), f"INTERVAL ({level})", "LIVE")
        yield "Slices, the worst first", rows(head, [_slice(each) for each in slices])
    costs = view.costs(measured)
    if costs:
        yield "Cost of serving", rows(("COST", "HERE", "LIVE"), [(plain(each.name), each.here, each.live) for each in costs])


def _gate(gate: GateRow, report: Report) -> tuple[str, ...]:
    style = "green" if gate.passed else "yellow" if words.is_open(gate) else "red"
    return (
        plain(gate.metric),
        words.rule(gate, report),
        words.show(gate.value),
        words.interval(gate.low, gate.high),
        words.show(gate.champion),
        words.difference(gate.difference),
        f"[{style}]{words.result(gate)}[/{style}]",
    )


def _slice(row: view.SliceRow) -> tuple[str, ...]:
    return plain(words.slice_name(row.found)), str(row.found.rows), *_ends(row.here), words.brief(row.live)


def _metrics(report: Report) -> list[tuple[str, ...]]:
    found = view.metrics(report)
    return [(plain(row.name), *_ends(row.found), words.brief(row.live), words.difference(row.difference)) for row in found]


def _ends(found: Estimate) -> tuple[str, str]:
    return words.brief(found.value), words.interval(found.low, found.high)


def _texts(report: Report) -> Iterable[tuple[str, list[str]]]:
    if report.comparison and report.comparison.power:
        yield "What this set can see", [words.sentence(power.sentence) for power in report.comparison.power]
    if report.own_metrics:
        yield (
            "The repository's own metrics",
            [f"{own.name}: {own.problem or words.brief(own.value)} ({own.function})" for own in report.own_metrics],
        )
    if report.data:
        yield "Data", _data(report)
    if report.trial:
        yield "Trial in the predictor", [_trial(report), *report.trial.changes]
    if report.changes and (report.changes.commits or report.changes.made):
        yield "Changed since the live model", _changes(report)


def _data(report: Report) -> list[str]:
    data = report.data
    if data is None:
        return []
    leakage = "not known" if data.leakage is None else f"{words.percent(data.leakage)} of the rows"
    return [
        f"{data.rows} rows; more than once: {words.percent(data.duplicates)}; also in the training data: {leakage}",
        *(words.sentence(note) for note in data.notes),
    ]


def _trial(report: Report) -> str:
    trial = report.trial
    if trial is None:
        return ""
    apart = "not compared" if trial.max_abs_difference is None else f"at most {words.brief(trial.max_abs_difference)} off"
    return f"{trial.requests} requests, {trial.rows} rows, {apart}; signature: {trial.signature}"


def _changes(report: Report) -> list[str]:
    changes = report.changes
    if changes is None:
        return []
    commits = [f"{each.sha[:10]} {each.message}" for each in changes.commits[-MOST_ROWS:]]
    more = changes.more_commits + len(changes.commits) - len(commits)
    made = [f"{each.what}: {each.before or words.NOTHING} → {each.after or words.NOTHING}" for each in changes.made]
    return [*([f"{more} older commits"] if more else []), *commits, *made]


def rows(head: Sequence[str], body: Iterable[Sequence[str]]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for name in head:
        table.add_column(name, overflow="fold")
    for each in body:
        table.add_row(*each)
    return table
