"""Write the bill of materials of the image that this runs in: `bom.py NAME VERSION FILE`. CycloneDX 1.6, as JSON.

Python's packages are told by cyclonedx-py, an environment below /opt at a time; the system's by dpkg.
"""

import json
import subprocess
import sys
from pathlib import Path

from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from packageurl import PackageURL

TOOLS = Path(sys.prefix)
PACKAGES = ["dpkg-query", "--show", "--showformat", "${Package}\t${Version}\t${Architecture}\n"]


def of_python(interpreter: Path) -> Bom:
    tool = str(TOOLS / "bin" / "cyclonedx-py")
    command = [tool, "environment", "--output-reproducible", "--sv", "1.6", str(interpreter)]
    told = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    found = Bom.from_json(told)  # type: ignore[attr-defined]  # made by a decorator
    assert isinstance(found, Bom)  # noqa: S101 - for the reader of types
    return found


def of_system() -> list[Component]:
    release = dict(line.split("=", 1) for line in Path("/etc/os-release").read_text().splitlines() if "=" in line)
    vendor, version = release["ID"].strip('"'), release.get("VERSION_ID", "").strip('"')
    told = subprocess.run(PACKAGES, check=True, capture_output=True, text=True).stdout
    return [_package(vendor, version, *line.split("\t")) for line in told.splitlines()]


def _package(vendor: str, release: str, name: str, version: str, architecture: str) -> Component:
    known = {"arch": architecture, "distro": f"{vendor}-{release}"}
    purl = PackageURL("deb", vendor, name, version, known)
    return Component(type=ComponentType.LIBRARY, name=name, version=version, purl=purl, bom_ref=str(purl))


def main(name: str, version: str, to: Path) -> None:
    bom = Bom()
    bom.metadata.component = root = Component(type=ComponentType.CONTAINER, name=name, version=version, bom_ref=name)
    for interpreter in sorted(Path("/opt").glob("*/bin/python")):
        if not interpreter.is_relative_to(TOOLS):
            bom.components.update(of_python(interpreter).components)
    bom.components.update(of_system())
    bom.register_dependency(root, bom.components)
    to.parent.mkdir(parents=True, exist_ok=True)
    to.write_text(make_outputter(bom, OutputFormat.JSON, SchemaVersion.V1_6).output_as_string(indent=1))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
