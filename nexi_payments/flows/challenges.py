"""What 3-D Secure is asked for: nothing in particular, or a challenge."""

from __future__ import annotations

import logging

from django.utils.module_loading import import_string

from nexi_payments import conf
from nexi_payments.gateway.payloads import EXEMPTIONS, NO_PREFERENCE
from nexi_payments.models import PaymentOrder

log = logging.getLogger("nexi_payments.orders")


def choose(order: PaymentOrder, asked: str | None) -> str:
    """What the order says, else the rule (``EXEMPTION_RULE``), else its terminal; "" is
    no preference, which is not sent. Raises ``ValueError`` for a word that Nexi does
    not know; a rule that fails does not lose the sale."""
    if asked is not None and asked not in EXEMPTIONS:
        raise ValueError(f"exemption must be one of {', '.join(EXEMPTIONS)}")
    word = asked or _by_rule(order) or conf.current().terminal(order.terminal).exemption
    return "" if word == NO_PREFERENCE else word


def _by_rule(order: PaymentOrder) -> str:
    path = conf.current().exemption_rule
    if not path:
        return ""
    try:
        word = import_string(path)(order)
    except Exception:
        log.exception("EXEMPTION_RULE failed; the terminal decides")
        return ""
    if word is None or word in EXEMPTIONS:
        return word or ""
    log.error("EXEMPTION_RULE gave a word that Nexi does not know")
    return ""
