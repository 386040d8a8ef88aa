"""One method an endpoint. Each returns an answer that is about *our* payment, or raises
exactly one kind of ``GatewayError``; a decline is an answer.

An answer that names another order, operation, amount or currency is ``BadAnswer``. An
answer that says "charged" without naming them is ``UnknownOutcome``: a look-up decides.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

from requests.adapters import BaseAdapter

from nexi_payments.card import Card
from nexi_payments.exceptions import BadAnswer, UnknownOutcome
from nexi_payments.gateway import codes, payloads, results
from nexi_payments.gateway.deadline import Deadline
from nexi_payments.gateway.payloads import Authentication, Part, Purchase
from nexi_payments.gateway.transport import Reply, Transport


@dataclass(frozen=True)
class Trace:
    """What every call carries: our id for its log line, and its share of the time."""

    correlation_id: str
    deadline: Deadline


class Client:
    """NPG card payments, Server to Server.

    ``base_url`` is everything before ``/orders``. ``flow`` is "3steps" or "2steps".
    ``adapter`` replaces the network (the built-in simulator, tests).
    """

    def __init__(
        self,
        *,
        base_url: str,
        api_key: str,
        adapter: BaseAdapter | None = None,
        connect_timeout: float = 5.0,
        keep_alive: float = 10.0,
    ) -> None:
        self._transport = Transport(
            base_url=base_url,
            api_key=api_key,
            adapter=adapter,
            connect_timeout=connect_timeout,
            keep_alive=keep_alive,
        )

    # -- calls that change something: sent once ----------------------------------------

    def init(
        self, flow: str, purchase: Purchase, card: Card, trace: Trace
    ) -> results.InitResult:
        """``POST /orders/{flow}/init``: asks for the 3-D Secure step. No money moves.

        An answer without an operation id is of no use: ``UnknownOutcome``.
        """
        reply = self._transport.exchange(
            "POST",
            f"/orders/{flow}/init",
            body=lambda: payloads.init(purchase, card),
            correlation_id=trace.correlation_id,
            deadline=trace.deadline,
        )
        answer = results.init(reply.body)
        _matches(answer.operation, purchase, "", reply, trace)
        if not answer.operation.operation_id:
            raise _lacking("operationId", reply, trace)
        return answer

    def validate(
        self, purchase: Purchase, operation_id: str, pares: str, trace: Trace
    ) -> results.ValidationResult:
        """``POST /orders/3steps/validation``: was the cardholder authenticated?"""
        reply = self._transport.exchange(
            "POST",
            "/orders/3steps/validation",
            body=lambda: payloads.validation(operation_id, pares),
            correlation_id=trace.correlation_id,
            deadline=trace.deadline,
        )
        answer = results.validation(reply.body)
        _matches(answer.operation, purchase, operation_id, reply, trace)
        if not answer.operation.operation_id or not answer.operation.result:
            raise _lacking("operationId", reply, trace)
        return answer

    def pay(
        self,
        flow: str,
        purchase: Purchase,
        card: Card,
        operation_id: str,
        authentication: Authentication,
        capture_type: str,
        trace: Trace,
    ) -> results.OperationResult:
        """``POST /orders/{flow}/payment``: charges. Never sent twice for one order."""
        reply = self._transport.exchange(
            "POST",
            f"/orders/{flow}/payment",
            body=lambda: payloads.payment(
                operation_id, purchase, card, authentication, capture_type
            ),
            correlation_id=trace.correlation_id,
            deadline=trace.deadline,
        )
        answer = results.payment(reply.body)
        _matches(answer, purchase, operation_id, reply, trace)
        if answer.result in codes.CHARGED:
            _complete(answer, reply, trace)
        return answer

    def moto(
        self, purchase: Purchase, card: Card, capture_type: str, trace: Trace
    ) -> results.OperationResult:
        """``POST /orders/moto``: charges, in one call. Never sent twice for one order.

        ``purchase.cardholder`` is required by Nexi here.
        """
        reply = self._transport.exchange(
            "POST",
            "/orders/moto",
            body=lambda: payloads.moto(purchase, card, capture_type),
            correlation_id=trace.correlation_id,
            deadline=trace.deadline,
        )
        answer = results.payment(reply.body)
        _matches(answer, purchase, "", reply, trace)
        if answer.result in codes.CHARGED:
            _complete(answer, reply, trace)
        return answer

    def capture(self, operation_id: str, part: Part, trace: Trace) -> str:
        """``POST /operations/{id}/captures`` on an authorization; the new id.

        An answer says "accepted", no more: the verdict is in a later look-up. The same
        part with the same key may be sent again.
        """
        return self._afterwards(operation_id, "captures", part, trace)

    def refund(self, operation_id: str, part: Part, trace: Trace) -> str:
        """``POST /operations/{id}/refunds``, as ``capture``.

        On an implicit payment's or a capture's id it gives back; on an authorization's
        id, with the whole amount, it releases.
        """
        return self._afterwards(operation_id, "refunds", part, trace)

    def _afterwards(
        self, operation_id: str, what: str, part: Part, trace: Trace
    ) -> str:
        reply = self._transport.exchange(
            "POST",
            f"/operations/{quote(operation_id, safe='')}/{what}",
            body=lambda: payloads.part(part),
            idempotency_key=part.key,
            correlation_id=trace.correlation_id,
            deadline=trace.deadline,
        )
        new_id = results.accepted(reply.body)
        if not new_id:
            raise _lacking("operationId", reply, trace)
        return new_id

    # -- calls that only look ----------------------------------------------------------

    def order(self, order_id: str, trace: Trace) -> results.OrderResult:
        """``GET /orders/{orderId}``. ``Refused`` with status 404 = not seen (yet)."""
        reply = self._get(f"/orders/{quote(order_id, safe='')}", trace)
        answer = results.order(reply.body)
        if not answer.readable:
            raise _lacking("operations", reply, trace)
        if answer.order_id and answer.order_id != order_id:
            raise BadAnswer("orderId", **_ids(reply, trace))
        return answer

    def operation(self, operation_id: str, trace: Trace) -> results.OperationResult:
        """``GET /operations/{operationId}``: the operation itself, unwrapped."""
        reply = self._get(f"/operations/{quote(operation_id, safe='')}", trace)
        answer = results.operation(reply.body)
        if answer.operation_id and answer.operation_id != operation_id:
            raise BadAnswer("operationId", **_ids(reply, trace))
        return answer

    def orders(
        self, trace: Trace, *, since: datetime, until: datetime, most: int = 500
    ) -> tuple[results.OrderResult, ...]:
        """``GET /orders``: totals without operations, at most a month and 500 rows."""
        reply = self._get(
            "/orders",
            trace,
            fromTime=_zulu(since),
            toTime=_zulu(until),
            maxRecords=str(most),
        )
        listed = reply.body.get("orders") if isinstance(reply.body, dict) else None
        if not isinstance(listed, list):
            raise _lacking("orders", reply, trace)
        return tuple(results.order({"orderStatus": item}) for item in listed)

    def payment_methods(self, trace: Trace) -> tuple[str, ...]:
        """``GET /payment_methods``: the circuits of the terminal, e.g. ("VISA", "MC").

        The cheapest call that tells whether the key is accepted.
        """
        reply = self._get("/payment_methods", trace)
        methods = (
            reply.body.get("paymentMethods") if isinstance(reply.body, dict) else None
        )
        if not isinstance(methods, list):
            raise _lacking("paymentMethods", reply, trace)
        names = (m.get("circuit") for m in methods if isinstance(m, dict))
        return tuple(name for name in names if isinstance(name, str))

    def _get(self, path: str, trace: Trace, **query: str) -> Reply:
        return self._transport.exchange(
            "GET",
            path,
            query=query,
            correlation_id=trace.correlation_id,
            deadline=trace.deadline,
        )


def _ids(reply: Reply, trace: Trace) -> dict[str, Any]:
    return {
        "correlation_id": trace.correlation_id,
        "cid": reply.cid,
        "status": reply.status,
    }


def _lacking(member: str, reply: Reply, trace: Trace) -> UnknownOutcome:
    return UnknownOutcome(f"no {member}", **_ids(reply, trace))


def _matches(
    answer: results.OperationResult,
    purchase: Purchase,
    operation_id: str,
    reply: Reply,
    trace: Trace,
) -> None:
    """Raises ``BadAnswer`` when a member is there and is not ours."""
    for member, theirs, ours in (
        ("orderId", answer.order_id, purchase.order_id),
        ("operationId", answer.operation_id, operation_id),
        ("operationCurrency", answer.currency, purchase.currency),
    ):
        if theirs and ours and theirs != ours:
            raise BadAnswer(member, **_ids(reply, trace))
    different = answer.amount is not None and answer.amount != purchase.amount
    if different or "amount" in answer.unreadable:
        raise BadAnswer("operationAmount", **_ids(reply, trace))


def _complete(answer: results.OperationResult, reply: Reply, trace: Trace) -> None:
    """Raises ``UnknownOutcome`` when "charged" does not say what was charged."""
    for member, theirs in (
        ("orderId", answer.order_id),
        ("operationId", answer.operation_id),
        ("operationAmount", answer.amount),
        ("operationCurrency", answer.currency),
    ):
        if theirs is None or theirs == "":
            raise _lacking(member, reply, trace)


def _zulu(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.000Z")
