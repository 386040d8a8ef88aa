"""The payment step of oscar's checkout.

Oscar takes the payment first and places the order when the browser returns. If it does
not return, the customer has paid without an order (oscar #4246). Here the order is
placed first, in one transaction with the payment, and ``receivers`` write the outcome.
"""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.http import HttpResponse, HttpResponseRedirect
from django.urls import reverse
from oscar.apps.checkout.exceptions import PassedSkipCondition

from nexi_payments import flows
from nexi_payments.models import CreatedOrder


def payment_for(
    order: Any,
    *,
    user: Any = None,
    terminal: str = "default",
    success_url: str | None = None,
    failure_url: str | None = None,
) -> CreatedOrder:
    """The payment of a saved oscar order: ``redirect(payment_for(order))``.

    Returns the same payment while it is live, and a new one after a failed one. Raises
    as ``flows.create_order``.
    """
    return flows.create_order(
        amount=order.total_incl_tax,
        currency=order.currency,
        reference=str(order.number),  # oscar's generator returns an int
        customer=flows.describe_customer(user or order.user, order),
        user=user or order.user,
        terminal=terminal,
        success_url=success_url or reverse("checkout:thank-you"),
        failure_url=failure_url or order_page_url(order),
        content_object=order,
    )


def order_page_url(order: Any) -> str:
    """Oscar's page of the order, for the account, or for guests with its hash."""
    if order.user_id:
        return reverse("customer:order", kwargs={"order_number": order.number})
    key = {"order_number": order.number, "hash": order.verification_hash()}
    return reverse("customer:anon-order", kwargs=key)


class NexiCheckout:
    """A mixin for oscar's ``PaymentDetailsView``; put it first."""

    #: the name of a terminal in ``TERMINALS``
    terminal = "default"
    #: True if your payment details page has fields, for instance a billing address
    has_payment_details = False
    template_name_preview = "nexi_oscar/preview.html"
    preview: bool
    request: Any
    checkout_session: Any
    place_order: Any
    send_signal: Any

    def get_skip_conditions(self, request: Any) -> list[str]:
        """Skip oscar's payment details page, which is empty: the card is entered on our
        page."""
        parent: Any = super()
        conditions: list[str] = parent.get_skip_conditions(request)
        if self.preview or self.has_payment_details:
            return conditions
        return [*conditions, "skip_to_preview"]

    def skip_to_preview(self, request: Any) -> None:
        raise PassedSkipCondition(url=reverse("checkout:preview"))

    def handle_payment(self, order_number: str, total: Any, **kwargs: Any) -> None:
        """Does nothing: the payment follows the order."""

    def handle_order_placement(
        self,
        order_number: str,
        user: Any,
        basket: Any,
        shipping_address: Any,
        shipping_method: Any,
        shipping_charge: Any,
        billing_address: Any,
        order_total: Any,
        surcharges: Any = None,
        **kwargs: Any,
    ) -> HttpResponse:
        """Commit order, submitted basket and payment together, then redirect to our
        card page. For a total of zero, do what oscar does."""
        placement = {
            "order_number": order_number,
            "user": user,
            "basket": basket,
            "shipping_address": shipping_address,
            "shipping_method": shipping_method,
            "shipping_charge": shipping_charge,
            "billing_address": billing_address,
            "order_total": order_total,
            "surcharges": surcharges,
            **kwargs,
        }
        if not order_total.incl_tax:
            parent: Any = super()
            free: HttpResponse = parent.handle_order_placement(**placement)
            return free
        with transaction.atomic():
            order = self.place_order(**placement)
            basket.submit()
            payment = payment_for(order, user=order.user, terminal=self.terminal)
        self.checkout_session.flush()
        # the thank-you page looks here
        self.request.session["checkout_order_id"] = order.id
        response = HttpResponseRedirect(payment.page_url())
        self.send_signal(self.request, response, order)
        return response
