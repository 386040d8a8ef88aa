"""The demo's simulator and its clock: for a project that has nothing real in it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from nexi_payments.simulator import Simulator
from nexi_payments.testing import rehearsal
from tests.shopper import new_order

SIMULATED = {"ENVIRONMENT": "simulator"}
REAL = {"API_KEY": "k", "ENVIRONMENT": "sandbox"}


def test_the_simulator_of_a_terminal(gateway: Simulator) -> None:
    assert rehearsal.simulator_of("default") is gateway
    assert rehearsal.simulator_of("nowhere") is None


def test_one_real_terminal_and_nothing_is_rehearsed(
    gateway: Simulator, nexi: Any
) -> None:
    nexi(TERMINALS={"default": SIMULATED, "moto": {**REAL, "MOTO": True}})
    assert rehearsal.simulator_of("default") is None
    assert rehearsal.simulator_of("moto") is None


@pytest.mark.django_db
def test_a_restart_with_a_real_gateway_is_now(gateway: Simulator, nexi: Any) -> None:
    order = new_order()
    type(order).objects.update(created_at=timezone.now() + timedelta(days=3))
    nexi(TERMINALS={"default": REAL})
    try:
        rehearsal.catch_up()
        assert rehearsal.CLOCK.ahead == timedelta()
        nexi(TERMINALS={"default": SIMULATED})
        rehearsal.catch_up()
        assert rehearsal.CLOCK.ahead > timedelta(days=2)
    finally:
        rehearsal.CLOCK.stop()
