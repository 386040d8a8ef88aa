"""One method an endpoint. Each returns an answer that is about *our* payment, or raises
exactly one kind of ``GatewayError``; a decline is an answer.

An answer that names another order, operation, amount or currency is ``BadAnswer``. An
answer that says "charged" without naming them is ``UnknownOutcome``: a look-up decides.
"""

from __future__ import annotations

from datetime import datetime
from urllib.parse import quote

from requests.adapters import BaseAdapter

from nexi_payments.card import Card
from nexi_payments.exceptions import BadAnswer
from nexi_payments.gateway import checking, codes, payloads, results
from nexi_payments.gateway.checking import Trace
from nexi_payments.gateway.onfile import CardsOnFile
from nexi_payments.gateway.payloads import Authentication, Part, Purchase
from nexi_payments.gateway.transport import Reply, Transport

__all__ = ["Client", "Trace"]


class Client(CardsOnFile):
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
            order_id=purchase.order_id,
            body=lambda: payloads.init(purchase, card),
            correlation_id=trace.correlation_id,
            deadline=trace.deadline,
        )
        answer = results.init(reply.body, reply.cid)
        checking.matches(answer.operation, purchase, "", reply, trace)
        if not answer.operation.operation_id:
            raise checking.lacking("operationId", reply, trace)
        return answer

    def validate(
        self, purchase: Purchase, operation_id: str, pares: str, trace: Trace
    ) -> results.ValidationResult:
        """``POST /orders/3steps/validation``: was the cardholder authenticated?"""
        reply = self._transport.exchange(
            "POST",
            "/orders/3steps/validation",
            order_id=purchase.order_id,
            body=lambda: payloads.validation(operation_id, pares),
            correlation_id=trace.correlation_id,
            deadline=trace.deadline,
        )
        answer = results.validation(reply.body, reply.cid)
        checking.matches(answer.operation, purchase, operation_id, reply, trace)
        if not answer.operation.operation_id or not answer.operation.result:
            raise checking.lacking("operationId", reply, trace)
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
            order_id=purchase.order_id,
            body=lambda: payloads.payment(
                operation_id, purchase, card, authentication, capture_type
            ),
            correlation_id=trace.correlation_id,
            deadline=trace.deadline,
        )
        answer = results.payment(reply.body, reply.cid)
        checking.matches(answer, purchase, operation_id, reply, trace)
        if answer.result in codes.CHARGED:
            checking.complete(answer, reply, trace)
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
            order_id=purchase.order_id,
            body=lambda: payloads.moto(purchase, card, capture_type),
            correlation_id=trace.correlation_id,
            deadline=trace.deadline,
        )
        answer = results.payment(reply.body, reply.cid)
        checking.matches(answer, purchase, "", reply, trace)
        if answer.result in codes.CHARGED:
            checking.complete(answer, reply, trace)
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

    def cancel(self, operation_id: str, trace: Trace) -> str:
        """``POST /operations/{id}/cancels`` on a capture, the day it was made; the new
        id. There is no key: never sent twice, a look-up tells whether it was done.
        """
        reply = self._transport.exchange(
            "POST",
            f"/operations/{quote(operation_id, safe='')}/cancels",
            body=dict,
            correlation_id=trace.correlation_id,
            deadline=trace.deadline,
        )
        new_id = results.accepted(reply.body)
        if not new_id:
            raise checking.lacking("operationId", reply, trace)
        return new_id

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
            raise checking.lacking("operationId", reply, trace)
        return new_id

    # -- calls that only look ----------------------------------------------------------

    def order(self, order_id: str, trace: Trace) -> results.OrderResult:
        """``GET /orders/{orderId}``. ``Refused`` with status 404 = not seen (yet)."""
        path = f"/orders/{quote(order_id, safe='')}"
        reply = self._get(path, trace, order_id)
        answer = results.order(reply.body)
        if not answer.readable:
            raise checking.lacking("operations", reply, trace)
        if answer.order_id and answer.order_id != order_id:
            raise BadAnswer("orderId", **checking.ids(reply, trace))
        return answer

    def operation(self, operation_id: str, trace: Trace) -> results.OperationResult:
        """``GET /operations/{operationId}``: the operation itself, unwrapped."""
        reply = self._get(f"/operations/{quote(operation_id, safe='')}", trace)
        answer = results.operation(reply.body)
        if answer.operation_id and answer.operation_id != operation_id:
            raise BadAnswer("operationId", **checking.ids(reply, trace))
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
            raise checking.lacking("orders", reply, trace)
        return tuple(results.order({"orderStatus": item}) for item in listed)

    def payment_methods(self, trace: Trace) -> tuple[str, ...]:
        """``GET /payment_methods``: the circuits of the terminal, e.g. ("VISA", "MC").

        The cheapest call that tells whether the key is accepted.
        """
        return self.greet(trace).methods

    def greet(self, trace: Trace) -> results.Greeting:
        """``payment_methods``, and the gateway's clock."""
        reply = self._get("/payment_methods", trace)
        answer = results.greeting(reply.body, reply.date)
        if answer is None:
            raise checking.lacking("paymentMethods", reply, trace)
        return answer

    def _get(self, path: str, trace: Trace, order_id: str = "", **query: str) -> Reply:
        return self._transport.exchange(
            "GET",
            path,
            query=query,
            order_id=order_id,
            correlation_id=trace.correlation_id,
            deadline=trace.deadline,
        )


def _zulu(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.000Z")
