"""The exceptions of staff's work: the shop's order of a phone order, and closed days.

``nexi_payments.exceptions`` has them for the shop.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nexi_payments.input_errors import NexiPaymentsError

if TYPE_CHECKING:
    from datetime import date, datetime

    from nexi_payments.models import DayClosing


class ShopOrderError(NexiPaymentsError):
    """``REFERENCE_LOOKUP`` does not confirm a phone order. Nothing was stored.

    ``difference`` is what a person may accept: ``accepted_difference`` of
    ``create_moto_order``. ``REFERENCE_LOOKUP_STRICT`` accepts none.
    """

    def __init__(self, reference: str, message: str, *facts: object) -> None:
        self.reference = reference
        self.difference = " ".join(map(str, (type(self).__name__, reference, *facts)))
        super().__init__(message)


class ShopOrderUnknown(ShopOrderError):
    """The shop has no order of this reference."""

    def __init__(self, reference: str) -> None:
        super().__init__(reference, f"the shop knows no order {reference}")


class ShopOrderDiffers(ShopOrderError):
    """The shop's order has another amount or currency. ``amounts`` are those of the
    phone order and of the shop's: (minor units, currency).
    """

    def __init__(
        self, reference: str, *, amounts: tuple[tuple[int, str], tuple[int, str]]
    ) -> None:
        self.amounts = amounts
        super().__init__(
            reference,
            f"order {reference} has another amount in the shop",
            *(fact for amount in amounts for fact in amount),
        )


class ShopOrderUnavailable(ShopOrderError):
    """The lookup failed; the log says why. Try again later."""

    def __init__(self, reference: str) -> None:
        super().__init__(reference, f"order {reference} could not be looked up")


class ClosingError(NexiPaymentsError):
    """A day cannot be closed. Nothing was kept."""


class DayNotOver(ClosingError):
    """``day`` can be closed from ``closable_from`` on."""

    def __init__(self, day: date, closable_from: datetime) -> None:
        self.day = day
        self.closable_from = closable_from
        super().__init__(f"{day} cannot be closed before {closable_from.isoformat()}")


class DayAlreadyClosed(ClosingError):
    """``closing`` is the last revision."""

    def __init__(self, closing: DayClosing) -> None:
        self.closing = closing
        super().__init__(f"{closing.day} was closed, revision {closing.revision}")
