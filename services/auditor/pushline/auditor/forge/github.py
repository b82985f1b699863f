"""GitHub: statuses and comments of commits (https://docs.github.com/rest/commits)."""

from collections.abc import Mapping
from typing import Any

from pushline.auditor.forge.answers import Own, field_of, items, number_of
from pushline.auditor.forge.http import Http, NotFound
from pushline.auditor.forge.ports import Comment, Status
from pushline.runtime.forge_config import ForgeConfig

PAGE, MOST_PAGES = 50, 20


class GitHub:
    longest_description = 140
    longest_comment = 65_000

    def __init__(self, http: Http, config: ForgeConfig, context: str) -> None:
        self._http, self._context = http, context
        self._at = f"/repos/{config.project}"
        self._own = Own(http, "/user", bots=True)

    def close(self) -> None:
        self._http.close()

    @staticmethod
    def headers(token: str) -> Mapping[str, str]:
        return {
            "authorization": f"Bearer {token}",
            "accept": "application/vnd.github+json",
            "x-github-api-version": "2022-11-28",
        }

    def stands(self, sha: str, status: Status) -> bool | None:
        for page in range(1, MOST_PAGES + 1):
            answer = self._http.call("GET", f"{self._at}/commits/{sha}/status?per_page={PAGE}&page={page}")
            found = items(answer.body, "statuses")
            for each in found:
                if each.get("context") == self._context:
                    said = tuple(field_of(each, name) for name in ("state", "description", "target_url"))
                    return said == (status.state, status.description, status.url)
            if len(found) < PAGE:
                break
        return None

    def say(self, sha: str, status: Status) -> None:
        body = {"state": status.state, "description": status.description, "context": self._context}
        if status.url:
            body["target_url"] = status.url
        answer = self._http.call("POST", f"{self._at}/statuses/{sha}", body)
        self._own.learn(answer.body, "creator")

    def comments(self, sha: str, marker: str) -> list[Comment]:
        found: list[dict[str, Any]] = []
        for page in range(1, MOST_PAGES + 1):
            answer = self._http.call("GET", f"{self._at}/commits/{sha}/comments?per_page={PAGE}&page={page}")
            more = items(answer.body)
            found += more
            if len(more) < PAGE:
                break
        marked = [each for each in found if field_of(each, "body").startswith(marker)]
        ours = self._own.of(marked, "user")
        return [
            Comment(str(number_of(each, "id")), field_of(each, "body"))
            for each in sorted(ours, key=lambda one: number_of(one, "id"))
        ]

    def comment(self, sha: str, body: str) -> None:
        answer = self._http.call("POST", f"{self._at}/commits/{sha}/comments", {"body": body})
        self._own.learn(answer.body, "user")

    def edit(self, sha: str, comment: Comment, body: str) -> None:  # noqa: ARG002 - the port's shape
        self._http.call("PATCH", f"{self._at}/comments/{comment.id}", {"body": body})

    def remove(self, sha: str, comment: Comment) -> None:  # noqa: ARG002 - the port's shape
        try:
            self._http.call("DELETE", f"{self._at}/comments/{comment.id}")
        except NotFound:
            return  # another one of us was quicker
