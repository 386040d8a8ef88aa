"""Payment methods of Nexi's hosted page: what each may do.

Nothing here was tried against Nexi. Each row names its source: ``page`` is Nexi's page
about the method, ``plugin`` the method table of Nexi's own shop plugin, ``assumed`` a
careful guess where neither says anything (docs/gateway.md, "Payment methods").
``METHOD_OVERRIDES`` changes a row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

#: ``Method.refunds``
PARTIAL: Final = "partial"
FULL: Final = "full"
NONE: Final = "none"
REFUNDS: Final = (PARTIAL, FULL, NONE)

CARDS: Final = "CARDS"
#: ``PaymentOrder.method`` of a payment link of Nexi's: the customer chooses there. From
#: the payment on it is what they chose.
LINK: Final = "PAYBYLINK"
_EUR: Final = ("EUR",)
_WALLET: Final = timedelta(days=3)
_BANK: Final = timedelta(days=5)
_VOUCHER: Final = timedelta(days=7)


@dataclass(frozen=True)
class Method:
    """One way to pay on Nexi's hosted page.

    ``code`` is Nexi's ``paymentService``. ``minimum`` and ``maximum`` are in major
    units, ``None`` is no limit. ``currencies`` is empty for all. ``refunds`` is
    "partial", "full" (the whole amount only) or "none". ``cancels``: a capture may be
    cancelled on its day. ``confirms_within``: PENDING is an answer that may take so
    long; ``None`` where PENDING only means that the shopper is still on the page.
    """

    code: str
    label: str | Promise
    source: str
    minimum: Decimal | None = None
    maximum: Decimal | None = None
    currencies: tuple[str, ...] = _EUR
    refunds: str = PARTIAL
    cancels: bool = False
    confirms_within: timedelta | None = _WALLET

    def allows(self, total: Decimal, currency: str) -> bool:
        """Whether ``total`` (major units) in ``currency`` may be paid with it."""
        return (
            (not self.currencies or currency in self.currencies)
            and (self.minimum is None or total >= self.minimum)
            and (self.maximum is None or total <= self.maximum)
        )


def _card_like(code: str, label: str | Promise) -> Method:
    return Method(code, label, "page", None, None, (), PARTIAL, True, None)


_ROWS: Final = (
    _card_like(CARDS, _("Card")),
    _card_like("GOOGLEPAY", "Google Pay"),
    _card_like("APPLEPAY", "Apple Pay"),
    Method("PAYPAL", "PayPal", "page"),
    Method("PAYPAL_BNPL", _("PayPal in 3"), "page", Decimal(30), Decimal(2000)),
    Method("BANCOMATPAY", "BANCOMAT Pay", "page", Decimal("0.01")),
    Method(
        "MYBANK",
        "MyBank",
        "page",
        Decimal("0.01"),
        Decimal(1_000_000_000),
        refunds=NONE,
        confirms_within=_BANK,
    ),
    Method(
        "PAGOINCONTO",
        "PagoinConto",
        "page",
        Decimal("0.01"),
        refunds=NONE,
        confirms_within=_BANK,
    ),
    Method("GIROPAY", "giropay", "plugin", Decimal("0.10"), confirms_within=_BANK),
    Method("IDEAL", "iDEAL", "plugin", Decimal("0.10"), confirms_within=_BANK),
    Method("BANCONTACT", "Bancontact", "assumed", confirms_within=_BANK),
    Method("IRIS", "IRIS", "plugin", confirms_within=_BANK),
    Method("EPS", "eps", "plugin", Decimal(1), confirms_within=_BANK),
    Method("BLIK", "BLIK", "plugin", Decimal(1), confirms_within=_BANK),
    Method("PAYU", "PayU", "plugin", Decimal(3), confirms_within=_BANK),
    Method("PRZELEWY24", "Przelewy24", "assumed", confirms_within=_BANK),
    Method("MULTIBANCO", "Multibanco", "assumed", confirms_within=_VOUCHER),
    Method("SATISPAY", "Satispay", "assumed"),
    Method("ALIPAY", "Alipay", "assumed"),
    Method("WECHATPAY", "WeChat Pay", "assumed"),
    Method("AMAZONPAY", "Amazon Pay", "assumed"),
    Method("SKRILL", "Skrill", "assumed"),
    Method("SKRILL1TAP", "Skrill 1-Tap", "assumed"),
    Method("KLARNA", "Klarna", "plugin", Decimal(35), Decimal(1500)),
    Method("HEYLIGHT", "HeyLight", "plugin", Decimal(60), Decimal(5000)),
    Method("ONEY", "Oney", "assumed"),
    Method("PAGODIL", "PagoDIL", "assumed"),
    Method("PAYBYBANK", _("Pay by bank"), "assumed", confirms_within=_BANK),
)
#: Code → row.
KNOWN: Final[Mapping[str, Method]] = {one.code: one for one in _ROWS}
_BY_CIRCUIT: Final = {code.replace("_", ""): one for code, one in KNOWN.items()}


def find(circuit: str, overrides: Mapping[str, Mapping[str, Any]]) -> Method | None:
    """The row of a code or circuit, or ``None`` for one that we do not know.

    Nexi spells some circuits with underscores ("GOOGLE_PAY"). ``overrides`` is the
    setting ``METHOD_OVERRIDES``: code → fields of ``Method``.
    """
    found = _BY_CIRCUIT.get(circuit.upper().replace("_", ""))
    if found is None:
        return None
    return replace(found, **overrides.get(found.code, {}))
