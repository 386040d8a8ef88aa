"""How an order begins: with an init (3-D Secure comes next) or a MOTO payment."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any, Final

from nexi_payments.simulator import addresses, answers, cards, schema, shapes
from nexi_payments.simulator.answers import Reply
from nexi_payments.simulator.charging import GARBAGE, Charging
from nexi_payments.simulator.ledger import Record

if TYPE_CHECKING:
    from nexi_payments.simulator.engine import Simulator

#: The server can only answer this; the adapter acts out the refused connection.
_DOWN: Final = Reply(
    503, b"<html>down</html>", {"Content-Type": "text/html"}, fault="refused"
)
_TAKEN: Final = ("PS0026", "invalid parameter orderId")


class Opening:
    def __init__(self, simulator: Simulator, charging: Charging) -> None:
        self._simulator = simulator
        self._charging = charging

    def init(self, flow: str, data: Any, issuer_url: str) -> Reply:
        """``flow`` is "3steps" or "2steps". An order id can be used once."""
        schema.check(data, shapes.INIT)
        record = self._record(flow, data)
        if record["ending"] == "gateway_down":
            return _DOWN
        wanted = (record["recurrence"] or {}).get("contractId")
        if wanted and self._simulator.store.contract(wanted):
            return answers.error("PS0017", "contractId not valid")
        if not self._simulator.store.add(record):
            return answers.error(*_TAKEN)
        asks = record["result"] == "PENDING" and record["ending"] != "not_enrolled"
        return answers.as_json(
            {
                "operation": answers.operation(record),
                "threeDSEnrollmentStatus": "ENROLLED" if asks else None,
                "threeDSAuthRequest": "notneeded" if asks else None,
                "threeDSAuthUrl": issuer_url if asks else None,
            }
        )

    def moto(self, data: Any) -> Reply:
        """One call, no 3-D Secure, a final answer. The endings of a challenge are paid
        here; that of garbage leaves no order behind."""
        schema.check(data, shapes.MOTO)
        record = self._record("moto", data)
        if record["ending"] == "gateway_down":
            return _DOWN
        if record["ending"] == "garbage":
            return GARBAGE
        if record["result"] == "PENDING":
            reply = self._charging.charge(record, data.get("captureType"))
        else:
            reply = answers.as_json({"operation": answers.operation(record)})
        return reply if self._simulator.store.add(record) else answers.error(*_TAKEN)

    def _record(self, flow: str, data: Any) -> Record:
        """The row of a new order: of the card only mask, expiry, brand and ending."""
        now = self._simulator.now()
        pan = data["card"]["pan"]
        ending = cards.ending_of(pan)
        return {
            "order_id": data["order"]["orderId"],
            "operation_id": f"{random.SystemRandom().randrange(10**17, 10**18)}",
            "flow": flow,
            "amount": data["order"]["amount"],
            "currency": data["order"]["currency"],
            "description": data["order"].get("description", ""),
            "warnings": addresses.warnings(data["order"].get("customerInfo")),
            "customer_id": data["order"].get("customerId", ""),
            "recurrence": data.get("recurrence"),
            "exemptions": data.get("exemptions", ""),
            "masked": f"{pan[:6]}{'*' * (len(pan) - 10)}{pan[-4:]}",
            "expiry": data["card"]["expiryDate"],
            "brand": cards.brand_of(pan),
            "ending": ending,
            "result": "DENIED_BY_RISK" if ending == "risk" else "PENDING",
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
