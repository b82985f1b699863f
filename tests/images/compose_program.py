"""Docker's Compose: the plugin that is here, else built from its module, once, in the user's cache."""

import subprocess
from pathlib import Path

from pushline.servers.cache import Kitchen, prepared
from pushline.servers.go_program import GoProgram, build
from tests.images.engine import Engine
from tests.servers import ENVIRON, tell

VERSION = "v2.40.3"
OLDEST = (2, 24)  # includes what compose.yaml uses
PROGRAM = GoProgram(
    "Compose",
    f"github.com/docker/compose/v2@{VERSION}",
    "h1:XeYkQu1svDtyfZPv5nTwFryQ25ZJMkIlc4pz9HalMPI=",
    f"-s -w -X github.com/docker/compose/v2/internal.Version={VERSION}",
    "./cmd",
)


def command(engine: Engine) -> list[str]:
    """Give the words that a Compose command begins with."""
    asked = [engine.client, "compose", "version", "--short"]
    told = subprocess.run(asked, env=dict(engine.environ), capture_output=True, text=True, check=False)
    if told.returncode == 0 and tuple(int(part) for part in told.stdout.strip().lstrip("v").split(".")[:2]) >= OLDEST:
        return asked[:2]
    return [str(program())]


def program() -> Path:
    def make(kitchen: Kitchen, folder: Path) -> None:
        tell(f"building Compose {VERSION} from source, once (3 to 5 minutes on 2 cores)")
        build(PROGRAM, kitchen, folder / "docker-compose", tell)

    return prepared(f"compose-{VERSION}", dict(ENVIRON), tell, make) / "docker-compose"
