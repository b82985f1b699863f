"""The tables of README.md that are made from the code (topics, commands, exit codes, settings), docs/METRICS.md's, and
ARCHITECTURE.md's of records, open work and the states of a run, with their pictures.

`.venv/bin/python tools/readme_tables.py` writes them into these files, between their marks. A test holds the files against them.
"""

import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tools.metric_tables import every_metric
from typer.main import get_command

from pushline.auditor.settings import Settings as AuditorSettings
from pushline.cli.exits import MEANINGS
from pushline.cli.main import COMMANDS, make_app
from pushline.deployer.settings import Settings as DeployerSettings
from pushline.evaluator.known_metrics import METRICS, Metric
from pushline.evaluator.settings import Settings as EvaluatorSettings
from pushline.line.fates import RECORDS, WORK
from pushline.line.run_states import HOW_FAR, IN_SERVICE, Transition, mermaid
from pushline.line.topics import TOPICS
from pushline.predictor.settings import Settings as PredictorSettings
from pushline.runtime.settings import REQUIRED, Setting, describe
from pushline.trainer.settings import Settings as TrainerSettings

README = Path(__file__).resolve().parents[1] / "README.md"
METRICS_FILE = README.parent / "docs" / "METRICS.md"
ARCHITECTURE = README.parent / "ARCHITECTURE.md"
SETTINGS: dict[str, type] = {
    "trainer": TrainerSettings,
    "evaluator": EvaluatorSettings,
    "deployer": DeployerSettings,
    "predictor": PredictorSettings,
    "auditor": AuditorSettings,
}
# What pushline.toml and the environment call otherwise than Python's repr does.
SIZES = (("GiB", 1024**3), ("MiB", 1024**2), ("KiB", 1024))


def tables() -> dict[str, str]:
    """Name of each table → its Markdown."""
    return {
        "topics": _table(("topic", "`ce_type`", "written by", "answered on", "undecodable records go to"), _topics()),
        "commands": _table(("command", "does"), _commands()),
        "exit codes": _table(("code", "meaning"), ((str(int(code)), meaning) for code, meaning in MEANINGS.items())),
        "settings": _table(("setting", "default", "of", "what it is"), _settings()),
    }


def metric_tables() -> dict[str, str]:
    """Likewise, those of docs/METRICS.md."""
    return {
        "shown metrics": _table(("metric", "type", "labels", "unit", "of", "what it says"), _metrics()),
        "measured metrics": _table(("metric", "of", "better", "what it is", "interval"), map(_measured, METRICS)),
    }


def architecture_tables() -> dict[str, str]:
    """Likewise, those of ARCHITECTURE.md."""
    head = ("state", "record", "next state", "where")
    return {
        "records": _table(
            ("verdict", "a record that", "counts", "dead letter", "parks its partition", "what becomes of it"), _records()
        ),
        "open work": _table(
            ("a try of it ended", "as", "answered", "tried again", "named at `/readyz`", "what becomes of it"), _work()
        ),
        "how far a run is": f"```mermaid\n{mermaid(HOW_FAR)}```\n\n{_table(head, _choices(HOW_FAR))}",
        "whether a run is live": f"```mermaid\n{mermaid(IN_SERVICE)}```\n\n{_table(head, _choices(IN_SERVICE))}",
    }


def filled(text: str, made: Mapping[str, str] | None = None) -> str:
    """Put the tables, README.md's where none are given, between their marks. Raises ValueError where a mark is missing."""
    for name, table in (tables() if made is None else made).items():
        begin, end = f"<!-- table: {name} -->\n", f"<!-- end: {name} -->"
        if text.count(begin) != 1 or text.count(end) != 1:
            raise ValueError(f"there is not one place for the table {name}")
        head, _, rest = text.partition(begin)
        text = head + begin + "\n" + table + "\n" + end + rest.partition(end)[2]
    return text


def _topics() -> Iterator[tuple[str, ...]]:
    for topic in TOPICS:
        writers, answered = ", ".join(topic.written_by), f"`{topic.answered_on}`" if topic.answered_on else "-"
        yield f"`{topic.name}`", f"`{topic.ce_type}`", writers, answered, f"`{topic.dead_letters}`, by the {topic.input_of}"


