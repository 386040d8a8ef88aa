"""Customer data for 3-D Secure. More data means fewer challenges.

Pure functions: plain values (``types``) → members of Nexi's API (``customer_info``).
"""

from nexi_payments.customers.customer_info import CustomerInfo, build_customer_info
from nexi_payments.customers.types import MEMBERS, Account, Address, Customer, Risk

__all__ = [
    "MEMBERS",
    "Account",
    "Address",
    "Customer",
    "CustomerInfo",
    "Risk",
    "build_customer_info",
]
