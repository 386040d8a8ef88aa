from __future__ import annotations

import pytest

from nexi_payments.simulator import Simulator
from tests.support.api_clients import ALL_PERMISSIONS, ShopServer


@pytest.fixture
def server(gateway: Simulator) -> ShopServer:
    """A caller who may do everything."""
    return ShopServer(*ALL_PERMISSIONS)
