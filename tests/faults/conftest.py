"""What every fault test starts from: a training interpreter without TensorFlow, and a place on the session's broker and store."""

import shutil
import sys
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
def say(capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """Print a campaign's line where a person sees it."""

    def tell(line: str) -> None:
        with capsys.disabled():
            sys.stdout.write(f"\n{line}\n")

    return tell
