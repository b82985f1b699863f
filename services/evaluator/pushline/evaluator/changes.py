"""What changed since the live model: what was pushed in between, and how the two were made. Pure."""

from collections.abc import Iterator, Sequence

from pushline.evaluator.verdict import Evaluation
from pushline.objects.manifest import Gate, Manifest, TensorSpec
from pushline.reports import words
from pushline.reports.report import Change, Changes, PushedCommit

MOST_SHOWN = 10  # of a list


def changes(work: Evaluation, own: Manifest | None, live: Manifest | None) -> Changes | None:
    """None where nothing was live."""
    if work.champion is None:
        return None
    commits = tuple(
        PushedCommit(each.sha, words.first_line(each.author), words.first_line(each.message)) for each in work.commits_between
    )
    made = tuple(_made(own, live)) if own and live else ()
    return Changes(commits, work.more_commits, made)


def _made(own: Manifest, live: Manifest) -> Iterator[Change]:
    for (what, before), (_, after) in zip(_facts(live), _facts(own), strict=True):
        if before != after:
            yield Change(what, before, after)


def _facts(of: Manifest) -> Iterator[tuple[str, str]]:
    yield "evaluation set", f"{words.short(of.dataset.sha256)}, {of.dataset.rows} rows" if of.dataset else ""
    yield "task", of.task
    yield "labels", _listed(of.labels)
    yield "inputs", _tensors(of.inputs)
    yield "outputs", _tensors(of.outputs)
    yield "loss", of.loss
    yield "epochs", str(max((len(values) for values in of.history.values()), default=0))
    yield "seeds", _listed([f"{name} {seed}" for name, seed in sorted(of.seeds.items())])
    yield "versions", _listed([f"{name} {version}" for name, version in sorted(of.versions.items())])
    yield "packages", words.short(of.environment_sha256)
    yield "gates", _listed([_gate(gate) for gate in of.gates])
    yield "confidence", words.level(of.confidence)
    yield "size of model.h5", words.size(next((file.size for file in of.files if file.name == "model.h5"), None))
    yield "size of the program", words.size(sum(_size(of, program.file) for program in of.programs)) if of.programs else ""
    yield "engine", of.engine
    yield "sandbox", of.sandbox


def _size(of: Manifest, name: str) -> int:
    return next(file.size for file in of.files if file.name == name)


def _listed(values: Sequence[str]) -> str:
    """Say how many more there are: two long lists that differ at their end alone still differ here, unless by nothing but names."""
    more = f" and {len(values) - MOST_SHOWN} more" if len(values) > MOST_SHOWN else ""
    return ", ".join(words.first_line(value, 60) for value in values[:MOST_SHOWN]) + more


def _tensors(specs: Sequence[TensorSpec]) -> str:
    return _listed([f"{spec.name} {spec.dtype}{list(spec.shape)}" for spec in specs])


def _gate(gate: Gate) -> str:
    bounds = {"min": gate.minimum, "max": gate.maximum, "max_drop": gate.max_drop}
    named = [f"{name} {bound:g}" for name, bound in bounds.items() if bound is not None]
    return f"{gate.metric} {' '.join(named)}".strip()
