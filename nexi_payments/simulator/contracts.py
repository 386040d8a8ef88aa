"""Cards on file: contracts, charges without their owner, checks of a card for nothing.

A contract has no endpoint that makes it: the payment that names it does, once it is
charged. What the reference leaves open is decided here in the strict way: an id is used
once, a payment repeats what init said, and a contract that is over is not charged.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

from nexi_payments.simulator import answers, cards, schema, shapes
from nexi_payments.simulator.answers import Reply
from nexi_payments.simulator.ledger import Record

if TYPE_CHECKING:
    from nexi_payments.simulator.charging import Charging
    from nexi_payments.simulator.engine import Simulator

#: Idempotency-Key, characters
_LONGEST_KEY: Final = 63
_NOT_VALID: Final = ("PS0017", "contractId not valid")
_TAKEN: Final = ("PS0026", "invalid parameter orderId")


class Contracts:
    def __init__(self, simulator: Simulator, charging: Charging) -> None:
        self._simulator = simulator
        self._charging = charging

    def charge(self, key: str, data: Any) -> Reply:
        """``POST /orders/mit``. The same key with the same request gets the same answer
        and does nothing; with another request it is refused."""
        if not 1 <= len(key) <= _LONGEST_KEY:
            return answers.error("PS0025", "idempotency key wrong or missing")
        schema.check(data, shapes.MIT)
        request = json.dumps(["mit", data], sort_keys=True)
        fingerprint = hashlib.sha256(request.encode()).hexdigest()
        store = self._simulator.store
        with store.changing():
            earlier = store.replayed(key)
            if earlier is not None and earlier[0] != fingerprint:
                return answers.error("PS0025", "idempotency key of another request")
            if earlier is not None:
                return answers.as_json(json.loads(earlier[1]))
            contract = store.contract(data["contractId"])
            if contract is None or not self._stands(contract):
                return answers.error(*_NOT_VALID)
            if store.by_order(data["order"]["orderId"]) is not None:
                return answers.error(*_TAKEN)
            record = self._record(contract, data["order"])
            reply = self._charging.charge(record, data.get("captureType"))
            store.insert(record)
            store.remember(key, fingerprint, reply.body)
        return reply

    def verify(self, data: Any) -> Reply:
        """``POST /orders/card_verification``: no charge, no 3-D Secure, no order."""
        schema.check(data, shapes.VERIFICATION)
        ending = cards.ending_of(data["card"]["pan"])
        now = self._simulator.now()
        code = cards.DECLINE_CODES.get(ending, "000")
        operation = {
            "orderId": data["order"]["orderId"],
            "operationId": _new_id(),
            "operationType": "CARD_VERIFICATION",
            "operationResult": "EXECUTED" if code == "000" else "DECLINED",
            "operationTime": answers.local_time(now),
            "paymentMethod": "CARD",
            "paymentCircuit": cards.brand_of(data["card"]["pan"]),
            "operationAmount": data["order"]["amount"],
            "operationCurrency": data["order"]["currency"],
            "warnings": [],
            "additionalData": {"authorizationStatus": code},
        }
        fault = {"gateway_down": "refused", "answer_lost": "cut"}.get(ending, "")
        reply = answers.as_json({"operation": operation})
        return Reply(reply.status, reply.body, reply.headers, fault)

    def deactivate(self, path: str) -> Reply | None:
        """``/contracts/{id}/deactivation``; 200 without a body, also the second time.
        ``None`` when the path is another."""
        parts = path.split("/")
        if len(parts) != 4 or parts[3] != "deactivation":
            return None
        if not self._simulator.store.end_contract(unquote(parts[2])):
            return answers.error(*_NOT_VALID)
        return Reply(200)

    def listed(self, customer: str) -> Reply:
        """``GET /contracts/customers/{id}``: those that stand, oldest first."""
        found = self._simulator.store.contracts_of(customer)
        if not found:
            return Reply(404)
        shown = [
            {
                "contractId": one["contract_id"],
                "contractType": one["type"],
                "contractExpiryDate": one["until"] or None,
                "contractFrequency": one["frequency"] or None,
                "paymentMethod": "CARD",
                "paymentCircuit": one["brand"],
                "paymentInstrumentInfo": f"***{one['masked'][-4:]}",
            }
            for one in found
            if one["active"]
        ]
        return answers.as_json({"customerId": customer, "contracts": shown})

    def _stands(self, contract: Record) -> bool:
        today = answers.local(self._simulator.now()).date().isoformat()
        until = contract["until"]
        return bool(contract["active"]) and (not until or today <= until)

    def _record(self, contract: Record, order: Mapping[str, Any]) -> Record:
        now = self._simulator.now()
        return {
            "order_id": order["orderId"],
            "operation_id": _new_id(),
            "flow": "mit",
            "amount": order["amount"],
            "currency": order["currency"],
            "description": order.get("description", ""),
            "masked": contract["masked"],
            "expiry": contract["expiry"],
            "brand": contract["brand"],
            "ending": cards.ON_FILE.get(contract["ending"], contract["ending"]),
            "contract": contract["contract_id"],
            "result": "PENDING",
            "code": "",
            "pares": "",
            "approved": False,
            "value": "",
            "capture": "",
            "charged_at": None,
            "settles_at": None,
            "created": now.isoformat(),
            "time": answers.local_time(now),
            "later": [],
        }


def _new_id() -> str:
    return f"{random.SystemRandom().randrange(10**17, 10**18)}"
