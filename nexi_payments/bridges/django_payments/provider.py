"""A provider for django-payments that sends the shopper to our card page."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from payments import PaymentError, PaymentStatus, RedirectNeeded
from payments.core import BasicProvider

from nexi_payments import flows, states
from nexi_payments.bridges.django_payments.receivers import orders_of, update
from nexi_payments.customers import Customer
from nexi_payments.exceptions import NexiPaymentsError
from nexi_payments.flows import orders
from nexi_payments.models import Operation, PaymentOrder

_OVER = (PaymentStatus.CONFIRMED, PaymentStatus.PREAUTH)


class NexiProvider(BasicProvider):  # type: ignore[misc]  # untyped
    """``PAYMENT_VARIANTS = {"nexi": ("…NexiProvider", {"terminal": "default"})}``.

    Whether a charge is booked at once is the terminal's ``CAPTURE``. The status of a
    payment is changed by ``receivers`` alone. ``capture``, ``release`` and ``refund``
    call Nexi: inside a transaction they are a loud ``RuntimeError``.
    """

    def __init__(self, terminal: str = "default") -> None:
        if not apps.is_installed("nexi_payments.bridges.django_payments"):
            raise ImproperlyConfigured(
                "INSTALLED_APPS lacks nexi_payments.bridges.django_payments:"
                " without it no payment would ever be confirmed"
            )
        super().__init__()
        self.terminal = terminal

    def get_form(self, payment: Any, data: Any = None) -> Any:
        """Raises ``RedirectNeeded`` with our card page; ``PaymentError`` for an amount
        or currency that the terminal does not take, or a payment that is under way with
        another amount."""
        if payment.status in (*_OVER, PaymentStatus.REFUNDED):
            raise RedirectNeeded(payment.get_success_url())
        problem = ""
        try:
            order = flows.create_order(
                amount=payment.total,
                currency=payment.currency,
                reference=self.reference_of(payment),
                description=payment.description,
                customer=self.customer_of(payment),
                terminal=self.terminal,
                success_url=payment.get_process_url(),
                failure_url=payment.get_failure_url(),
                content_object=payment,
            )
        except NexiPaymentsError as error:
            problem = str(error) or type(error).__name__
        if problem:
            raise PaymentError(problem)
        if payment.status == PaymentStatus.WAITING:
            payment.change_status(PaymentStatus.INPUT)
        raise RedirectNeeded(order.get_absolute_url())

    def reference_of(self, payment: Any) -> str:
        """What staff and Nexi read; unique for each payment. Override for yours."""
        return str(payment.token)

    def customer_of(self, payment: Any) -> Customer:
        """For 3-D Secure, from the billing fields of the payment."""
        name = f"{payment.billing_first_name} {payment.billing_last_name}".strip()
        return flows.describe_customer(
            name=name[:255],
            email=payment.billing_email,
            billing_address={
                "name": name,
                "street": payment.billing_address_1,
                "more": payment.billing_address_2,
                "city": payment.billing_city,
                "post_code": payment.billing_postcode,
                "province": payment.billing_country_area,
                "country": payment.billing_country_code,
            },
            mobile_phone=str(payment.billing_phone or ""),
            account=None,
        )

    def process_data(self, payment: Any, request: HttpRequest) -> HttpResponse:
        """The browser is back: only where to send it. A payment that nobody knows the
        end of goes to our page, which says so and waits."""
        found = orders_of(payment)
        if payment.status in _OVER or any(one.is_successful for one in found):
            return HttpResponseRedirect(payment.get_success_url())
        if found and not all(one.state == states.FAILED for one in found):
            return HttpResponseRedirect(found[-1].get_absolute_url())
        return HttpResponseRedirect(payment.get_failure_url())

    def capture(self, payment: Any, amount: Decimal | None = None) -> None:
        """Asks Nexi to book; the status follows when Nexi confirms."""
        order = _charged(payment)
        _must_be_on_its_way(_asked(lambda: flows.capture(order, amount)))
        _look_again(payment)

    def release(self, payment: Any) -> None:
        """Gives an authorization back. Raises ``PaymentError`` while Nexi has not
        confirmed it: django-payments would call it refunded at once."""
        order = _charged(payment)
        operation = _asked(lambda: flows.void(order))
        _must_be_on_its_way(operation)
        order.refresh_from_db()
        if order.state != states.VOIDED:
            raise PaymentError("asked for; the status follows when Nexi confirms")
        _look_again(payment)

    def refund(self, payment: Any, amount: Decimal | None = None) -> Decimal:
        """Asks Nexi to give back. Always 0 for django-payments, which would take the
        answer off ``captured_amount`` a second time: the receivers do that."""
        order = _charged(payment)
        _must_be_on_its_way(_asked(lambda: flows.refund(order, amount)))
        _look_again(payment)
        return Decimal(0)

    def cancel(self, payment: Any) -> None:
        """Ends a payment whose card has not been used; ``PaymentError`` if it has."""
        for order in orders_of(payment):
            if order.state != states.FAILED and not orders.supersede(order):
                raise PaymentError("this payment is being made")


def _charged(payment: Any) -> PaymentOrder:
    """Our order that holds this payment's money."""
    for order in reversed(orders_of(payment)):
        if order.state in (states.PAID, states.AUTHORIZED, states.REVIEW):
            return order
    raise PaymentError("nothing was charged for this payment")


def _asked(ask: Any) -> Operation:
    problem = ""
    try:
        operation: Operation = ask()
    except NexiPaymentsError as error:
        problem = str(error) or type(error).__name__
    if problem:
        raise PaymentError(problem)
    return operation


def _must_be_on_its_way(operation: Operation) -> None:
    if operation.outcome in (states.DECLINED, states.NOT_SENT):
        raise PaymentError(f"Nexi: {operation.get_outcome_display()}")


def _look_again(payment: Any) -> None:
    """django-payments saves the object in hand, every column: it must be fresh."""
    update(payment)
    payment.refresh_from_db()
