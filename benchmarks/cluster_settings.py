"""Several machines of one shop: they share a database, a broker and their settings."""

from benchmarks.payment.settings import *  # noqa: F403
from benchmarks.payment.settings import NEXI_PAYMENTS

ROOT_URLCONF = "benchmarks.load_urls"
# a killed request is over, and what it left is decided, while somebody watches
NEXI_PAYMENTS |= {"TOTAL_TIMEOUT": 10, "SETTLE_AFTER": 30}