def _commands() -> Iterator[tuple[str, str]]:
    click = get_command(make_app())
    known: Mapping[str, Any] = click.commands  # type: ignore[attr-defined]  # a group, as it has commands
    for name in (name for names in COMMANDS.values() for name in names):
        inner = getattr(known[name], "commands", None)
        for path, command in {f"{name} {under}": each for under, each in inner.items()}.items() if inner else [(name, known[name])]:
            yield f"`pushline {path}`", " ".join((command.help or "").split("\n\n")[0].split())


def _settings() -> Iterator[tuple[str, ...]]:
    """One row a setting; services that mean the same by it share the row."""
    rows: dict[tuple[str, str, str], list[str]] = {}
    for service, kind in SETTINGS.items():
        for each in describe(kind):
            name = f"`{each.name}`" + (f" or `{each.name}_FILE`" if each.secret else "")
            rows.setdefault((name, _default(each), each.help), []).append(service)
    for (name, default, what), services in sorted(rows.items(), key=lambda row: (-len(row[1]), row[0])):
        yield name, default, "all" if len(services) == len(SETTINGS) else ", ".join(services), what


def _default(setting: Setting) -> str:
    value: Any = setting.default
    if value is REQUIRED:
        return "must be set"
    if setting.name == "PUSHLINE_TRAINING_PYTHON":
        return "`training/bin/python` in Pushline's environment"
    if not value:
        return "-"
    if isinstance(value, bool):
        return "`yes`"
    if isinstance(value, (int, float)) and _reads(setting.parse, "1KiB", 1024):
        return f"`{_size(int(value))}`"
    return f"`{value:g}s`" if isinstance(value, float) and _reads(setting.parse, "1s", 1.0) else f"`{value}`"


def _reads(parse: Callable[[str], object], text: str, wanted: object) -> bool:
    try:
        return parse(text) == wanted
    except ValueError:
        return False


def _size(count: int) -> str:
    unit, factor = next((unit, factor) for unit, factor in SIZES if count % factor == 0)
    return f"{count // factor}{unit}"


def _metrics() -> Iterator[tuple[str, ...]]:
    for shown, services in every_metric().items():
        labels = ", ".join(f"`{label}`" for label in shown.labels) or "-"
        of = "all" if len(services) == len(SETTINGS) else ", ".join(services)
        yield f"`{shown.name}`", shown.kind, labels, shown.unit, of, shown.sentence


def _records() -> Iterator[tuple[str, ...]]:
    for fate in RECORDS:
        yield f"`{fate.verdict}`", fate.is_that, *map(_mark, (fate.counts, fate.dead_letter, fate.parks)), fate.then


def _work() -> Iterator[tuple[str, ...]]:
    for fate in WORK:
        yield f"`{fate.end}`", fate.is_that, *map(_mark, (fate.answered, fate.tried_again, fate.named)), fate.then


def _choices(table: Sequence[Transition]) -> Iterator[tuple[str, ...]]:
    """Those that hang on more than the record."""
    for each in table:
        if each.when:
            yield each.state or "(unknown)", each.record, each.next, each.when


def _mark(yes: bool) -> str:
    return "yes" if yes else "-"


def _measured(metric: Metric) -> tuple[str, ...]:
    names = f"`{metric.name}`, `{metric.name}.<of one>`" if metric.each else f"`{metric.name}`"
    return names, ", ".join(metric.tasks), "lower" if metric.error else "higher", metric.definition, metric.interval


def _table(head: Sequence[str], rows: Iterator[tuple[str, ...]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(re.sub(r"(?<!\\)\|", r"\\|", cell) for cell in line) + " |\n" for line in lines)


if __name__ == "__main__":
    README.write_text(filled(README.read_text(encoding="utf-8")), encoding="utf-8")
    ARCHITECTURE.write_text(filled(ARCHITECTURE.read_text(encoding="utf-8"), architecture_tables()), encoding="utf-8")
    METRICS_FILE.write_text(filled(METRICS_FILE.read_text(encoding="utf-8"), metric_tables()), encoding="utf-8")
