"""Validation and payment: the gateway's rules, and the outcomes of the test cards."""

from __future__ import annotations

import base64
import os
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from nexi_payments.simulator import (
    local_time,
    records,
    request_schemas,
    responses,
    schema_validator,
)
from nexi_payments.simulator.records import Record
from nexi_payments.simulator.responses import Reply
from nexi_payments.simulator.routes import Request
from nexi_payments.simulator.state import SimulatorState
from nexi_payments.simulator.test_cards import DECLINE_CODES

#: A response that is not JSON; no charge was made.
GARBAGE: Final = Reply(200, b"<html>Service ok</html>", {"Content-Type": "text/html"})

#: Results with which validation is allowed: also again, after a lost response.
_VALIDATABLE: Final = frozenset({"PENDING", "THREEDS_VALIDATED", "THREEDS_FAILED"})


def validate(state: SimulatorState, request: Request) -> Reply:
    """Return the cryptogram of an authentication. ``THREEDS_FAILED`` is a 200."""
    data = request.json()
    schema_validator.validate_request(data, request_schemas.VALIDATION)
    with state.store.edit_payment(data["operationId"]) as record:
        if (
            record is None
            or record["flow"] != "3steps"
            or record["charged_at"]
            or record["result"] not in _VALIDATABLE
        ):
            return responses.error_reply(*responses.INTERNAL_ERROR)
        good = record["result"] != "THREEDS_FAILED" and _is_authenticated(
            record, data["threeDSAuthResponse"]
        )
        record["result"] = "THREEDS_VALIDATED" if good else "THREEDS_FAILED"
        result = None
        if good:
            record["value"] = _random_base64()
            result = {
                "authenticationValue": record["value"],
                "cavvAlgorithm": "3",
                "eci": "05" if record["brand"] == "VISA" else "02",
                "merchantAcquirerBin": "400000",
                "xid": _random_base64(),
                "status": "VALIDATED",
                "vendorcode": "",
                "version": "2.2.0",
            }
        operation = responses.operation(record, numeric=True)
    return responses.json_reply({"operation": operation, "threeDSAuthResult": result})


def pay(state: SimulatorState, request: Request, flow: str) -> Reply:
    """Charge an operation once. Mask and expiry must match the card of init."""
    data, three = request.json(), flow == "3steps"
    schema_validator.validate_request(
        data,
        request_schemas.PAYMENT_3STEPS if three else request_schemas.PAYMENT_2STEPS,
    )
    proof = data["threeDSAuthData"]
    with state.store.edit_payment(data["operationId"]) as record:
        if (
            record is None
            or record["flow"] != flow
            or record["charged_at"]
            or not _same_purchase(record, data)
            or record["result"] != ("THREEDS_VALIDATED" if three else "PENDING")
            or (three and proof["authenticationValue"] != record["value"])
        ):
            return responses.error_reply(*responses.INTERNAL_ERROR)
        if not three and not _is_authenticated(record, proof["threeDSAuthResponse"]):
            record["result"] = "THREEDS_FAILED"
            return _operation_reply(record)
        if record["ending"] == "garbage":
            return GARBAGE
        reply = charge(state, record, data.get("captureType"))
        if (made := records.contract_created_by(record)) is not None:
            state.store.add_contract(made)
        return reply


def charge(state: SimulatorState, record: Record, capture: str | None) -> Reply:
    """Charge ``record`` with the outcome of its test card.

    ``capture`` is IMPLICIT, EXPLICIT, or absent for the terminal's default. A real
    IMPLICIT terminal is documented to reject EXPLICIT, but was recorded accepting it;
    the simulator accepts it."""
    capture = capture or state.default_capture
    now = state.now()
    record["capture"] = capture
    record["charged_at"] = now.isoformat()
    record["lag"] = state.worlds.lag(record["order_id"], 0)
    record["time"] = local_time.format_time(now)
    ending = record["ending"]
    if ending in DECLINE_CODES:
        record["result"] = "DECLINED"
        record["code"] = DECLINE_CODES[ending]
    elif ending == "pending_then_paid":
        wait = timedelta(seconds=state.pending_seconds)
        record["result"] = "PENDING"
        record["settles_at"] = (now + wait).isoformat()
    else:
        record["result"] = "EXECUTED" if capture == "IMPLICIT" else "AUTHORIZED"
        record["code"] = "000"
    fault = "cut" if ending == "answer_lost" else ""
    return replace(_operation_reply(record), fault=fault)


def _random_base64() -> str:
    return base64.b64encode(os.urandom(20)).decode()


def _operation_reply(record: Record) -> Reply:
    return responses.json_reply(
        {"operation": responses.operation(record, numeric=True)}
    )


def _is_authenticated(record: Record, pares: str) -> bool:
    if record["ending"] == "validation_failed":
        return False
    return bool(record["approved"]) and pares == record["pares"]


def _same_purchase(record: Record, data: Any) -> bool:
    pan = data["card"]["pan"]
    return bool(
        data["order"]["orderId"] == record["order_id"]
        and data["order"]["amount"] == record["amount"]
        and data["order"]["currency"] == record["currency"]
        and pan[:6] == record["masked"][:6]
        and pan[-4:] == record["masked"][-4:]
        and data["card"]["expiryDate"] == record["expiry"]
        # the contract of init must be repeated
        and data.get("recurrence") == record.get("recurrence")
    )
