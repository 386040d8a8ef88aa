"""A provider for django-payments that sends the shopper to our card page."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from payments import PaymentError, PaymentStatus, RedirectNeeded
from payments.core import BasicProvider

from nexi_payments import enums, flows
from nexi_payments.customers import Customer
from nexi_payments.enums import OperationOutcome, OrderState
from nexi_payments.exceptions import NexiPaymentsError
from nexi_payments.integrations.django_payments.receivers import (
    payment_attempts,
    sync_payment,
)
from nexi_payments.models import Operation, PaymentOrder

_CHARGED_STATUSES = (PaymentStatus.CONFIRMED, PaymentStatus.PREAUTH)


class NexiProvider(BasicProvider):  # type: ignore[misc]  # untyped
    """``PAYMENT_VARIANTS = {"nexi": ("…NexiProvider", {"terminal": "default"})}``.

    The terminal's ``CAPTURE`` decides whether a charge is captured at once. Only
    ``receivers`` change the status of a payment. ``capture``, ``release`` and
    ``refund`` call Nexi, so inside a transaction they raise ``RuntimeError``.
    """

    def __init__(self, terminal: str = "default") -> None:
        if not apps.is_installed("nexi_payments.integrations.django_payments"):
            raise ImproperlyConfigured(
                "add nexi_payments.integrations.django_payments to INSTALLED_APPS:"
                " without it no payment is confirmed"
            )
        super().__init__()
        self.terminal = terminal

    def get_form(self, payment: Any, data: Any = None) -> Any:
        """Raises ``RedirectNeeded`` with our card page. Raises ``PaymentError`` for an
        amount or currency that the terminal does not accept, and for a payment that is
        in progress with another amount."""
        if payment.status in (*_CHARGED_STATUSES, PaymentStatus.REFUNDED):
            raise RedirectNeeded(payment.get_success_url())
        problem = ""
        try:
            order = flows.create_order(
                amount=payment.total,
                currency=payment.currency,
                reference=self.get_reference(payment),
                description=payment.description,
                customer=self.get_customer(payment),
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
        raise RedirectNeeded(order.page_url())

    def get_reference(self, payment: Any) -> str:
        """The reference for staff and Nexi, unique for each payment. Override it to use
        your own."""
        return str(payment.token)

    def get_customer(self, payment: Any) -> Customer:
        """Customer data for 3-D Secure, from the billing fields of the payment."""
        name = f"{payment.billing_first_name} {payment.billing_last_name}".strip()
        return flows.describe_customer(
            name=name[:255],
            email=payment.billing_email,
            billing_address={
                "name": name,
                "street": payment.billing_address_1,
                "street2": payment.billing_address_2,
                "city": payment.billing_city,
                "post_code": payment.billing_postcode,
                "province": payment.billing_country_area,
                "country": payment.billing_country_code,
            },
            mobile_phone=str(payment.billing_phone or ""),
            account=None,
        )

    def process_data(self, payment: Any, request: HttpRequest) -> HttpResponse:
        """Redirect the returning browser. Changes no status. If the outcome is unknown,
        our result page shows it and polls."""
        attempts = payment_attempts(payment)
        if payment.status in _CHARGED_STATUSES or any(
            order.is_successful for order in attempts
        ):
            return HttpResponseRedirect(payment.get_success_url())
        if attempts and not all(order.state == OrderState.FAILED for order in attempts):
            return HttpResponseRedirect(attempts[-1].page_url())
        return HttpResponseRedirect(payment.get_failure_url())

    def capture(self, payment: Any, amount: Decimal | None = None) -> None:
        """Request a capture (``amount`` in major units; all if ``None``). The status
        changes when Nexi confirms."""
        order = _charged_order(payment)
        _raise_if_not_sent(_submit(lambda: flows.capture(order, amount)))
        _refresh(payment)

    def release(self, payment: Any) -> None:
        """Void an authorization. Raises ``PaymentError`` until Nexi has confirmed it,
        because django-payments sets the status to refunded at once."""
        order = _charged_order(payment)
        operation = _submit(lambda: flows.void(order))
        _raise_if_not_sent(operation)
        order.refresh_from_db()
        if order.state != OrderState.VOIDED:
            raise PaymentError("requested; the status changes when Nexi confirms")
        _refresh(payment)

    def refund(self, payment: Any, amount: Decimal | None = None) -> Decimal:
        """Request a refund (``amount`` in major units; all if ``None``).

        Returns 0, because django-payments subtracts the result from
        ``captured_amount``, and the receivers have done that already.
        """
        order = _charged_order(payment)
        _raise_if_not_sent(_submit(lambda: flows.refund(order, amount)))
        _refresh(payment)
        return Decimal(0)

    def cancel(self, payment: Any) -> None:
        """Cancel a payment without a charge. Raises ``PaymentError`` if a charge has
        started."""
        problem = ""
        try:
            for order in reversed(payment_attempts(payment)):
                flows.cancel(order)
        except NexiPaymentsError as error:
            problem = str(error)
        if problem:
            raise PaymentError(problem)


def _charged_order(payment: Any) -> PaymentOrder:
    """Our order that was charged for this payment."""
    for order in reversed(payment_attempts(payment)):
        if order.state in (OrderState.PAID, OrderState.AUTHORIZED, OrderState.REVIEW):
            return order
    raise PaymentError("nothing was charged for this payment")


def _submit(call: Any) -> Operation:
    problem = ""
    try:
        operation: Operation = call()
    except NexiPaymentsError as error:
        problem = str(error) or type(error).__name__
    if problem:
        raise PaymentError(problem)
    return operation


def _raise_if_not_sent(operation: Operation) -> None:
    unsuccessful = enums.NEGATIVE_OUTCOMES | {OperationOutcome.NOT_SENT}
    if operation.outcome in unsuccessful:
        raise PaymentError(f"Nexi: {operation.get_outcome_display()}")


def _refresh(payment: Any) -> None:
    """Reload ``payment``: django-payments saves all columns of this object."""
    sync_payment(payment)
    payment.refresh_from_db()
