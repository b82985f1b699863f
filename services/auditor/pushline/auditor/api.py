"""The auditor's JSON doors. They look and answer; nothing can be changed here."""

import json
from collections.abc import Callable
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pushline.auditor import views
from pushline.auditor.history import History
from pushline.auditor.ports import Exposition, Fold, Notes, Probes
from pushline.auditor.questions import STAGES, BadQuestion, Question

Answer = Callable[[Request], Response]
PAGE = 100


class Json(Response):
    media_type = "application/json"

    def render(self, content: object) -> bytes:
        """Write ASCII alone: what stands in the log may hold characters that have no UTF-8 (lone surrogates)."""
        return json.dumps(content, allow_nan=False).encode() + b"\n"


@dataclass(frozen=True, slots=True)
class Api:
    fold: Fold
    history: History

    def routes(self) -> list[Route]:
        doors: dict[str, Answer] = {
            "/api/runs": self.runs,
            "/api/runs/{run_id}": self.run,
            "/api/models": self.models,
            "/api/events": self.events,
            "/api/audit": self.audit,
        }
        return [Route(path, _refusing(door), methods=["GET"]) for path, door in doors.items()]

    def runs(self, request: Request) -> Response:
        """Newest first; `skip` and `limit` page."""
        asked = Question(request.query_params, ("model", "stage", "skip", "limit"))
        stage, limit, skip = asked.one_of("stage", STAGES), asked.limit(PAGE), asked.number("skip", 0, 0) or 0
        with self.fold.read() as ledger:
            runs = views.runs_newest_first(ledger, self.history, asked.text("model"), stage)
            shown = [views.run_view(run, self.history) for run in runs[skip : skip + limit]]
        return Json({"runs": shown, "total": len(runs)})

    def run(self, request: Request) -> Response:
        Question(request.query_params, ())
        run_id: str = request.path_params["run_id"]
        with self.fold.read() as ledger:
            run = ledger.runs.get(run_id)
            found = views.run_detail(run, self.history) if run else None
        if found is None:
            return Json({"error": f"no run {run_id[:80]!r} is known"}, 404)
        return Json(found)

    def models(self, request: Request) -> Response:
        Question(request.query_params, ())
        with self.fold.read() as ledger:
            lines = [views.model_view(line, self.history) for _, line in sorted(ledger.models.items())]
        return Json({"models": lines})

    def events(self, request: Request) -> Response:
        """Newest read first; `next` is the `before` of the following page, null at the end."""
        asked = Question(request.query_params, ("model", "run", "topic", "verdict", "before", "limit"))
        wanted, limit, before = asked.filter(), asked.limit(PAGE), asked.number("before", None, 1)
        with self.fold.read():
            found = self.history.newest_first(wanted, before)
            page = [seen for seen, _ in zip(found, range(limit), strict=False)]
            more = next(found, None) is not None
            shown = [views.event_view(seen) for seen in page]
        return Json({"events": shown, "next": page[-1].number if more else None})

    def audit(self, request: Request) -> Response:
        Question(request.query_params, ())
        with self.fold.read() as ledger:
            return Json(views.audit_view(ledger, self.history, self.fold.problem))


def probe_routes(probes: Probes, expose: Exposition, notes: Notes) -> list[Route]:
    def metrics(request: Request) -> Response:
        body, content_type = expose(request.headers.get("accept", ""))
        return Response(body, headers={"content-type": content_type})

    def livez(_: Request) -> Response:
        return Json({"live": True})

    def readyz(_: Request) -> Response:
        problems, more = probes.problems, notes()
        told = {"ready": not problems, "problems": problems} | ({"notes": more} if more else {})
        return Json(told, 503 if problems else 200)

    return [Route("/metrics", metrics), Route("/livez", livez), Route("/readyz", readyz)]


def _refusing(door: Answer) -> Answer:
    def answer(request: Request) -> Response:
        try:
            return door(request)
        except BadQuestion as error:
            return Json({"error": str(error)}, 400)

    return answer
