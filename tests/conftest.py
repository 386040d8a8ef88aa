from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from nexi_payments import conf
from nexi_payments.conf import links
from nexi_payments.flows import inquiry, sweep
from nexi_payments.models import PaymentOrder
from nexi_payments.simulator import Simulator
from tests.cards_on_file import Clock
from tests.shopper import Shopper, new_order

# a busy machine is no defect: examples are judged by their answers, not by the clock
hypothesis_settings.register_profile(
    "patient", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
hypothesis_settings.load_profile("patient")


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch) -> Iterator[Simulator]:
    """A fresh simulator behind every simulated terminal."""
    fresh = Simulator()
    monkeypatch.setattr(links, "simulator", lambda: fresh)
    monkeypatch.setattr(conf, "simulator", lambda: fresh)
    # the two looks after a doubtful answer, without the wait before them
    monkeypatch.setattr(inquiry, "LOOK_AT", (0.0, 0.0))
    # no sweep of GET /orders among the calls that a test counts (test_sweep has it)
    monkeypatch.setattr(sweep, "sweep", lambda: 0)
    yield fresh
    fresh.reset()


@pytest.fixture
def shopper(gateway: Simulator) -> Shopper:
    return Shopper(gateway)


@pytest.fixture
def order(db: None) -> PaymentOrder:
    return new_order()


@pytest.fixture
def nexi(settings: Any) -> Any:
    """Changes keys of NEXI_PAYMENTS: ``nexi(HOLD_TTL=1)``."""

    def change(**keys: Any) -> None:
        settings.NEXI_PAYMENTS = {**settings.NEXI_PAYMENTS, **keys}

    return change


@pytest.fixture
def clock(gateway: Simulator) -> Any:
    it = Clock(gateway)
    yield it
    it.traveller.stop()


def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    """``only_on("postgresql")``: what another database does not have is left out there,
    not skipped: CI runs each database, and lets nothing skip."""
    here: list[pytest.Item] = []
    elsewhere: list[pytest.Item] = []
    for item in items:
        mark = item.get_closest_marker("only_on")
        fits = mark is None or connection.vendor in mark.args
        (here if fits else elsewhere).append(item)
    if elsewhere:
        config.hook.pytest_deselected(items=elsewhere)
        items[:] = here


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--examples", help="how many histories the property tests try")
