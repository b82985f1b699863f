"""The text of a report: of report.json in the store, else of what the event itself has."""

from collections import OrderedDict

from pushline import reports
from pushline.auditor.forge.ports import StoreAway
from pushline.auditor.forge.text import event_text
from pushline.line.events import ModelEvaluated
from pushline.objects.store import DigestMismatch, ObjectMissing, ObjectTooLarge, Store, StoreError
from pushline.reports.reading import MAX_BYTES

KEPT = 8


class EventReports:
    """For an auditor without a store."""

    def text(self, event: ModelEvaluated, links: dict[str, str], /) -> str:  # noqa: ARG002 - the port's shape
        return event_text(event)


class StoredReports:
    """Reads only; what lies under the key is believed by its digest alone. For several threads."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._kept: OrderedDict[tuple[str, str], str] = OrderedDict()  # an edited comment has the same report

    def text(self, event: ModelEvaluated, links: dict[str, str], /) -> str:
        if not event.report_key:
            return event_text(event)
        key = (event.report_sha256, repr(links))
        found = self._kept.get(key)
        if found is None:
            found = self._kept[key] = self._read(event, links)
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return found

    def _read(self, event: ModelEvaluated, links: dict[str, str]) -> str:
        try:
            with self._store.fetch(event.report_key, event.report_sha256, MAX_BYTES) as path:
                return reports.markdown(reports.read(path.read_bytes()), links)
        except (ObjectMissing, DigestMismatch, ObjectTooLarge, reports.BadReport):
            return event_text(event)
        except (StoreError, OSError) as error:
            raise StoreAway(f"store: {error}") from None
