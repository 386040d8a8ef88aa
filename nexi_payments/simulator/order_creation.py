"""Creation of an order: an init (3-D Secure follows) or a MOTO payment."""

from __future__ import annotations

from typing import Any, Final

from nexi_payments.simulator import (
    address_warnings,
    payments,
    records,
    request_schemas,
    responses,
    schema_validator,
    test_cards,
)
from nexi_payments.simulator.records import Record
from nexi_payments.simulator.responses import Reply
from nexi_payments.simulator.routes import Request
from nexi_payments.simulator.state import SimulatorState

#: The server sends this 503; the adapter raises a refused connection.
_GATEWAY_DOWN: Final = Reply(
    503, b"<html>down</html>", {"Content-Type": "text/html"}, fault="refused"
)


def init(state: SimulatorState, request: Request, flow: str) -> Reply:
    """Create an order, once for an id. ``flow`` is "3steps" or "2steps"."""
    data = request.json()
    schema_validator.validate_request(data, request_schemas.INIT)
    record = _new_record(state, flow, data)
    if record["ending"] == "gateway_down":
        return _GATEWAY_DOWN
    wanted = (record["recurrence"] or {}).get("contractId")
    if wanted and state.store.find_contract(wanted):
        return responses.error_reply(*responses.CONTRACT_NOT_VALID)
    if not state.store.add(record):
        return responses.error_reply(*responses.ORDER_ID_USED)
    enrolled = record["result"] == "PENDING" and record["ending"] != "not_enrolled"
    issuer_url = f"{request.site}/monetaweb/phoenixstos"
    return responses.json_reply(
        {
            "operation": responses.operation(record),
            "threeDSEnrollmentStatus": "ENROLLED" if enrolled else None,
            "threeDSAuthRequest": "notneeded" if enrolled else None,
            "threeDSAuthUrl": issuer_url if enrolled else None,
        }
    )


def moto(state: SimulatorState, request: Request) -> Reply:
    """Charge in one call without 3-D Secure. The response is final.

    Cards that would be challenged are paid. "garbage" creates no order."""
    data = request.json()
    schema_validator.validate_request(data, request_schemas.MOTO)
    record = _new_record(state, "moto", data)
    if record["ending"] == "gateway_down":
        return _GATEWAY_DOWN
    if record["ending"] == "garbage":
        return payments.GARBAGE
    if record["result"] == "PENDING":
        reply = payments.charge(state, record, data.get("captureType"))
    else:
        reply = responses.json_reply({"operation": responses.operation(record)})
    if not state.store.add(record):
        return responses.error_reply(*responses.ORDER_ID_USED)
    return reply


def _new_record(state: SimulatorState, flow: str, data: Any) -> Record:
    order, pan = data["order"], data["card"]["pan"]
    card = test_cards.stored_card(pan, data["card"]["expiryDate"])
    return {
        **records.new_record(flow, order, card, state.now()),
        "result": "DENIED_BY_RISK" if card["ending"] == "risk" else "PENDING",
        "warnings": address_warnings.warnings(order.get("customerInfo")),
        "recurrence": data.get("recurrence"),
        "exemptions": data.get("exemptions", ""),
    }
