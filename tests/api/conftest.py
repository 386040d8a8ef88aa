from __future__ import annotations

import pytest

from nexi_payments.simulator import Simulator
from tests.api.caller import EVERYTHING, Server


@pytest.fixture
def server(gateway: Simulator) -> Server:
    """A caller who may do everything."""
    return Server(*EVERYTHING)
