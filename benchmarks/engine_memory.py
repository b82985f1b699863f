"""What LiteRT costs in memory and time to load, each measured in processes of its own; engine_threads.py prints it."""

import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence

from tests.fixtures.engine.kinds import Kind

REPEATS = 5

MEASURE = """
import sys, time
def resident():
    for line in open("/proc/self/smaps_rollup"):
        name, _, rest = line.partition(":")
        if name in ("Rss", "Private_Dirty"):
            yield int(rest.split()[0]) / 1024
def note(what, call):
    modules, before, began = set(sys.modules), tuple(resident()), time.perf_counter()
    given = call()
    took, after = time.perf_counter() - began, tuple(resident())
    numbers = (took * 1e3, after[0] - before[0], after[1] - before[1])
    print(what, *(f"{value:.1f}" for value in numbers), len(set(sys.modules) - modules), sep="|")
    return given
def numpy():
    import numpy
def litert():
    import ai_edge_litert.interpreter
def schema():
    import ai_edge_litert.schema_py_generated
"""
IMPORTS = (
    MEASURE
    + """
note("a bare Python's sys", lambda: None)
note("import numpy", numpy)
note("import ai_edge_litert.interpreter", litert)
note("import ai_edge_litert.schema_py_generated", schema)
"""
)
LOADING = (
    MEASURE
    + """
numpy(), litert()
from ai_edge_litert.interpreter import Interpreter, OpResolverType
path, name, threads, plain, rows = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4] == "plain", int(sys.argv[5])
kind = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES if plain else OpResolverType.AUTO
content = note(f"{name}|the file's bytes", lambda: open(path, "rb").read())
def opened():
    made = Interpreter(model_content=content, num_threads=threads, experimental_op_resolver_type=kind)
    for each in made.get_input_details():
        if rows:
            made.resize_tensor_input(each["index"], [rows, *each["shape"][1:]], strict=True)
    made.allocate_tensors()
    made.invoke()
    return made
first = note(f"{name}|the first interpreter", opened)
second = note(f"{name}|a second one", opened)
"""
)


def measured(script: str, *words: str) -> list[list[str]]:
    """What a process of its own prints; the medians of several."""
    runs = []
    for _ in range(REPEATS):
        ended = subprocess.run([sys.executable, "-c", script, *words], capture_output=True, text=True, check=True, timeout=120)
        runs.append([line.split("|") for line in ended.stdout.splitlines()])
    return [_middle(same) for same in zip(*runs, strict=True)]


def _middle(same: Sequence[list[str]]) -> list[str]:
    return [
        cells[0] if len(set(cells)) == 1 else f"{statistics.median(float(cell) for cell in cells):.1f}"
        for cells in zip(*same, strict=True)
    ]


def imports() -> str:
    lines = ["| what | ms | resident MiB | of them private | modules |", "|---|---|---|---|---|"]
    lines += [f"| {' | '.join(row)} |" for row in measured(IMPORTS)]
    return "\n".join(lines)


def loads(kinds: Mapping[str, Kind]) -> str:
    lines = ["| model | options | what | ms | resident MiB | of them private |", "|---|---|---|---|---|---|"]
    for name in ("mlp", "photo", "lstm", "large"):
        path, fixed = kinds[name].programs[-1]
        for options, words in {
            "XNNPACK": ("1", "xnnpack"),
            "XNNPACK, 2 threads": ("2", "xnnpack"),
            "without": ("1", "plain"),
        }.items():
            for _, what, *cells, _ in measured(LOADING, str(path), name, *words, "0" if fixed else "64"):
                lines.append(f"| {name} | {options} | {what} | {' | '.join(cells)} |")
    return "\n".join(lines)
