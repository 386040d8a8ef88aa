from __future__ import annotations

from typing import Any

import pytest

from nexi_payments.simulator import Simulator
from tests.support.hosted import HostedShopper, with_hosted_terminals


@pytest.fixture
def shopper(gateway: Simulator, settings: Any) -> HostedShopper:
    settings.NEXI_PAYMENTS = with_hosted_terminals()
    return HostedShopper(gateway)
