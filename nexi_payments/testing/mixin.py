"""Mixin for ``unittest`` classes, under Django's runner or pytest."""

from __future__ import annotations

import unittest
from typing import TYPE_CHECKING

from nexi_payments.testing.simulator import NexiSimulator

if TYPE_CHECKING:
    _TestCase = unittest.TestCase
else:
    _TestCase = object


class NexiTestMixin(_TestCase):
    """``class CheckoutTests(NexiTestMixin, TestCase)``: ``self.nexi`` in every test.

    ``setUp`` can use it, too. No test reaches Nexi."""

    nexi: NexiSimulator

    def run(
        self, result: unittest.TestResult | None = None
    ) -> unittest.TestResult | None:
        """Wrap the whole test, so that no ``setUp`` has to call ``super()``."""
        with NexiSimulator() as self.nexi:
            return super().run(result)

    def debug(self) -> None:
        with NexiSimulator() as self.nexi:
            super().debug()
