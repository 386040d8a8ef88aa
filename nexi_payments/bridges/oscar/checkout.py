"""The step of oscar's checkout that takes the money.

Oscar takes the payment first and places the order when the browser comes back, and a
browser that does not come back has paid for nothing (oscar #4246). Here the order is
placed first, in one transaction with the payment, and what becomes of the money is
written by ``receivers``.
"""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.http import HttpResponse, HttpResponseRedirect
from django.urls import reverse
from oscar.apps.checkout.exceptions import PassedSkipCondition

from nexi_payments import flows
from nexi_payments.models import PaymentOrder


def payment_for(
    order: Any,
    *,
    user: Any = None,
    terminal: str = "default",
    success_url: str | None = None,
    failure_url: str | None = None,
) -> PaymentOrder:
    """The payment of an oscar order that is on disk: ``redirect(payment_for(order))``.

    Once more gives the same payment back while it is live, and a new one after a failed
    one. Errors as ``flows.create_order``.
    """
    return flows.create_order(
        amount=order.total_incl_tax,
        currency=order.currency,
        reference=str(order.number),  # oscar makes it of a whole number
        customer=flows.describe_customer(user or order.user, order),
        user=user or order.user,
        terminal=terminal,
        success_url=success_url or reverse("checkout:thank-you"),
        failure_url=failure_url or page_of(order),
        content_object=order,
    )


def page_of(order: Any) -> str:
    """Oscar's page of the order: by account, or for guests by its hash."""
    if order.user_id:
        return reverse("customer:order", kwargs={"order_number": order.number})
    key = {"order_number": order.number, "hash": order.verification_hash()}
    return reverse("customer:anon-order", kwargs=key)


class NexiCheckout:
    """Mixin in front of oscar's ``PaymentDetailsView``."""

    #: which of ``TERMINALS``
    terminal = "default"
    #: True where your payment-details page asks for something: a billing address, say
    has_payment_details = False
    template_name_preview = "nexi_oscar/preview.html"
    preview: bool
    request: Any
    checkout_session: Any
    place_order: Any
    send_signal: Any

    def get_skip_conditions(self, request: Any) -> list[str]:
        """The card is entered on our page: oscar's page of payment details, which has
        nothing on it, is left out."""
        parent: Any = super()
        conditions: list[str] = parent.get_skip_conditions(request)
        if self.preview or self.has_payment_details:
            return conditions
        return [*conditions, "skip_to_preview"]

    def skip_to_preview(self, request: Any) -> None:
        raise PassedSkipCondition(url=reverse("checkout:preview"))

    def handle_payment(self, order_number: str, total: Any, **kwargs: Any) -> None:
        """Nothing yet: the order comes first."""

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
        """Order, submitted basket and payment in one commit; then our card page. Where
        nothing is to be paid, oscar's own way."""
        facts = {
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
            free: HttpResponse = parent.handle_order_placement(**facts)
            return free
        with transaction.atomic():
            order = self.place_order(**facts)
            basket.submit()
            payment = payment_for(order, user=order.user, terminal=self.terminal)
        self.checkout_session.flush()
        # the thank-you page looks here
        self.request.session["checkout_order_id"] = order.id
        response = HttpResponseRedirect(payment.get_absolute_url())
        self.send_signal(self.request, response, order)
        return response
