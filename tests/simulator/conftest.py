from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from nexi_payments.simulator import Simulator
from tests.simulator.merchant_client import MerchantClient


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """At a winter noon that moves only when told."""
    noon = datetime(2027, 1, 15, 11, 0, 0, 5000, tzinfo=UTC)
    machine = Simulator(clock=lambda: noon)
    yield machine
    machine.reset()


@pytest.fixture
def terminal(simulator: Simulator) -> MerchantClient:
    return MerchantClient(simulator)
