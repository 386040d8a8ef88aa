"""Test helpers for shops that install this app. Documented in docs/testing.md.

A simulator of Nexi, the issuer and a shopper that opens no socket, and a scan for card
data that was stored or logged."""

from nexi_payments.testing.card_data_scan import CardDataScan
from nexi_payments.testing.isolation import NexiWasCalled
from nexi_payments.testing.mixin import NexiTestMixin
from nexi_payments.testing.simulator import NexiSimulator

__all__ = ["CardDataScan", "NexiSimulator", "NexiTestMixin", "NexiWasCalled"]
