"""Settings, and what is built from them: gateway clients and absolute addresses."""

from nexi_payments.conf.links import (
    client,
    simulator,
    site_address,
    three_ds_address_is_safe,
    trace,
)
from nexi_payments.conf.reading import LOOPBACK
from nexi_payments.conf.settings import DATABASE, Settings, current, load
from nexi_payments.conf.terminals import PRODUCTION, SANDBOX, SIMULATOR, Terminal

__all__ = [
    "DATABASE",
    "LOOPBACK",
    "PRODUCTION",
    "SANDBOX",
    "SIMULATOR",
    "Settings",
    "Terminal",
    "client",
    "current",
    "load",
    "simulator",
    "site_address",
    "three_ds_address_is_safe",
    "trace",
]
