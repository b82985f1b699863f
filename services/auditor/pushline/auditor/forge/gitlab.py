"""GitLab: statuses, and commit discussions, whose notes can be edited (a commit's comments cannot: they have no id).

https://docs.gitlab.com/api/commits and /api/discussions. GitLab makes a status a job of a pipeline, with states that only move on:
what is pending cannot be told to be pending again, nor what runs to run. So the description of an open commit stays that of its
first such status; a decided one is always told whole.
"""

from collections.abc import Mapping
from urllib.parse import quote

from pushline.auditor.forge.answers import Json, Own, field_of, items, number_of
from pushline.auditor.forge.http import BadRequest, Http, NotFound
from pushline.auditor.forge.ports import Comment, Status
from pushline.runtime.forge_config import ForgeConfig

PAGE, MOST_PAGES = 50, 20
LONGEST_URL = 255
_STATES = {"success": "success", "failure": "failed", "error": "failed"}
_OPEN = ("pending", "running")


class GitLab:
    longest_description = 255
    longest_comment = 500_000

    def __init__(self, http: Http, config: ForgeConfig, context: str, branch: str) -> None:
        self._http, self._context, self._branch = http, context, branch
        self._at = f"/projects/{quote(config.project, safe='')}"
        self._own = Own(http, "/user")

    def close(self) -> None:
        self._http.close()

    @staticmethod
    def headers(token: str) -> Mapping[str, str]:
        return {"private-token": token}

    def stands(self, sha: str, status: Status) -> bool | None:
        newest = self._newest(sha)
        if newest is None:
            return None
        said = tuple(field_of(newest, name) for name in ("status", "description", "target_url"))
        return said == (_state(status), status.description, _url(status))

    def _newest(self, sha: str) -> Json | None:
        name = quote(self._context, safe="")
        answer = self._http.call("GET", f"{self._at}/repository/commits/{sha}/statuses?name={name}&per_page={PAGE}")
        ours = [each for each in items(answer.body) if each.get("name") == self._context]
        return max(ours, key=lambda each: number_of(each, "id"), default=None)

    def say(self, sha: str, status: Status) -> None:
        body = {"state": _state(status), "name": self._context, "ref": self._branch, "description": status.description}
        if _url(status):
            body["target_url"] = status.url
        try:
            answer = self._http.call("POST", f"{self._at}/statuses/{sha}", body)
        except BadRequest:
            newest = self._newest(sha)
            if newest is None or field_of(newest, "status") not in _OPEN or status.state != "pending":
                raise
            return  # it is open already, and that is as much as GitLab takes
        self._own.learn(answer.body, "author")

    def comments(self, sha: str, marker: str) -> list[Comment]:
        notes = []
        for page in range(1, MOST_PAGES + 1):
            answer = self._http.call("GET", f"{self._discussions(sha)}?per_page={PAGE}&page={page}")
            found = items(answer.body)
            notes += [{**note, "discussion": field_of(each, "id")} for each in found for note in items(each, "notes")[:1]]
            if len(found) < PAGE:
                break
        ours = self._own.of([note for note in notes if field_of(note, "body").startswith(marker)], "author")
        return [
            Comment(f"{quote(note['discussion'], safe='')}/notes/{number_of(note, 'id')}", field_of(note, "body"))
            for note in sorted(ours, key=lambda one: number_of(one, "id"))
        ]

    def comment(self, sha: str, body: str) -> None:
        answer = self._http.call("POST", self._discussions(sha), {"body": body})
        first = next(iter(items(answer.body, "notes")), None)
        self._own.learn(first, "author")

    def edit(self, sha: str, comment: Comment, body: str) -> None:
        self._http.call("PUT", f"{self._discussions(sha)}/{comment.id}", {"body": body})

    def remove(self, sha: str, comment: Comment) -> None:
        try:
            self._http.call("DELETE", f"{self._discussions(sha)}/{comment.id}")
        except NotFound:
            return  # another one of us was quicker

    def _discussions(self, sha: str) -> str:
        return f"{self._at}/repository/commits/{sha}/discussions"


def _url(status: Status) -> str:
    return status.url if len(status.url) <= LONGEST_URL else ""


def _state(status: Status) -> str:
    if status.state == "pending":
        return "pending" if status.stage == "training" else "running"
    return "canceled" if status.stage == "superseded" else _STATES[status.state]
