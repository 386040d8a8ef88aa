"""Nexi's gateway on your machine: no account, no network, an ending for every card."""

from nexi_payments.simulator.adapter import SimulatorAdapter
from nexi_payments.simulator.answers import Reply
from nexi_payments.simulator.cards import TEST_CARDS, TestCard
from nexi_payments.simulator.engine import Simulator
from nexi_payments.simulator.ledger import Charge
from nexi_payments.simulator.recording import Call
from nexi_payments.simulator.weather import FAULTS

__all__ = [
    "FAULTS",
    "TEST_CARDS",
    "Call",
    "Charge",
    "Reply",
    "Simulator",
    "SimulatorAdapter",
    "TestCard",
]
