"""What the browser does next."""

from __future__ import annotations

from dataclasses import dataclass, field

from nexi_payments.models import PaymentOrder


@dataclass(frozen=True)
class RedirectForm:
    """The form that sends the browser to the issuer: exactly the documented fields."""

    action: str
    fields: dict[str, str] = field(repr=False)  # ReturnUrl contains the token


@dataclass(frozen=True)
class Step:
    """The next step: post ``redirect`` from the browser, or go to ``redirect_to`` by
    GET, or, with neither, show ``order``.
    """

    order: PaymentOrder
    redirect: RedirectForm | None = None
    #: the URL of Nexi's hosted page, a secret of this shopper
    redirect_to: str = field(default="", repr=False)
