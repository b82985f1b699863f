"""deploy/compose.yaml without an engine: what it promises of every container, and that .env.example tells the whole truth."""

import json
import re
from pathlib import Path
from typing import Any

import yaml

DEPLOY = Path(__file__).parents[2] / "deploy"
TEXT = (DEPLOY / "compose.yaml").read_text()
VARIABLE = re.compile(r"\$\{(\w+):-([^}]*)\}")
FORBIDDEN_IN_SANDBOXES = {"bpf", "init_module", "kexec_load", "keyctl", "io_uring_setup", "perf_event_open", "userfaultfd"}
NEEDED_BY_SANDBOXES = {"clone", "clone3", "unshare", "mount", "umount2", "pivot_root", "mount_setattr", "sethostname", "seccomp"}


def services() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(TEXT)["services"]
    return found


def ours() -> dict[str, Any]:
    return {name: each for name, each in services().items() if each["image"].startswith("pushline-")}


def test_every_variable_is_explained_and_its_default_is_what_counts_without_it() -> None:
    told = dict(line.split("=", 1) for line in (DEPLOY / ".env.example").read_text().splitlines() if re.match(r"\w+=", line))

    assert set(VARIABLE.findall(TEXT)) == set(told.items())
    assert "${" not in VARIABLE.sub("", TEXT)


def test_no_image_is_bound_to_a_registry_and_none_floats() -> None:
    images = {VARIABLE.sub(r"\2", each["image"]) for each in services().values()}

    assert {image for image in images if "." in image.split("/")[0].split(":")[0]} == set()
    assert {image for image in images if not re.search(r":.*\d", image)} == set()


def test_our_containers_have_a_read_only_root_no_capability_a_limit_and_no_secret_in_their_environment() -> None:
    assert {each["read_only"] for each in ours().values()} == {True}
    assert {tuple(each["cap_drop"]) for each in ours().values()} == {("ALL",)}
    assert {"no-new-privileges:true" in each["security_opt"] for each in ours().values()} == {True}
    assert {name for name, each in ours().items() if "mem_limit" not in each} <= {"keys", "setup", "pushline"}
    environments = json.dumps([each.get("environment", {}) for each in services().values()])
    assert re.findall(r"\w*(?:SECRET|PASSWORD|KEY)\w*(?<!_FILE)(?<!__FILE)\"", environments) == []


def test_those_that_make_sandboxes_have_what_sandboxes_need_and_nobody_else_does() -> None:
    loosened = {name for name, each in services().items() if any("seccomp" in option for option in each.get("security_opt", []))}
    profile = json.loads((DEPLOY / "seccomp.json").read_text())
    refused = {name for rule in profile["syscalls"] if "args" not in rule for name in rule["names"]}

    assert loosened == {"trainer", "evaluator"}
    assert refused >= FORBIDDEN_IN_SANDBOXES
    assert not refused & NEEDED_BY_SANDBOXES
    assert {rule["action"] for rule in profile["syscalls"]} == {"SCMP_ACT_ERRNO"}


def test_a_service_of_the_line_starts_after_topics_bucket_and_keys_are_there() -> None:
    line = {"trainer", "evaluator", "deployer", "predictor", "auditor"}
    waits = {name for name, each in services().items() if "setup" in each.get("depends_on", {})}

    assert waits == line
    assert services()["setup"]["depends_on"] == {name: {"condition": "service_healthy"} for name in ("kafka", "store")}


def test_who_only_reads_the_store_has_the_key_that_only_reads() -> None:
    holders = {
        name: [volume.split(":")[0] for volume in each["volumes"] if volume.startswith("keys-")] for name, each in ours().items()
    }

    assert holders["predictor"] == holders["auditor"] == ["keys-reader"]
    assert holders["trainer"] == ["keys-line", "keys-webhook"]
    assert holders["evaluator"] == holders["deployer"] == ["keys-line"]
