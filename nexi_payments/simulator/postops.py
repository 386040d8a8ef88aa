"""Captures, refunds and cancels. The answer only says "accepted"; the verdict appears
when the new operation is looked up."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from nexi_payments.simulator import answers, ledger, schema, shapes
from nexi_payments.simulator.answers import Reply
from nexi_payments.simulator.ledger import CHARGED, Record
from nexi_payments.simulator.schema import Invalid

if TYPE_CHECKING:
    from nexi_payments.simulator.engine import Simulator

#: Idempotency-Key, characters
_LONGEST_KEY: Final = 63

#: (type, amount, outcome) of what is to be added, from (record, target, data, day)
Rule = Callable[[Record, str, Any, str], tuple[str, str, str]]


class Refused(Invalid):
    """The order's state does not allow it. ``text`` says why in our own words."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(code, text)
        self.args = (text,)


class PostOperations:
    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator

    def answer(self, path: str, key: str, data: Any) -> Reply | None:
        """``path`` is ``/operations/{id}/{what}``; ``None`` when it is another."""
        parts = path.split("/")
        if len(parts) != 4 or parts[1] != "operations" or parts[3] not in _RULES:
            return None
        target, what = parts[2], parts[3]
        if what == "cancels":  # the one that takes no key
            schema.check(data, shapes.CANCEL)
            return self._accept(target, what, data)
        if not 1 <= len(key) <= _LONGEST_KEY:
            return answers.error("PS0025", "idempotency key wrong or missing")
        schema.check(data, shapes.POST_OPERATION)
        return self._once(target, what, key, data)

    def _once(self, target: str, what: str, key: str, data: Any) -> Reply:
        """The same key with the same request gets the same answer and does nothing; a
        refusal is not kept, so the request may be tried again."""
        request = json.dumps([target, what, data], sort_keys=True)
        fingerprint = hashlib.sha256(request.encode()).hexdigest()
        with self._simulator.store.edit_any(target) as record:
            earlier = self._simulator.store.replayed(key)
            if earlier is not None and earlier[0] != fingerprint:
                return answers.error("PS0025", "idempotency key of another request")
            if earlier is not None:
                return answers.as_json(json.loads(earlier[1]))
            reply = self._add(record, target, what, data)
            if reply.status == 200:
                self._simulator.store.remember(key, fingerprint, reply.body)
        return reply

    def _accept(self, target: str, what: str, data: Any) -> Reply:
        with self._simulator.store.edit_any(target) as record:
            return self._add(record, target, what, data)

    def _add(self, record: Record | None, target: str, what: str, data: Any) -> Reply:
        if record is None:
            return Reply(404)
        now = self._simulator.now()
        day = answers.local(now).date().isoformat()
        aged = ledger.as_of(record, now)
        kind, amount, outcome = _RULES[what](aged, target, data, day)
        slow = kind == "REFUND" and record["ending"] == "refund_pending"
        wait = timedelta(seconds=self._simulator.pending_seconds if slow else 0)
        one = {
            "id": str(uuid.uuid4()),
            "type": kind,
            "of": target,
            "amount": amount,
            "outcome": outcome,
            "settles_at": (now + wait).isoformat(),
            "day": day,
            "time": answers.local_time(now),
        }
        record.setdefault("later", []).append(one)
        return answers.as_json({"operationId": one["id"], "operationTime": one["time"]})


def _capture(record: Record, target: str, data: Any, day: str) -> tuple[str, str, str]:
    """Part by part, up to what is held."""
    if target != record["operation_id"] or record["result"] not in CHARGED:
        raise Invalid("PS0026", "operationId")
    if record["result"] == "EXECUTED":
        raise Refused("PS0023", "already captured")
    if ledger.taken(record, "REFUND", target):
        raise Refused("PS0022", "already voided")
    amount = _amount(record, data)
    left = int(record["amount"]) - ledger.taken(record, "CAPTURE", target)
    if not left:
        raise Refused("PS0023", "already captured")
    if amount > left:
        raise Invalid("PS0026", "amount")
    return "CAPTURE", data["amount"], "EXECUTED"


def _refund(record: Record, target: str, data: Any, day: str) -> tuple[str, str, str]:
    """On a payment or a capture. All of a payment that is not booked (held, or charged
    today) is released and reads VOIDED; anything else is paid back and reads EXECUTED.
    """
    amount = _amount(record, data)
    taken = ledger.taken(record, "REFUND", target)
    if target == record["operation_id"]:
        if record["result"] not in CHARGED:
            raise Invalid("PS0026", "operationId")
        held = record["result"] == "AUTHORIZED"
        if held and ledger.taken(record, "CAPTURE", target):
            # what was captured is refunded on the capture
            raise Invalid("PS0026", "operationId")
        whole = int(record["amount"])
        if taken == whole:
            raise Refused(*_VOIDED_BEFORE if held else _REFUNDED_BEFORE)
        if amount > whole - taken or (held and amount < whole):
            raise Refused("PS0029", "more than was captured")
        charged_today = record["time"].startswith(day)
        release = amount == whole and (held or charged_today)
        return "REFUND", data["amount"], "VOIDED" if release else "EXECUTED"
    capture = _standing(record, target)
    if capture["type"] != "CAPTURE":
        raise Invalid("PS0026", "operationId")
    if taken == int(capture["amount"]):
        raise Refused(*_REFUNDED_BEFORE)
    if amount > int(capture["amount"]) - taken:
        raise Refused("PS0029", "more than was captured")
    return "REFUND", data["amount"], "EXECUTED"


def _cancel(record: Record, target: str, data: Any, day: str) -> tuple[str, str, str]:
    """Rolls back a whole capture or refund on the day it was made."""
    one = _standing(record, target)
    if one["result"] != "EXECUTED":  # a release cannot be taken back
        raise Invalid("PS0026", "operationId")
    if ledger.taken(record, "REFUND", target):
        raise Refused("PS0027", "already refunded")
    if one["day"] != day:
        raise Refused("PS0002", "only on the day of the operation")
    return "CANCEL", one["amount"], "EXECUTED"


def _amount(record: Record, data: Any) -> int:
    if data["currency"] != record["currency"]:
        raise Refused("PS0009", "currency not valid")
    if not int(data["amount"]):
        raise Invalid("PS0026", "amount")
    return int(data["amount"])


def _standing(record: Record, target: str) -> Record:
    """A capture or refund that was not rolled back."""
    for one in ledger.standing(record):
        if one["id"] == target:
            return one
    if any(one["id"] == target for one in record["later"]):
        raise Refused(*_VOIDED_BEFORE)
    raise Invalid("PS0026", "operationId")


_VOIDED_BEFORE: Final = ("PS0028", "already voided")
_REFUNDED_BEFORE: Final = ("PS0027", "already refunded")
_RULES: Final[dict[str, Rule]] = {
    "captures": _capture,
    "refunds": _refund,
    "cancels": _cancel,
}
