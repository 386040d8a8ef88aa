"""Gateway responses, parsed tolerantly into frozen dataclasses.

Absent, ``null`` and "" mean the same. Unknown members are ignored. Unknown enum values
are kept, in upper case. Wrong types and control characters count as absent. Amounts are
parsed strictly: digits or an integer, anything else is invalid.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

from nexi_payments import money
from nexi_payments.gateway import members
from nexi_payments.gateway.payment_methods import (
    APM,
    PaymentMethod,
    parse_payment_methods,
)


@dataclass(frozen=True)
class Ping:
    """Methods of a terminal, and the gateway's clock if it could be parsed."""

    payment_methods: tuple[PaymentMethod, ...]
    server_time: datetime | None = None

    @property
    def methods(self) -> tuple[str, ...]:
        """The card brands, e.g. ("VISA", "MC")."""
        return tuple(one.circuit for one in self.payment_methods if one.kind != APM)


@dataclass(frozen=True)
class OperationResult:
    """Nexi's view of one operation. Amount in minor units; ``None`` means absent.

    ``invalid_members`` names members that were present but could not be parsed. ``cid``
    is Nexi's trace id, if the response is about this operation alone.
    """

    order_id: str = ""
    operation_id: str = ""
    type: str = ""
    result: str = ""
    amount: int | None = None
    currency: str = ""
    time: datetime | None = None
    #: Nexi's ``paymentCircuit``: a card brand, or another method ("PAYPAL")
    brand: str = ""
    #: "CARD" or "APM"; "" if not said
    payment_method: str = ""
    #: masked card ("***4549"); of other methods perhaps an account: personal data
    instrument: str = field(default="", repr=False)
    channel: str = ""
    response_code: str = ""
    authorization_code: str = ""
    rrn: str = ""
    #: of a cancel: the operation that it cancels
    cancelled_operation_id: str = ""
    warnings: tuple[str, ...] = ()
    invalid_members: tuple[str, ...] = ()
    cid: str = ""

    @property
    def circuit(self) -> str:
        """``brand`` by Nexi's name; compare it with ``same_circuit``."""
        return self.brand


@dataclass(frozen=True)
class InitResult:
    operation: OperationResult
    auth_url: str = ""
    auth_request: str = ""
    enrollment: str = ""


@dataclass(frozen=True)
class ValidationResult:
    operation: OperationResult
    value: str = ""
    eci: str = ""
    xid: str = ""
    status: str = ""


@dataclass(frozen=True)
class ContractResult:
    """A saved card as Nexi lists it; ``instrument`` is like "***4549"."""

    contract_id: str
    type: str = ""
    expires: str = ""
    frequency: str = ""
    brand: str = ""
    instrument: str = ""


@dataclass(frozen=True)
class OrderResult:
    """``GET /orders/{orderId}``: totals in minor units and every operation.

    ``GET /orders`` lists the same without operations. That Nexi echoes what we sent
    about the customer, and ``customField``, is not confirmed.
    """

    order_id: str = ""
    amount: int | None = None
    currency: str = ""
    authorized: int | None = None
    captured: int | None = None
    last_type: str = ""
    last_time: datetime | None = None
    reference: str = ""
    description: str = ""
    customer_id: str = ""
    customer_name: str = field(default="", repr=False)
    customer_email: str = field(default="", repr=False)
    operations: tuple[OperationResult, ...] = ()
    readable: bool = True


def parse_operation(body: Any, cid: str = "") -> OperationResult:
    """Parse one operation object; anything else gives an empty result."""
    if not isinstance(body, Mapping):
        return OperationResult(cid=cid)
    more = body.get("additionalData")
    more = more if isinstance(more, Mapping) else {}
    amount, odd = members.amount(body.get("operationAmount"))
    return OperationResult(
        order_id=members.text(body.get("orderId")),
        operation_id=members.text(body.get("operationId")),
        type=members.enum_value(body.get("operationType")),
        result=members.enum_value(body.get("operationResult")),
        amount=amount,
        currency=money.alphabetic_code(members.text(body.get("operationCurrency"))),
        time=members.moment(body.get("operationTime")),
        brand=members.enum_value(body.get("paymentCircuit")),
        payment_method=members.enum_value(body.get("paymentMethod")),
        instrument=members.reference(body.get("paymentInstrumentInfo"))[:64],
        channel=members.enum_value(body.get("channel")),
        response_code=members.text(more.get("authorizationStatus"))[:8],
        authorization_code=members.reference(more.get("authorizationCode"))[:16],
        rrn=members.reference(more.get("rrn"))[:32],
        cancelled_operation_id=members.text(body.get("cancelledOperationId"))[:64],
        warnings=members.warning_codes(body.get("warnings")),
        invalid_members=("amount",) if odd else (),
        cid=cid,
    )


