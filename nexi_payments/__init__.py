"""Card payments through Nexi's NPG gateway (XPay Global), Server to Server."""

__version__ = "0.1.0"
