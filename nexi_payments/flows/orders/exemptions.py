"""The 3-D Secure preference of an order: none, or a challenge."""

from __future__ import annotations

import logging

from django.utils.module_loading import import_string

from nexi_payments import conf
from nexi_payments.gateway.payloads import EXEMPTIONS, NO_PREFERENCE
from nexi_payments.models import PaymentOrder

log = logging.getLogger("nexi_payments.orders")


def choose(order: PaymentOrder, requested: str | None) -> str:
    """The preference that was requested, else of ``EXEMPTION_RULE``, else of the
    terminal. "" is no preference, which is not sent.

    Raises ``ValueError`` for a value that Nexi does not know. A rule that fails is
    logged and skipped: it must not cost a sale.
    """
    if requested is not None and requested not in EXEMPTIONS:
        raise ValueError(f"exemption must be one of {', '.join(EXEMPTIONS)}")
    preference = (
        requested
        or _by_rule(order)
        or conf.current().terminal(order.terminal).exemption
    )
    return "" if preference == NO_PREFERENCE else preference


def _by_rule(order: PaymentOrder) -> str:
    path = conf.current().exemption_rule
    if not path:
        return ""
    try:
        preference = import_string(path)(order)
    except Exception:
        log.exception("EXEMPTION_RULE failed; the terminal decides")
        return ""
    if preference is None or preference in EXEMPTIONS:
        return preference or ""
    log.error("EXEMPTION_RULE returned a value that Nexi does not know")
    return ""
