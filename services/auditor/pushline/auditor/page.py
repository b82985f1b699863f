"""The first page: one row a commit, how far it came and why it stopped; what is live. One page a run. Plain HTML, no scripts."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from pushline.auditor import views
from pushline.auditor.history import History
from pushline.auditor.ports import Fold
from pushline.auditor.questions import STAGES, BadQuestion, Question
from pushline.line.topics import TOPIC_NAMES

ROWS = 50
REFRESH_SECONDS = 5
ASKED = ("model", "stage", "skip", "refresh")


@dataclass(frozen=True, slots=True)
class Page:
    fold: Fold
    history: History
    templates: Environment

    def routes(self) -> list[Route]:
        doors = {"/": self.first, "/runs/{run_id}": self.run, "/style.css": self.style}
        return [Route(path, door, methods=["GET"]) for path, door in doors.items()]

    def first(self, request: Request) -> Response:
        try:
            asked = Question(request.query_params, ASKED)
            stage, skip = asked.one_of("stage", STAGES), asked.number("skip", 0, 0) or 0
        except BadQuestion:
            return RedirectResponse("/", 303)
        shown = self._shown(asked.text("model"), stage, skip)
        refresh = REFRESH_SECONDS if asked.text("refresh") else 0
        links = _links(request.query_params, skip, more=bool(shown["more"]))
        return self._html("page.html.j2", shown | {"refresh": refresh, "links": links, "stages": STAGES, "stage": stage})

    def run(self, request: Request) -> Response:
        """Statuses and comments at a forge lead here."""
        run_id: str = request.path_params["run_id"]
        with self.fold.read() as ledger:
            run = ledger.runs.get(run_id)
            shown = views.run_detail(run, self.history) if run else None
            problem = self.fold.problem
        gates = _gates(shown["events"]) if shown else []
        values = {"run": shown, "run_id": run_id[:80], "gates": gates, "problem": problem, "topics": TOPIC_NAMES}
        return self._html("run.html.j2", values, 200 if shown else 404)

    def style(self, _: Request) -> Response:
        text = self.templates.get_template("style.css").render()
        return Response(text, media_type="text/css; charset=utf-8")

    def _shown(self, model: str, stage: str, skip: int) -> dict[str, object]:
        with self.fold.read() as ledger:
            runs = views.runs_newest_first(ledger, self.history, model, stage)
            return {
                "model": model,
                "models": [views.model_view(line, self.history) for _, line in sorted(ledger.models.items())],
                "runs": [views.run_view(run, self.history) for run in runs[skip : skip + ROWS]],
                "more": skip + ROWS < len(runs),
                "audit": views.audit_view(ledger, self.history, self.fold.problem),
                "topics": TOPIC_NAMES,
            }

    def _html(self, template: str, values: Mapping[str, object], status: int = 200) -> Response:
        text = self.templates.get_template(template).render(values)
        return Response(text.encode("utf-8", "replace"), status, media_type="text/html; charset=utf-8")


def _gates(events: list[views.View]) -> list[views.View]:
    """Give the gates of the newest verdict."""
    judged = [event["value"] for event in events if event["topic"] == "evaluated" and event["verdict"] == "valid"]
    return list(judged[-1].get("gates", [])) if judged else []


def make_templates() -> Environment:
    return Environment(
        loader=PackageLoader("pushline.auditor", "pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _links(parameters: Mapping[str, str], skip: int, *, more: bool) -> dict[str, str]:
    """Give the addresses that the page leads to; empty where there is nothing."""
    kept = {name: value for name, value in parameters.items() if name in ("model", "stage") and value}
    refresh = {"refresh": "1"} if parameters.get("refresh") else {}
    newer = {"skip": str(skip - ROWS)} if skip > ROWS else {}
    return {
        "refresh": _link(kept if refresh else kept | {"refresh": "1"}),
        "older": _link(kept | refresh | {"skip": str(skip + ROWS)}) if more else "",
        "newer": _link(kept | refresh | newer) if skip else "",
    }


def _link(parameters: Mapping[str, str]) -> str:
    return f"/?{urlencode(parameters)}" if parameters else "/"
