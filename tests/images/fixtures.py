"""One engine, one base, one set of images and one line for all tests of images and of Compose."""

from collections.abc import Iterator

import pytest

from pushline.servers.real_parts import Parts
from tests.images import containers
from tests.images.engine import AUTHORITIES, Engine, NoEngine, base_image, engine
from tests.servers import ENVIRON, tell


@pytest.fixture(scope="session")
def docker() -> Iterator[Engine]:
    """Give a real engine. Where none can be had, what needs it is skipped, and nobody can miss that; in CI it fails."""
    try:
        with engine() as found:
            yield found
    except NoEngine as error:
        tell(f"NO IMAGE WAS TESTED: {error}")
        if ENVIRON.get("CI"):
            pytest.exit(f"an engine is what CI is to have: {error}", returncode=1)
        pytest.skip(f"no Docker engine: {error}")


@pytest.fixture(scope="session")
def base(docker: Engine) -> str:
    return base_image(docker)


@pytest.fixture(scope="session")
def images(docker: Engine, base: str) -> str:
    """Build all of them as `make images` does; give what it says."""
    said = containers.build(docker, base, AUTHORITIES)
    for sentence in said.splitlines():
        tell(sentence)
    return said


@pytest.fixture(scope="session")
def line(
    docker: Engine, base: str, images: str, real_parts: Parts, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[containers.Line]:
    assert images
    with containers.line(docker, base, real_parts, tmp_path_factory.mktemp("line")) as running:
        yield running
