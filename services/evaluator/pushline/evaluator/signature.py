"""What callers rely on: inputs, outputs and labels of a model, against those of the live one. Pure; ARCHITECTURE.md has the rules.

An input may take more than before, an output may promise more; whatever makes a call that works today fail, or mean something
else, breaks.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from pushline.objects.manifest import DYNAMIC, Manifest, TensorSpec

FIRST, SAME, COMPATIBLE, BREAKING, UNKNOWN = "first", "same", "compatible", "breaking", "unknown"
MOST_NAMED = 10  # changes in a sentence; the report has all


class Change(NamedTuple):
    sentence: str
    breaks: bool


@dataclass(frozen=True, slots=True)
class Signature:
    """`kind` is one of those above."""

    kind: str
    changes: tuple[Change, ...] = ()

    @property
    def sentences(self) -> tuple[str, ...]:
        return tuple(change.sentence for change in self.changes)

    @property
    def broken(self) -> str:
        """What breaks, in words."""
        breaking = [change.sentence for change in self.changes if change.breaks]
        more = len(breaking) - MOST_NAMED
        return "; ".join(breaking[:MOST_NAMED]) + (f"; and {more} more" if more > 0 else "")


def compare_signatures(own: Manifest, live: Manifest | None) -> Signature:
    if live is None:
        return Signature(FIRST)
    changes = (*_inputs(own.inputs, live.inputs), *_outputs(own.outputs, live.outputs), *_meaning(own, live))
    if not changes:
        return Signature(SAME)
    return Signature(BREAKING if any(change.breaks for change in changes) else COMPATIBLE, changes)


def measures_alike(own: Manifest, live: Manifest) -> str:
    """Say why the live model's answers mean something else on a set made for the new one; empty where they do not."""
    if own.task != live.task:
        return f"the task is {own.task}, that of the live model {live.task}"
    if own.labels and live.labels and own.labels != live.labels:
        return "its classes have other labels"
    return ""


def _inputs(own: Sequence[TensorSpec], live: Sequence[TensorSpec]) -> Iterator[Change]:
    new, old = {spec.name: spec for spec in own}, {spec.name: spec for spec in live}
    yield from (Change(f"input {name} is gone", breaks=True) for name in old if name not in new)
    yield from (Change(f"input {name} is new, and callers of now do not send it", breaks=True) for name in new if name not in old)
    kept = [name for name in new if name in old]
    for name in kept:
        yield from _tensor(f"input {name}", new[name], old[name], widens=True)
    if kept != [name for name in old if name in new]:
        yield Change("inputs stand in another order; they are sent by name", breaks=False)


def _outputs(own: Sequence[TensorSpec], live: Sequence[TensorSpec]) -> Iterator[Change]:
    new, old = {spec.name: spec for spec in own}, {spec.name: spec for spec in live}
    yield from (Change(f"output {name} is gone", breaks=True) for name in old if name not in new)
    for name, spec in new.items():
        if name in old:
            yield from _tensor(f"output {name}", spec, old[name], widens=False)
    kept = [name for name in old if name in new]
    if list(new)[: len(kept)] != kept:
        yield Change(f"outputs are {_names(new)} in this order, before {_names(old)}", breaks=True)
    elif len(kept) == len(old):
        yield from (_added(name, len(old)) for name in list(new)[len(kept) :])


def _added(name: str, before: int) -> Change:
    if before == 1:
        why = "answers of TensorFlow Serving's REST API have another form with several outputs than with one"
        return Change(f"output {name} is a second one: {why}", breaks=True)
    return Change(f"output {name} was added at the end", breaks=False)


def _tensor(what: str, new: TensorSpec, old: TensorSpec, *, widens: bool) -> Iterator[Change]:
    """`widens`: a dimension may become open; else an open one may become fixed."""
    if new.dtype != old.dtype:
        yield Change(f"{what} is {new.dtype}, before {old.dtype}", breaks=True)
    if new.shape == old.shape:
        return
    free = old.shape if not widens else new.shape  # where this is open, the other may be what it likes
    fits = len(new.shape) == len(old.shape) and all(
        one == other or most == DYNAMIC for one, other, most in zip(new.shape, old.shape, free, strict=True)
    )
    yield Change(f"{what} has the shape {_written(new.shape)}, before {_written(old.shape)}", breaks=not fits)


def _meaning(own: Manifest, live: Manifest) -> Iterator[Change]:
    if own.task != live.task:
        yield Change(f"the task is {own.task}, before {live.task}", breaks=True)
    if own.from_logits != live.from_logits:
        kinds = ("probabilities", "scores before softmax or sigmoid")
        yield Change(f"answers are {kinds[own.from_logits]}, before {kinds[live.from_logits]}", breaks=True)
    if own.labels != live.labels:
        yield Change(_labels(own.labels, live.labels), breaks=bool(live.labels))  # names in place of numbers: those still count


def _labels(new: Sequence[str], old: Sequence[str]) -> str:
    if not new or not old:
        named = ("without names", "named by labels")
        return f"classes are {named[bool(new)]}, before {named[bool(old)]}"
    if len(new) != len(old):
        return f"there are {len(new)} labels, before {len(old)}"
    at = next(at for at, (one, other) in enumerate(zip(new, old, strict=True)) if one != other)
    return f'label {at} is "{new[at][:80]}", before "{old[at][:80]}"'


def _names(specs: dict[str, TensorSpec]) -> str:
    return ", ".join(specs)


def _written(shape: tuple[int, ...]) -> str:
    return "(" + ", ".join("any" if size == DYNAMIC else str(size) for size in shape) + ")"
