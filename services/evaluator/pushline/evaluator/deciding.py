"""From what was measured of candidate and live model to comparison, slices and evidence. Pure."""

from collections.abc import Mapping

from pushline.evaluator.arrays import Array
from pushline.evaluator.comparison import compare, over_constant
from pushline.evaluator.findings import Comparison, Difference, SliceFound
from pushline.evaluator.gates import drops_of
from pushline.evaluator.known_metrics import REGRESSION
from pushline.evaluator.measures import Measured
from pushline.evaluator.measures.constant import best_constant
from pushline.evaluator.paired import side_of
from pushline.evaluator.slice_findings import measure_slices
from pushline.evaluator.slices import Table, read_slices, slices_of
from pushline.evaluator.verdict import NotJudgeable
from pushline.objects.manifest import Manifest
from pushline.objects.slices import LABEL

LEAST_CONFIDENCE, MOST_CONFIDENCE = 0.5, 0.999  # as the trainer reads them
MOST_LABELS = 50  # that are slices without being asked for


def check_confidence(confidence: float) -> None:
    """Raises NotJudgeable: what the trainer would not have written."""
    if not LEAST_CONFIDENCE <= confidence <= MOST_CONFIDENCE:
        allowed = f"from {LEAST_CONFIDENCE:g} to {MOST_CONFIDENCE:g}"
        raise NotJudgeable("bad_confidence", f"gates.confidence is {confidence:g}; it has to be {allowed}")


def compared(manifest: Manifest, candidate: Measured, live: Measured) -> Comparison:
    """Of every metric of the whole set, and of a class's own where a gate asks for it."""
    drops = drops_of(manifest.gates, candidate.task, live.numbers)
    names = [name for name in candidate.metrics if "." not in name]
    return compare(side_of(candidate), side_of(live), drops, manifest.confidence, names)


def beside_constant(manifest: Manifest, candidate: Measured) -> Difference | None:
    return over_constant(side_of(candidate), best_constant(candidate.answered), manifest.confidence)


def sliced(manifest: Manifest, arrays: Mapping[str, Array], candidate: Measured, live: Measured | None) -> tuple[SliceFound, ...]:
    """Raises NotJudgeable for slices that this set does not have. Labels are always slices: a gate of the operator's needs some."""
    specs = read_slices(tuple(dict.fromkeys([*_unasked(candidate), *manifest.slices])))
    chosen = slices_of(specs, Table(arrays, candidate.answered))
    drops = {gate.metric: gate.slice_max_drop for gate in manifest.gates if gate.slice_max_drop is not None}
    return measure_slices(chosen, candidate.answered, live.answered if live else None, drops, manifest.confidence)


def _unasked(candidate: Measured) -> tuple[str, ...]:
    few = candidate.task != REGRESSION and len(candidate.answered.labels) <= MOST_LABELS
    return (LABEL,) if few else ()
