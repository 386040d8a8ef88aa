"""Test helpers for shops that install this app. Documented in docs/testing.md.

A simulator of Nexi, the issuer and a shopper that opens no socket, and a scan for card
data that was stored or logged.

Names are imported when they are first used: pytest may load the plugin, which is a
module of this package, before Django is set up."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from nexi_payments.testing.card_data_scan import CardDataScan
    from nexi_payments.testing.card_page import PaymentNotStarted
    from nexi_payments.testing.isolation import NexiWasCalled
    from nexi_payments.testing.mixin import NexiTestMixin
    from nexi_payments.testing.simulator import NexiSimulator

__all__ = [
    "CardDataScan",
    "NexiSimulator",
    "NexiTestMixin",
    "NexiWasCalled",
    "PaymentNotStarted",
]

_MODULE_OF: Final = {
    "CardDataScan": "card_data_scan",
    "NexiSimulator": "simulator",
    "NexiTestMixin": "mixin",
    "NexiWasCalled": "isolation",
    "PaymentNotStarted": "card_page",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
