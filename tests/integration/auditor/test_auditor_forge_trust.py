"""Whom the auditor trusts at a forge, and with what: tokens, certificates, redirects, configurations that change."""

from pathlib import Path

import pytest

from pushline.auditor.forge.opening import BadForge, Opening
from pushline.line.memory import MemoryLog
from tests.fixtures.forge.server import FakeForge, Fault, serving
from tests.fixtures.forge.telling import Told as Auditing
from tests.fixtures.forge.telling import auditor, forge_of, write_config, write_token
from tests.fixtures.predictor.certificates import Authority
from tests.unit.auditor.telling import MODEL, Telling
from tests.waiting import until

REFUSED = {
    401: "answers 401 (Bad credentials) to POST",
    403: "answers 403 (Resource not accessible by personal access token) to POST",
    404: "answers 404 (Not Found) to POST",
    422: "answers 422 (No commit found for SHA) to POST",
}


@pytest.mark.parametrize("status", REFUSED)
def test_a_refusal_is_told_and_given_up_until_the_token_changes(
    log: MemoryLog, forge: FakeForge, config: Path, status: int
) -> None:
    tell, said = Telling(log), REFUSED[status].partition("(")[2].partition(")")[0]
    forge.fault = lambda call: Fault(status, body={"message": said}) if call.method == "POST" else None

    with auditor(log, config) as told_to:
        told = tell.push("one")
        until(lambda: REFUSED[status] in told_to.problems.get(f"forge of {MODEL}", ""), what="the reason")
        until(lambda: "the forge is not told" in told_to.logged.getvalue(), what="the reason in the log")
        told_to.is_quiet()
        assert len(forge.calls) == 1
        forge.fault, forge.token = (lambda _: None), "another-token-of-the-auditor"
        write_token(config.parent, MODEL, forge.token)
        forge.shows(told.commit.sha, "pending")

        until(lambda: told_to.problems == {}, what="no problem")
    assert "t0ken-of-the-auditor" not in told_to.logged.getvalue()
    assert "another-token" not in told_to.logged.getvalue()


def test_rights_that_are_given_without_a_new_token_are_found_at_the_next_event(
    log: MemoryLog, forge: FakeForge, config: Path
) -> None:
    tell = Telling(log)
    forge.fault = lambda call: Fault(403, body={"message": "no right"}) if call.method == "POST" else None
    with auditor(log, config) as told_to:
        first = tell.push("one")
        until(lambda: "1 refused" in str(told_to.problems), what="a refusal")
        forge.fault = lambda _: None
        second = tell.push("two")

        forge.shows(second.commit.sha, "pending")
        forge.shows(first.commit.sha, "pending")


def test_a_token_that_becomes_unusable_is_told_and_the_one_before_counts_on(log: MemoryLog, forge: FakeForge, config: Path) -> None:
    tell = Telling(log)
    with auditor(log, config) as told_to:
        forge.shows(tell.push("one").commit.sha, "pending")
        write_token(config.parent, MODEL, "two words")
        until(lambda: "holds no token" in told_to.problems.get("forges", ""), what="the problem")
        forge.shows(tell.push("two").commit.sha, "pending")

    assert "two words" not in told_to.logged.getvalue()


def test_a_forge_that_is_named_while_the_auditor_runs_is_told_from_then_on(
    log: MemoryLog, forge: FakeForge, tmp_path: Path
) -> None:
    tell, config = Telling(log), write_config(tmp_path, {})
    with auditor(log, config) as told_to:
        told = tell.push("one")
        write_config(tmp_path, {MODEL: ("github", forge)})
        forge.shows(told.commit.sha, "pending")
        write_config(tmp_path, {MODEL: ("github", forge)}, "comment = false")
        until(lambda: [config.comment for config in told_to.configs] == [False], what="what is configured now")
        tell.train(told, "failed", "script_failed", "it failed")
        forge.shows(told.commit.sha, "error")

    assert forge.comments == []


def test_no_redirect_is_followed_and_the_token_goes_nowhere_else(log: MemoryLog, forge: FakeForge, config: Path) -> None:
    with serving(forge_of("github")) as elsewhere:
        forge.fault = lambda call: Fault(307, {"location": f"{elsewhere.address}{call.path}"})
        with auditor(log, config) as told_to:
            Telling(log).push("one")
            until(lambda: "the token goes to no other place" in str(told_to.problems), what="the reason")

        assert elsewhere.calls == []


class TestTls:
    @pytest.fixture
    def authority(self) -> Authority:
        return Authority()

    def told(self, folder: Path, authority: Authority, more: str) -> tuple[FakeForge, Auditing]:
        certificate, key = authority.sign("forge").write(folder, "server")
        log = MemoryLog()
        with serving(forge_of("github"), certificate, key) as forge:
            config = write_config(folder, {MODEL: ("github", forge)}, more)
            with auditor(log, config) as told_to:
                Telling(log).push("one")
                until(lambda: forge.statuses or told_to.problems, what="a status, or why not")
                return forge, told_to

    def test_a_ca_of_ones_own_is_believed_where_it_is_named(self, tmp_path: Path, authority: Authority) -> None:
        ca = authority.write(tmp_path)

        forge, _ = self.told(tmp_path, authority, f'ca_file = "{ca}"')

        assert forge.statuses

    def test_a_certificate_that_nobody_vouches_for_is_not_believed(self, tmp_path: Path, authority: Authority) -> None:
        forge, told_to = self.told(tmp_path, authority, "")

        assert forge.calls == []
        assert "TLS: " in str(told_to.logged.getvalue())


def test_what_cannot_be_used_at_the_start_is_named_with_file_and_key(tmp_path: Path) -> None:
    with serving(forge_of("github")) as forge:
        config = write_config(tmp_path, {MODEL: ("github", forge)})
    (tmp_path / f"{MODEL}.token").unlink()
    opening = Opening(config)
    (model,) = opening.models()
    assert model.forge is not None

    with pytest.raises(BadForge, match=r"line\.toml: model digits: forge\.token_file: cannot read .*token: No such file"):
        opening.open(model, model.forge)


@pytest.mark.parametrize(("content", "why"), [(None, "No such file or directory"), (b"no certificate", "it holds no certificate")])
def test_a_ca_file_that_cannot_be_used_is_named(tmp_path: Path, content: bytes | None, why: str) -> None:
    forge = forge_of("gitea")
    forge.address = "https://127.0.0.1:1/api/v1"
    opening = Opening(write_config(tmp_path, {MODEL: ("gitea", forge)}, 'ca_file = "ca.pem"'))
    if content is not None:
        (tmp_path / "ca.pem").write_bytes(content)
    (model,) = opening.models()
    assert model.forge is not None

    with pytest.raises(BadForge, match=rf"model digits: forge\.ca_file: cannot use .*ca\.pem: {why}"):
        opening.open(model, model.forge)
