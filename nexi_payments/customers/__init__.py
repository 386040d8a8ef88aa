"""What 3-D Secure may be told about a customer: the more, the fewer challenges.

Pure: plain values in (``values``), Nexi's members out (``telling``).
"""

from nexi_payments.customers.telling import Told, tell
from nexi_payments.customers.values import MEMBERS, Account, Address, Customer, Risk

__all__ = ["MEMBERS", "Account", "Address", "Customer", "Risk", "Told", "tell"]
