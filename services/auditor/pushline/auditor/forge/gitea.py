"""Gitea and Forgejo: statuses, and a comment on the pull request that brought the commit: on commits they have none.

https://docs.gitea.com/api. A commit that no merged pull request brought has no place for a comment; its status says it all.
"""

from collections.abc import Mapping
from typing import Any

from pushline.auditor.forge.answers import Own, field_of, items, number_of
from pushline.auditor.forge.http import Http, NotFound
from pushline.auditor.forge.ports import Comment, NoPlace, Status
from pushline.runtime.forge_config import ForgeConfig

PAGE, MOST_PAGES = 50, 20


class Gitea:
    longest_description = 255
    longest_comment = 65_000

    def __init__(self, http: Http, config: ForgeConfig, context: str) -> None:
        self._http, self._context = http, context
        self._at = f"/repos/{config.project}"
        self._own = Own(http, "/user")
        self._requests: dict[str, int] = {}  # SHA → number of the pull request that brought it

    def close(self) -> None:
        self._http.close()

    @staticmethod
    def headers(token: str) -> Mapping[str, str]:
        return {"authorization": f"token {token}"}

    def stands(self, sha: str, status: Status) -> bool | None:
        for page in range(1, MOST_PAGES + 1):
            answer = self._http.call("GET", f"{self._at}/commits/{sha}/status?limit={PAGE}&page={page}")
            found = items(answer.body, "statuses")
            for each in found:
                if each.get("context") == self._context:
                    said = tuple(field_of(each, name) for name in ("status", "description", "target_url"))
                    return said == (status.state, status.description, status.url)
            if not found:
                break
        return None

    def say(self, sha: str, status: Status) -> None:
        body = {"state": status.state, "description": status.description, "context": self._context, "target_url": status.url}
        answer = self._http.call("POST", f"{self._at}/statuses/{sha}", body)
        self._own.learn(answer.body, "creator")

    def comments(self, sha: str, marker: str) -> list[Comment]:
        path = f"{self._at}/issues/{self._request(sha)}/comments"
        found: list[dict[str, Any]] = items(self._http.call("GET", path).body)  # all of them: this list has no pages
        ours = self._own.of([each for each in found if field_of(each, "body").startswith(marker)], "user")
        return [
            Comment(str(number_of(each, "id")), field_of(each, "body"))
            for each in sorted(ours, key=lambda one: number_of(one, "id"))
        ]

    def comment(self, sha: str, body: str) -> None:
        answer = self._http.call("POST", f"{self._at}/issues/{self._request(sha)}/comments", {"body": body})
        self._own.learn(answer.body, "user")

    def edit(self, sha: str, comment: Comment, body: str) -> None:  # noqa: ARG002 - the port's shape
        self._http.call("PATCH", f"{self._at}/issues/comments/{comment.id}", {"body": body})

    def remove(self, sha: str, comment: Comment) -> None:  # noqa: ARG002 - the port's shape
        try:
            self._http.call("DELETE", f"{self._at}/issues/comments/{comment.id}")
        except NotFound:
            return  # another one of us was quicker

    def _request(self, sha: str) -> int:
        if sha not in self._requests:
            try:
                body = self._http.call("GET", f"{self._at}/commits/{sha}/pull").body
            except NotFound:
                raise NoPlace("no merged pull request brought this commit, and there are no comments on commits") from None
            self._requests[sha] = number_of(body, "number") if isinstance(body, dict) else 0
        return self._requests[sha]
