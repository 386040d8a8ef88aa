"""Simulator of Nexi's gateway. The test card decides the outcome of a payment."""

from nexi_payments.simulator.adapter import SimulatorAdapter
from nexi_payments.simulator.balances import Charge
from nexi_payments.simulator.call_log import Call
from nexi_payments.simulator.faults import FAULTS
from nexi_payments.simulator.hosted import HostedVisit
from nexi_payments.simulator.hosted_payments import ENDINGS as HOSTED_ENDINGS
from nexi_payments.simulator.notifications import MODES as NOTIFICATION_MODES
from nexi_payments.simulator.notifications import Delivery
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
    "HOSTED_ENDINGS",
    "NOTIFICATION_MODES",
    "TEST_CARDS",
    "WORLDS",
    "Ahead",
    "BackOffice",
    "Call",
    "Charge",
    "Delivery",
    "Forgetful",
    "HostedVisit",
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
