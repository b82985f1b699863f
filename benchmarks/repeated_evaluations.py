"""One model evaluated again and again by the handler with real programs: how many different reports come of it."""

from pushline.evaluator.adapters.limited_child import LimitedChild, Limits, working_bubblewrap
from pushline.objects.manifest import Gate
from pushline.objects.memory_store import MemoryStore
from tests.fixtures.evaluator.judging import judge
from tests.fixtures.evaluator.story import first_work, put_run, serving_of


def distinct_reports(count: int) -> int:
    """Each time in a store of its own, against a live model, so that nothing is taken from before."""
    child = LimitedChild(Limits(), working_bubblewrap())
    gates = [Gate("accuracy", 0.9, None, 0.02, {}, "repository"), Gate("f1", None, None, 0.02, {}, "repository")]
    reports = set()
    for _ in range(count):
        store = MemoryStore()
        live = put_run(store, "digits_worse", 1)
        event = judge(store, child, first_work(put_run(store, "digits", 2, gates=gates), serving_of(live)))
        reports.add(store.read_bytes(event.report_key))
    return len(reports)
