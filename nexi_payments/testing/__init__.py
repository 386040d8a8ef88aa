"""For the tests of shops that install this app: looks for card numbers left behind."""

from nexi_payments.testing.leaks import Leaks

__all__ = ["Leaks"]
