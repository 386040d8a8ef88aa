"""The demo's simulator and its clock: for a project that has nothing real in it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from nexi_payments.simulator import Simulator
from nexi_payments.testing import demo_clock
from tests.support.shopper import new_order

SIMULATED = {"ENVIRONMENT": "simulator"}
REAL = {"API_KEY": "k", "ENVIRONMENT": "sandbox"}


def test_the_simulator_of_a_terminal(gateway: Simulator) -> None:
    assert demo_clock.simulator_for("default") is gateway
    assert demo_clock.simulator_for("nowhere") is None


def test_one_real_terminal_and_nothing_is_rehearsed(
    gateway: Simulator, change_settings: Any
) -> None:
    change_settings(TERMINALS={"default": SIMULATED, "moto": {**REAL, "MOTO": True}})
    assert demo_clock.simulator_for("default") is None
    assert demo_clock.simulator_for("moto") is None


@pytest.mark.django_db
def test_a_restart_with_a_real_gateway_is_now(
    gateway: Simulator, change_settings: Any
) -> None:
    order = new_order()
    type(order).objects.update(created_at=timezone.now() + timedelta(days=3))
    change_settings(TERMINALS={"default": REAL})
    try:
        demo_clock.catch_up_with_database()
        assert demo_clock.CLOCK.offset == timedelta()
        change_settings(TERMINALS={"default": SIMULATED})
        demo_clock.catch_up_with_database()
        assert demo_clock.CLOCK.offset > timedelta(days=2)
    finally:
        demo_clock.CLOCK.stop()
