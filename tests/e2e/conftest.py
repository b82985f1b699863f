"""Every line of these tests runs on the session's broker and store."""

import pytest

from tests.e2e import running_line
from tests.servers import BrokerAddress, StoreAddress


@pytest.fixture(scope="session", autouse=True)
def _servers(broker_address: BrokerAddress, store_settings: StoreAddress) -> None:
    running_line.SERVERS[:] = [(broker_address, store_settings)]