def parse_init(body: Any, cid: str = "") -> InitResult:
    body = body if isinstance(body, Mapping) else {}
    return InitResult(
        operation=parse_operation(body.get("operation"), cid),
        # not stripped: a URL with spaces around it is not followed
        auth_url=members.untrimmed(body.get("threeDSAuthUrl")),
        auth_request=members.untrimmed(body.get("threeDSAuthRequest")),
        enrollment=members.enum_value(body.get("threeDSEnrollmentStatus")),
    )


def parse_validation(body: Any, cid: str = "") -> ValidationResult:
    body = body if isinstance(body, Mapping) else {}
    result = body.get("threeDSAuthResult")
    result = result if isinstance(result, Mapping) else {}
    return ValidationResult(
        operation=parse_operation(body.get("operation"), cid),
        value=members.text(result.get("authenticationValue")),
        eci=members.text(result.get("eci"))[:2],
        xid=members.text(result.get("xid")),
        status=members.enum_value(result.get("status")),
    )


def parse_payment(body: Any, cid: str = "") -> OperationResult:
    return parse_operation(
        body.get("operation") if isinstance(body, Mapping) else None, cid
    )


def parse_accepted(body: Any) -> str:
    """Return the id of an accepted capture, refund or cancel, or ""."""
    return members.text(body.get("operationId") if isinstance(body, Mapping) else None)[
        :64
    ]


def parse_order(body: Any) -> OrderResult:
    """Parse an order. ``readable`` is False if operations is no list of objects."""
    if not isinstance(body, Mapping):
        return OrderResult(readable=False)
    status = body.get("orderStatus")
    status = status if isinstance(status, Mapping) else {}
    echo = status.get("order")
    echo = echo if isinstance(echo, Mapping) else {}
    customer = echo.get("customerInfo")
    customer = customer if isinstance(customer, Mapping) else {}
    listed = body.get("operations")
    listed = [] if listed is None else listed
    readable = isinstance(listed, list) and all(isinstance(o, Mapping) for o in listed)
    return OrderResult(
        order_id=members.text(echo.get("orderId")),
        amount=members.amount(echo.get("amount"))[0],
        currency=money.alphabetic_code(members.text(echo.get("currency"))),
        authorized=members.amount(status.get("authorizedAmount"))[0],
        captured=members.amount(status.get("capturedAmount"))[0],
        last_type=members.enum_value(status.get("lastOperationType")),
        last_time=members.moment(status.get("lastOperationTime")),
        reference=members.reference(echo.get("customField"))[:255],
        description=members.reference(echo.get("description"))[:255],
        customer_id=members.text(echo.get("customerId"))[:27],
        customer_name=members.reference(customer.get("cardHolderName"))[:255],
        customer_email=members.reference(customer.get("cardHolderEmail"))[:254],
        operations=tuple(parse_operation(item) for item in listed) if readable else (),
        readable=readable,
    )


def parse_operations(body: Any) -> tuple[OperationResult, ...] | None:
    """Parse ``GET /operations``; ``None`` without a list of objects."""
    listed = body.get("operations") if isinstance(body, Mapping) else None
    if not isinstance(listed, list):
        return None
    if not all(isinstance(item, Mapping) for item in listed):
        return None
    return tuple(parse_operation(item) for item in listed)


def parse_contracts(body: Any) -> tuple[ContractResult, ...] | None:
    """Parse ``GET /contracts/customers/{id}``; ``None`` without a list."""
    listed = body.get("contracts") if isinstance(body, Mapping) else None
    if not isinstance(listed, list):
        return None
    return tuple(
        ContractResult(
            contract_id=members.text(item.get("contractId"))[:255],
            type=members.enum_value(item.get("contractType")),
            expires=members.text(item.get("contractExpiryDate"))[:32],
            frequency=members.text(item.get("contractFrequency"))[:8],
            brand=members.enum_value(item.get("paymentCircuit")),
            instrument=members.text(item.get("paymentInstrumentInfo"))[:32],
        )
        for item in listed
        if isinstance(item, Mapping)
    )


def parse_ping(body: Any, date: str) -> Ping | None:
    """Parse ``GET /payment_methods`` and ``Date``; ``None`` without a list."""
    methods = parse_payment_methods(body)
    return None if methods is None else Ping(methods, _http_date(date))


def _http_date(date: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(date)
    except ValueError:
        return None
    return moment if moment.tzinfo else None
