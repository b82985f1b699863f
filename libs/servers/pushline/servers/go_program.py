"""Programs in Go, each built from a module whose hash covers, by its go.sum, all that it is built from; its Go is a wheel."""

import json
from dataclasses import dataclass
from pathlib import Path

from pushline.servers.cache import Kitchen, NotPrepared, Tell

TOOLS = Path(__file__).parent / "minio-tools.txt"
GO = {"GOTOOLCHAIN": "local", "GOFLAGS": "-trimpath -modcacherw", "GOSUMDB": "off", "CGO_ENABLED": "0", "GOWORK": "off"}


@dataclass(frozen=True, slots=True)
class GoProgram:
    name: str
    module: str  # with its version
    sum: str  # what it must be, as go.sum has it
    flags: str  # of the linker
    package: str = "."


def build(program: GoProgram, kitchen: Kitchen, target: Path, tell: Tell) -> None:
    """Raises NotPrepared."""
    go = kitchen.tools(TOOLS) / "go"
    environment = {**GO, "GOPATH": str(kitchen.folder / "go"), "GOCACHE": str(kitchen.folder / "built"), "GOBIN": ""}
    environment["GOMODCACHE"] = str(kitchen.folder / "modules")
    told = json.loads(kitchen.run([go, "mod", "download", "-json", program.module], environ=environment))
    if told["Sum"] != program.sum:
        raise NotPrepared(f"the module {program.module} has the hash {told['Sum']}, expected {program.sum}")
    tell(f"{program.name}'s source is here; compiling it")
    kitchen.run([go, "build", "-ldflags", program.flags, "-o", target, program.package], Path(told["Dir"]), environment)
