"""For the tests of shops that install this app: Nexi, the bank and a shopper without a
socket, and a scan for card numbers left behind. Described in docs/testing.md."""

from nexi_payments.testing.leaks import Leaks
from nexi_payments.testing.mixin import NexiTestMixin
from nexi_payments.testing.nexi import NexiSimulator

__all__ = ["Leaks", "NexiSimulator", "NexiTestMixin"]
