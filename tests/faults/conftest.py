"""What every fault test starts from: a training interpreter without TensorFlow, and a place on the session's broker and store."""

import shutil
import sysconfig
import venv
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pushline.cli.line_file import StoreAccess
from tests.faults.places import Place
from tests.servers import topics_of_its_own

if TYPE_CHECKING:
    from tests.servers import BrokerAddress, StoreAddress

LINE = "campaign"


def stub_interpreter(folder: Path) -> Path:
    """Make a training interpreter that has no TensorFlow and needs none."""
    venv.create(folder, symlinks=True, with_pip=False)
    site = Path(sysconfig.get_path("purelib", "venv", {"base": str(folder), "platbase": str(folder)}))
    shutil.copyfile(Path(__file__).with_name("stub_launcher.py"), site / "sitecustomize.py")
    return folder / "bin" / "python"


@pytest.fixture(scope="session")
def stub_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stub_interpreter(tmp_path_factory.mktemp("stub") / "training")


@pytest.fixture(scope="module")
def place(broker_address: "BrokerAddress", store_settings: "StoreAddress") -> Iterator[Place]:
    """Give topics that no other module has, on the session's broker, and the session's store."""
    with topics_of_its_own(broker_address, "faults") as prefix:
        yield Place(broker_address.bootstrap, StoreAccess(*store_settings), prefix, kafka_options=broker_address.options)


@pytest.fixture
def say(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Print a campaign's line where a person sees it, whichever worker runs the test: it goes with the test's report."""

    def tell(line: str) -> None:
        request.node.user_properties.append((LINE, line))

    return tell


class Lines:
    """Writes what `say` was told once a test is over, in the process that has the terminal."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        terminal = self._config.pluginmanager.get_plugin("terminalreporter")
        told = [str(line) for name, line in report.user_properties if name == LINE]
        if report.when == "teardown" and terminal is not None:
            for line in told:
                terminal.write(f"\n{line}\n")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "alone: measures under load, so nothing runs beside it")
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Lines(config))
