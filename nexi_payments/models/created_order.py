"""The order that ``flows.create_order`` returns: Django may redirect to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from nexi_payments.models.order import PaymentOrder

if TYPE_CHECKING:

    class CreatedOrder(PaymentOrder):
        """For type checkers only: at run time it is a ``PaymentOrder``."""

        def get_absolute_url(self) -> str: ...

else:
    CreatedOrder = PaymentOrder


def with_absolute_url(order: PaymentOrder) -> CreatedOrder:
    """Adds ``get_absolute_url`` to this instance, so that ``redirect(order)`` works.

    Not to the class: the admin's "view on site" would redirect all staff to the
    payment's page, whose URL is a secret. Copies of the instance do not have it
    (``PaymentOrder.__getstate__``).
    """
    order.__dict__["get_absolute_url"] = order.page_url
    return cast(CreatedOrder, order)
