"""GitLab, Gitea, Forgejo and Bitbucket: what each documents that it sends, and every wrong way to sign it."""

from urllib.parse import quote_plus

import pytest

from pushline.trainer.webhook.forms import Hint
from tests.fixtures.trainer_intake.forge import A, C, a_model
from tests.fixtures.trainer_intake.forges import (
    CLOUD,
    DATA_CENTER,
    FORGES,
    IDS,
    Sign,
    listening,
    of_data_center,
    send,
)
from tests.fixtures.trainer_intake.webhooks import (
    Webhooks,
    bitbucket_headers,
    gitea_headers,
    github_headers,
    gitlab_headers,
    payload,
    without,
)


@pytest.fixture
def webhooks() -> Webhooks:
    return listening()


@pytest.mark.parametrize(("door", "name", "sign"), FORGES.values(), ids=IDS)
def test_a_push_as_the_forge_documents_it_is_a_hint(door: str, name: str, sign: Sign) -> None:
    repository = DATA_CENTER if "-dc-" in name else CLOUD if "bitbucket" in name else a_model().repository
    webhooks, body = listening(repository=repository), payload(name)

    assert send(webhooks, door, body, sign(body)).status_code == 202
    assert webhooks.hints == [Hint("digits", A)]


@pytest.mark.parametrize(("door", "name", "sign"), FORGES.values(), ids=IDS)
def test_a_push_to_an_unknown_repository_is_ignored(door: str, name: str, sign: Sign) -> None:
    webhooks, body = listening(repository="https://git.example.com/other/thing.git"), payload(name)

    assert send(webhooks, door, body, sign(body)).json()["reason"] == "unknown_repository"
    assert webhooks.hints == []


@pytest.mark.parametrize(
    ("door", "name", "headers", "reason"),
    [
        ("github", "github-ping", lambda body: github_headers(body, "ping"), "ping"),
        ("github", "github-push-tag", github_headers, "tag"),
        ("github", "github-push-deleted", github_headers, "deleted"),
        ("gitlab", "gitlab-push-deleted", gitlab_headers, "deleted"),
        ("gitlab", "gitlab-tag", lambda body: gitlab_headers(body, "Tag Push Hook"), "tag"),
        ("gitlab", "gitlab-tag", lambda body: gitlab_headers(body, "System Hook"), "tag"),
        ("gitlab", "gitlab-merge-request", lambda body: gitlab_headers(body, "Merge Request Hook"), "other_event"),
        ("gitlab", "gitlab-merge-request", lambda body: gitlab_headers(body, "System Hook"), "other_event"),
        ("gitea", "gitea-push-tag", gitea_headers, "tag"),
        ("gitea", "gitea-delete", lambda body: gitea_headers(body, "delete"), "other_event"),
        ("bitbucket", "bitbucket-push-deleted", bitbucket_headers, "deleted"),
        ("bitbucket", "bitbucket-push-tag", bitbucket_headers, "tag"),
        ("bitbucket", "bitbucket-push", lambda body: bitbucket_headers(body, "repo:commit_status_created"), "other_event"),
        ("bitbucket", "bitbucket-dc-push-deleted", of_data_center, "deleted"),
        ("bitbucket", "bitbucket-dc-ping", lambda body: bitbucket_headers(body, "diagnostics:ping"), "ping"),
    ],
    ids=range(15),
)
def test_what_is_no_push_to_the_branch_is_ignored_with_the_reason(door: str, name: str, headers: Sign, reason: str) -> None:
    webhooks, body = listening(repository=CLOUD if "bitbucket-push" in name else a_model().repository), payload(name)

    answer = send(webhooks, door, body, headers(body))

    assert (answer.status_code, answer.json().get("reason")) == (200, reason)
    assert webhooks.hints == []


def test_a_system_hook_of_gitlab_tells_of_pushes_too(webhooks: Webhooks) -> None:
    body = payload("gitlab-push")

    assert send(webhooks, "gitlab", body, gitlab_headers(body, "System Hook")).status_code == 202


def test_one_push_may_move_the_branches_of_two_models() -> None:
    values = {"repository": CLOUD}
    webhooks, body = Webhooks([a_model(**values), a_model("topic", branch="topic", **values)]), payload("bitbucket-push-many")

    assert send(webhooks, "bitbucket", body, bitbucket_headers(body)).status_code == 202
    assert webhooks.hints == [Hint("topic", C), Hint("digits", A)]


def test_a_branch_that_is_none_of_the_many_is_another_branch() -> None:
    webhooks, body = listening(repository=CLOUD, branch="release"), payload("bitbucket-push-many")

    assert send(webhooks, "bitbucket", body, bitbucket_headers(body)).json()["reason"] == "other_branch"


def test_a_form_of_gitea_is_signed_as_it_was_sent(webhooks: Webhooks) -> None:
    body = b"payload=" + quote_plus(payload("gitea-push").decode()).encode()
    headers = [*without(gitea_headers(body), b"content-type"), (b"content-type", b"application/x-www-form-urlencoded")]

    assert send(webhooks, "gitea", body, headers).status_code == 202
