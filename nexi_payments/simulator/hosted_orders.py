"""Orders for Nexi's hosted page: created by the merchant, paid by the customer.

A page is a record with the order, the URLs and the security token. Its payments are
records of their own, made when the customer does something on the page."""

from __future__ import annotations

from typing import Any, Final

from nexi_payments.simulator import (
    notifications,
    payment_methods,
    records,
    request_schemas,
    responses,
    schema_validator,
)
from nexi_payments.simulator.records import Record
from nexi_payments.simulator.responses import Reply
from nexi_payments.simulator.routes import Request
from nexi_payments.simulator.schema_validator import InvalidRequest, RequestRejected
from nexi_payments.simulator.state import SimulatorState

#: As the real gateway's address was seen.
PAGE_PATH: Final = "/monetaweb/page/hosted/2/html"


def create(state: SimulatorState, request: Request) -> Reply:
    """``POST /orders/hpp``, once for an id. Nothing is paid yet.

    What Nexi does with a method that the terminal lacks is not published: here it is
    rejected."""
    data = request.json()
    schema_validator.validate_request(data, request_schemas.HOSTED_PAGE)
    page = new_page(state, data)
    if not state.store.add_page(page):
        return responses.error_reply(*responses.ORDER_ID_USED)
    return responses.json_reply(
        {
            "hostedPage": page_url(request, page),
            "securityToken": page["security_token"],
            "warnings": [],
        }
    )


def page_url(request: Request, page: Record) -> str:
    return f"{request.site}{PAGE_PATH}?paymentid={page['page_id']}"


def new_page(state: SimulatorState, data: Any) -> Record:
    """Return the record of a page. ``data`` is valid. Raises ``RequestRejected``.

    ``opened_at`` is when the customer opened it first; until then the order is not
    found. ``link`` is for ``payment_links``."""
    order, session = data["order"], data["paymentSession"]
    service = session.get("paymentService", "")
    codes = payment_methods.offered(state.payment_methods, order["currency"])
    if service and service not in [method.code for method in codes]:
        raise InvalidRequest("PS0026", "paymentService")
    if int(session["amount"]) > int(order["amount"]):
        raise RequestRejected("PS0007", "more than the amount of the order")
    return {
        "order_id": order["orderId"],
        "page_id": records.new_operation_id(),
        "amount": session["amount"],
        "currency": order["currency"],
        "description": order.get("description", ""),
        "custom_field": order.get("customField", ""),
        "customer_id": order.get("customerId", ""),
        "service": service,
        "language": session["language"],
        "result_url": session.get("resultUrl", ""),
        "cancel_url": session.get("cancelUrl", ""),
        "notification_url": session.get("notificationUrl", ""),
        "security_token": notifications.new_security_token(),
        "created": state.now().isoformat(),
        "opened_at": None,
        "link": None,
    }
