"""Payment links: pages that can be sent to a customer, and taken back.

A link takes one payment. ``page["link"]`` is ``{first_day, last_day, deleted,
paid_by}``; its id is the page's. Only its status codes are published, not which status
a renewal or a cancel needs: here an unused link can be renewed and cancelled."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any, Final

from nexi_payments.simulator import (
    hosted_orders,
    local_time,
    request_schemas,
    responses,
    schema_validator,
)
from nexi_payments.simulator.records import Record
from nexi_payments.simulator.responses import Reply
from nexi_payments.simulator.routes import Request
from nexi_payments.simulator.schema_validator import InvalidRequest, RequestRejected
from nexi_payments.simulator.state import SimulatorState

_MAX_DAYS: Final = timedelta(days=90)


def create(state: SimulatorState, request: Request) -> Reply:
    """``POST /orders/paybylink``, once for an order id."""
    data = request.json()
    schema_validator.validate_request(data, request_schemas.PAYMENT_LINK)
    last_day = _parse_day(state, data, since=_today(state))
    page = hosted_orders.new_page(state, data) | {
        "link": {
            "url": "",
            "first_day": last_day,
            "last_day": last_day,
            "deleted": False,
            "paid_by": "",
        }
    }
    page["link"]["url"] = hosted_orders.page_url(request, page)
    if not state.store.add_page(page):
        return responses.error_reply(*responses.ORDER_ID_USED)
    return _link_reply(state, page)


def get(state: SimulatorState, request: Request, link_id: str) -> Reply:
    page = _find(state, link_id)
    return _link_reply(state, page) if page else Reply(404)


def renew(state: SimulatorState, request: Request, link_id: str) -> Reply:
    """A new last day, at most 90 days after the first one."""
    data = request.json()
    schema_validator.validate_request(data, request_schemas.RENEWAL)

    def change(page: Record) -> Reply:
        link = page["link"]
        first = date.fromisoformat(link["first_day"])
        link["last_day"] = _parse_day(state, data, since=first)
        return _link_reply(state, page)

    return _change(state, link_id, change)


def cancel(state: SimulatorState, request: Request, link_id: str) -> Reply:
    """A 200 without a body. PS0045: used. PS0044: it was deleted before."""
    schema_validator.validate_request(request.json(), request_schemas.EMPTY)

    def change(page: Record) -> Reply:
        page["link"]["deleted"] = True
        return Reply(200)

    return _change(state, link_id, change)


def _change(
    state: SimulatorState, link_id: str, change: Callable[[Record], Reply]
) -> Reply:
    found = _find(state, link_id)
    if found is None:
        return Reply(404)
    with state.store.edit_page(found["order_id"]) as page:
        if page is None:
            return Reply(404)
        link = page["link"]
        if link["paid_by"]:
            raise RequestRejected("PS0045", "link already used")
        if link["deleted"]:
            raise RequestRejected("PS0044", "link already deleted")
        return change(page)


def is_payable(state: SimulatorState, page: Record) -> bool:
    """Return whether a page can still be paid. Nothing closes one without a link."""
    return not page["link"] or _status(state, page["link"]) == "ACTIVE"


def member(state: SimulatorState, page: Record) -> dict[str, Any]:
    """Return a link as the gateway lists it, without its security token."""
    link = page["link"]
    return {
        "linkId": page["page_id"],
        "amount": page["amount"],
        "expirationDate": link["last_day"],
        "link": link["url"],
        "paidByOperationId": link["paid_by"] or None,
        "status": _status(state, link),
    }


def _link_reply(state: SimulatorState, page: Record) -> Reply:
    return responses.json_reply(
        {
            "paymentLink": member(state, page),
            "securityToken": page["security_token"],
            "warnings": [],
        }
    )


def _status(state: SimulatorState, link: Record) -> str:
    """What INACTIVE means is not published: here it is a link that was used."""
    if link["paid_by"]:
        return "INACTIVE"
    if link["deleted"]:
        return "DELETED"
    today = _today(state).isoformat()
    return "ACTIVE" if today <= link["last_day"] else "EXPIRED"


def _find(state: SimulatorState, link_id: str) -> Record | None:
    page = state.store.find_page_by_id(link_id)
    return page if page and page["link"] else None


def _today(state: SimulatorState) -> date:
    return date.fromisoformat(local_time.format_date(state.now()))


def _parse_day(state: SimulatorState, data: Any, since: date) -> str:
    """A production user found that tomorrow is the earliest day."""
    try:
        day = date.fromisoformat(data["expirationDate"])
    except ValueError:
        raise InvalidRequest("PS0026", "expirationDate") from None
    if not _today(state) < day <= since + _MAX_DAYS:
        raise InvalidRequest("PS0026", "expirationDate")
    return day.isoformat()
