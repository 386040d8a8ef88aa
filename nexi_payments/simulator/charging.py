"""Validation and payment: the rules of the gateway, and the endings of the cards."""

from __future__ import annotations

import base64
import os
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from nexi_payments.simulator import answers, ledger, schema, shapes
from nexi_payments.simulator.answers import Reply
from nexi_payments.simulator.cards import DECLINE_CODES
from nexi_payments.simulator.ledger import Record

if TYPE_CHECKING:
    from nexi_payments.simulator.engine import Simulator

#: The catch-all of the real gateway, with HTTP 400.
_NO: Final = ("GW0001", "An internal error occurred")

#: An answer nobody can read; the charge was not made.
GARBAGE: Final = Reply(200, b"<html>Service ok</html>", {"Content-Type": "text/html"})

#: Where validation may still be asked: not yet, or once more after a lost answer.
_OPEN: Final = frozenset({"PENDING", "THREEDS_VALIDATED", "THREEDS_FAILED"})


class Charging:
    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator

    def validate(self, data: Any) -> Reply:
        """The issuer's word for a cryptogram; ``THREEDS_FAILED`` comes with a 200."""
        schema.check(data, shapes.VALIDATION)
        with self._simulator.store.edit(data["operationId"]) as record:
            if (
                record is None
                or record["flow"] != "3steps"
                or record["charged_at"]
                or record["result"] not in _OPEN
            ):
                return answers.error(*_NO)
            good = record["result"] != "THREEDS_FAILED" and _confirmed(
                record, data["threeDSAuthResponse"]
            )
            record["result"] = "THREEDS_VALIDATED" if good else "THREEDS_FAILED"
            result = None
            if good:
                record["value"] = base64.b64encode(os.urandom(20)).decode()
                result = {
                    "authenticationValue": record["value"],
                    "cavvAlgorithm": "3",
                    "eci": "05" if record["brand"] == "VISA" else "02",
                    "merchantAcquirerBin": "400000",
                    "xid": base64.b64encode(os.urandom(20)).decode(),
                    "status": "VALIDATED",
                    "vendorcode": "",
                    "version": "2.2.0",
                }
            operation = answers.operation(record, numeric=True)
        return answers.as_json({"operation": operation, "threeDSAuthResult": result})

    def pay(self, flow: str, data: Any) -> Reply:
        """One charge an operation; the card is told from init's by mask and expiry."""
        three = flow == "3steps"
        schema.check(data, shapes.PAYMENT_3STEPS if three else shapes.PAYMENT_2STEPS)
        proof = data["threeDSAuthData"]
        with self._simulator.store.edit(data["operationId"]) as record:
            if (
                record is None
                or record["flow"] != flow
                or record["charged_at"]
                or not _same_purchase(record, data)
            ):
                return answers.error(*_NO)
            if record["result"] != ("THREEDS_VALIDATED" if three else "PENDING"):
                return answers.error(*_NO)
            if three and proof["authenticationValue"] != record["value"]:
                return answers.error(*_NO)
            if not three and not _confirmed(record, proof["threeDSAuthResponse"]):
                record["result"] = "THREEDS_FAILED"
                return _answer(record)
            if record["ending"] == "garbage":
                return GARBAGE
            reply = self.charge(record, data.get("captureType"))
            if (made := ledger.contract_of(record)) is not None:
                self._simulator.store.add_contract(made)
            return reply

    def charge(self, record: Record, capture: str | None) -> Reply:
        """Changes ``record`` as the card's ending says. ``capture`` is IMPLICIT,
        EXPLICIT, or absent: then the terminal's own way. (A real IMPLICIT terminal is
        documented to refuse EXPLICIT, and was recorded accepting it; we accept it.)"""
        capture = capture or self._simulator.default_capture
        now = self._simulator.now()
        record["capture"] = capture
        record["charged_at"] = now.isoformat()
        record["time"] = answers.local_time(now)
        ending = record["ending"]
        if ending in DECLINE_CODES:
            record["result"] = "DECLINED"
            record["code"] = DECLINE_CODES[ending]
        elif ending == "pending_then_paid":
            wait = timedelta(seconds=self._simulator.pending_seconds)
            record["result"] = "PENDING"
            record["settles_at"] = (now + wait).isoformat()
        else:
            record["result"] = "EXECUTED" if capture == "IMPLICIT" else "AUTHORIZED"
            record["code"] = "000"
        fault = "cut" if ending == "answer_lost" else ""
        return replace(_answer(record), fault=fault)


def _answer(record: Record) -> Reply:
    return answers.as_json({"operation": answers.operation(record, numeric=True)})


def _confirmed(record: Record, pares: str) -> bool:
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
        # a contract that init has promised is not dropped on the way
        and data.get("recurrence") == record.get("recurrence")
    )
