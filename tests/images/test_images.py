"""Each image by itself: what it says of itself, what lies in it, who it runs as, how it ends."""

import json
import re

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packaging.requirements import Requirement

from tests.images.containers import PLAIN, ROOT, SERVICES, TAG, USER, configuration
from tests.images.engine import Engine

ALL = (*SERVICES, "cli")
ENVIRONMENTS = {"trainer": ("trainer", "training"), "evaluator": ("evaluator", "predictor")}
UNCOMPILED = """
import importlib.util, pathlib
for path in pathlib.Path("/opt").rglob("*.py"):
    if "bin" not in path.parts and not pathlib.Path(importlib.util.cache_from_source(path)).exists():
        print(path)
"""

SANDBOXES = """
from pathlib import Path
from pushline.trainer.sandbox.box import SandboxUnavailable
from pushline.trainer.sandbox.bubblewrap import Bubblewrap
from pushline.trainer.sandbox.unshare import Unshare
for kind in Bubblewrap, Unshare:
    try:
        kind(Path("/opt/training/bin/python"), Path("/tmp")).check()
    except SandboxUnavailable as error:
        print(error)
"""


@pytest.mark.parametrize("service", ALL)
def test_an_image_runs_its_service_as_a_numeric_user_and_says_where_it_comes_from(
    docker: Engine, images: str, service: str
) -> None:
    assert f"pushline-{service}:{TAG}" in images
    told = configuration(docker, service)
    labels = told["Labels"]
    first = ["/usr/bin/tini", "--"] if service in ENVIRONMENTS else []

    assert told["User"] == f"{USER}:{USER}"
    assert told["Entrypoint"] == [*first, "/opt/pushline/bin/python", "-m", f"pushline.{service}"]
    assert isinstance(labels, dict)
    assert labels["org.opencontainers.image.title"] == f"pushline-{service}"
    assert re.fullmatch("[0-9a-f]{40}", labels["org.opencontainers.image.revision"])
    assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"


@pytest.mark.parametrize("service", ALL)
def test_the_bill_of_materials_beside_an_image_names_what_is_locked_and_nothing_else(
    docker: Engine, images: str, service: str
) -> None:
    assert images
    text = (ROOT / "dist" / "images" / f"pushline-{service}.cdx.json").read_text()
    problem = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    told = json.loads(text)["components"]
    found = {(_plain(each["name"]), each["version"]) for each in told if each.get("purl", "").startswith("pkg:pypi/")}
    system = {each["name"] for each in told if each.get("purl", "").startswith("pkg:deb/")}

    assert problem is None
    assert found == {pin for name in ENVIRONMENTS.get(service, (service,)) for pin in _pins(docker, service, name)}
    assert ({"git", "bubblewrap", "openssh-client"} <= system) == (service == "trainer")


def _pins(docker: Engine, service: str, requirements: str) -> set[tuple[str, str]]:
    """Give what the image's own Python has to have of a locked list."""
    asked = (
        "--entrypoint",
        "/opt/pushline/bin/python",
        f"pushline-{service}:{TAG}",
        "-c",
        "import platform as p; print(p.python_version())",
    )
    version = docker("run", "--rm", *PLAIN, "--network", "none", *asked)
    there = {"python_full_version": version, "python_version": ".".join(version.split(".")[:2])}
    lines = (ROOT / "requirements" / f"{requirements}.txt").read_text().splitlines()
    wanted = [Requirement(line.removesuffix(" \\")) for line in lines if line and not line.startswith(("#", " "))]
    needed = [each for each in wanted if each.marker is None or each.marker.evaluate(there)]
    return {(_plain(each.name), str(each.specifier).removeprefix("==")) for each in needed}


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.parametrize("service", ALL)
def test_everything_in_an_image_is_compiled_already(docker: Engine, images: str, service: str) -> None:
    assert images
    python = ("--entrypoint", "/opt/pushline/bin/python", f"pushline-{service}:{TAG}", "-I", "-c", UNCOMPILED)

    assert docker("run", "--rm", *PLAIN, "--network", "none", *python) == ""


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_without_settings_names_them_and_ends(docker: Engine, images: str, service: str) -> None:
    assert images
    said = docker("run", "--rm", *PLAIN, "--network", "none", f"pushline-{service}:{TAG}", check=False)

    assert "PUSHLINE_KAFKA is missing" in said
    assert "Traceback" not in said


def test_a_trainer_without_the_profile_runs_no_script_and_says_what_it_lacks(docker: Engine, images: str) -> None:
    assert images
    python = ("--entrypoint", "/opt/pushline/bin/python", f"pushline-trainer:{TAG}", "-I", "-c", SANDBOXES)

    said = docker("run", "--rm", *PLAIN, "--network", "none", *python)

    assert "bubblewrap cannot make a sandbox" in said
    assert "unshare cannot make a sandbox" in said
    assert "in Docker a seccomp profile that allows them" in said
