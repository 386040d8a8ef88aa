"""Simulator of Nexi's gateway. The test card decides the outcome of a payment."""

from nexi_payments.simulator.adapter import SimulatorAdapter
from nexi_payments.simulator.balances import Charge
from nexi_payments.simulator.call_log import Call
from nexi_payments.simulator.faults import FAULTS
from nexi_payments.simulator.responses import Reply
from nexi_payments.simulator.simulator import Simulator
from nexi_payments.simulator.test_cards import TEST_CARDS, TestCard
from nexi_payments.simulator.worlds import (
    WORLDS,
    Ahead,
    BackOffice,
    Forgetful,
    Lagging,
    Late,
    Pending,
    Twice,
    World,
)

__all__ = [
    "FAULTS",
    "TEST_CARDS",
    "WORLDS",
    "Ahead",
    "BackOffice",
    "Call",
    "Charge",
    "Forgetful",
    "Lagging",
    "Late",
    "Pending",
    "Reply",
    "Simulator",
    "SimulatorAdapter",
    "TestCard",
    "Twice",
    "World",
]
