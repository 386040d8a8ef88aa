"""Gateway client: one method for each endpoint.

Each method returns a response about our own payment, or raises one ``GatewayError``.
A decline is a response; it does not raise.

A response that names another order, operation, amount or currency raises
``MismatchedResponse``. A response that says "charged" without naming them raises
``UnknownOutcome``; a status inquiry then decides."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import quote

from requests.adapters import BaseAdapter

from nexi_payments.card import Card
from nexi_payments.exceptions import MismatchedResponse
from nexi_payments.gateway import payloads, response_checks, responses, result_codes
from nexi_payments.gateway.hosted_calls import HostedCalls
from nexi_payments.gateway.payloads import Authentication, OperationAmount, Purchase
from nexi_payments.gateway.payment_methods import PaymentMethod
from nexi_payments.gateway.response_checks import CallContext
from nexi_payments.gateway.transport import Reply, Transport

__all__ = ["CallContext", "Client"]


class Client(HostedCalls):
    """NPG payments: cards Server to Server, other methods on Nexi's hosted page.

    ``base_url`` is everything before ``/orders``. ``flow`` is "3steps" or "2steps".
    Timeouts are in seconds. ``adapter`` replaces the network (simulator, tests).
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
        self, flow: str, purchase: Purchase, card: Card, context: CallContext
    ) -> responses.InitResult:
        """``POST /orders/{flow}/init``: start 3-D Secure. No money moves.

        A response without an operation id raises ``UnknownOutcome``.
        """
        reply = self._transport.exchange(
            "POST",
            f"/orders/{flow}/init",
            order_id=purchase.order_id,
            body=lambda: payloads.init(purchase, card),
            correlation_id=context.correlation_id,
            deadline=context.deadline,
        )
        answer = responses.parse_init(reply.body, reply.cid)
        response_checks.require_match(answer.operation, purchase, "", reply, context)
        if not answer.operation.operation_id:
            raise response_checks.missing_member("operationId", reply, context)
        return answer

    def validate(
        self, purchase: Purchase, operation_id: str, pares: str, context: CallContext
    ) -> responses.ValidationResult:
        """``POST /orders/3steps/validation``: check the 3-D Secure authentication."""
        reply = self._transport.exchange(
            "POST",
            "/orders/3steps/validation",
            order_id=purchase.order_id,
            body=lambda: payloads.validation(operation_id, pares),
            correlation_id=context.correlation_id,
            deadline=context.deadline,
        )
        answer = responses.parse_validation(reply.body, reply.cid)
        response_checks.require_match(
            answer.operation, purchase, operation_id, reply, context
        )
        if not answer.operation.operation_id or not answer.operation.result:
            raise response_checks.missing_member("operationId", reply, context)
        return answer

    def pay(
        self,
        flow: str,
        purchase: Purchase,
        card: Card,
        operation_id: str,
        authentication: Authentication,
        capture_type: str,
        context: CallContext,
    ) -> responses.OperationResult:
        """``POST /orders/{flow}/payment``: charge. Never send it twice for an order."""
        reply = self._transport.exchange(
            "POST",
            f"/orders/{flow}/payment",
            order_id=purchase.order_id,
            body=lambda: payloads.payment(
                operation_id, purchase, card, authentication, capture_type
            ),
            correlation_id=context.correlation_id,
            deadline=context.deadline,
        )
        answer = responses.parse_payment(reply.body, reply.cid)
        response_checks.require_match(answer, purchase, operation_id, reply, context)
        if answer.result in result_codes.CHARGED:
            response_checks.require_complete(answer, reply, context)
        return answer

    def moto(
        self, purchase: Purchase, card: Card, capture_type: str, context: CallContext
    ) -> responses.OperationResult:
        """``POST /orders/moto``: charge in one call. Never send it twice for one order.

        Nexi requires ``purchase.cardholder`` here.
        """
        reply = self._transport.exchange(
            "POST",
            "/orders/moto",
            order_id=purchase.order_id,
            body=lambda: payloads.moto(purchase, card, capture_type),
            correlation_id=context.correlation_id,
            deadline=context.deadline,
        )
        answer = responses.parse_payment(reply.body, reply.cid)
        response_checks.require_match(answer, purchase, "", reply, context)
        if answer.result in result_codes.CHARGED:
            response_checks.require_complete(answer, reply, context)
        return answer

    def capture(
        self, operation_id: str, amount: OperationAmount, context: CallContext
    ) -> str:
        """``POST /operations/{id}/captures`` on an authorization. Returns the new id.

        The response says "accepted" only; a later status inquiry shows the result.
        Idempotent for the same amount with the same key.
        """
        return self._submit_operation(operation_id, "captures", amount, context)

    def refund(
        self, operation_id: str, amount: OperationAmount, context: CallContext
    ) -> str:
        """``POST /operations/{id}/refunds``. Response and idempotence as ``capture``.

        On the id of an implicit payment or of a capture it refunds. On the id of an
        authorization, with the whole amount, it voids.
        """
        return self._submit_operation(operation_id, "refunds", amount, context)

    def cancel(
        self, operation_id: str, idempotency_key: str, context: CallContext
    ) -> str:
        """``POST /operations/{id}/cancels`` on a capture, on the day it was made.

        Returns the new id. Nexi rejects it without a key (PS0074). Nexi does not
        publish whether the key prevents a second execution, so never send it twice: a
        status inquiry shows whether it was done.
        """
        reply = self._transport.exchange(
            "POST",
            f"/operations/{quote(operation_id, safe='')}/cancels",
            body=dict,
            idempotency_key=idempotency_key,
            correlation_id=context.correlation_id,
            deadline=context.deadline,
        )
        new_id = responses.parse_accepted(reply.body)
        if not new_id:
            raise response_checks.missing_member("operationId", reply, context)
        return new_id

    def _submit_operation(
        self,
        operation_id: str,
        action: str,
        amount: OperationAmount,
        context: CallContext,
    ) -> str:
        reply = self._transport.exchange(
            "POST",
            f"/operations/{quote(operation_id, safe='')}/{action}",
            body=lambda: payloads.operation_amount(amount),
            idempotency_key=amount.idempotency_key,
            correlation_id=context.correlation_id,
            deadline=context.deadline,
        )
        new_id = responses.parse_accepted(reply.body)
        if not new_id:
            raise response_checks.missing_member("operationId", reply, context)
        return new_id

    # -- contracts ---------------------------------------------------------------------

    def charge_contract(
        self,
        purchase: Purchase,
        contract_id: str,
        capture_type: str,
        idempotency_key: str,
        context: CallContext,
    ) -> responses.OperationResult:
        """``POST /orders/mit``: charge a contract, a merchant-initiated transaction.

        Nexi takes an idempotency key; we still send it once (docs/decisions/0027)."""
        reply = self._transport.exchange(
            "POST",
            "/orders/mit",
            order_id=purchase.order_id,
            body=lambda: payloads.mit(purchase, contract_id, capture_type),
            idempotency_key=idempotency_key,
            correlation_id=context.correlation_id,
            deadline=context.deadline,
        )
        answer = responses.parse_payment(reply.body, reply.cid)
        response_checks.require_match(answer, purchase, "", reply, context)
        if answer.result in result_codes.CHARGED:
            response_checks.require_complete(answer, reply, context)
        return answer

    def verify(
        self, purchase: Purchase, card: Card, context: CallContext
    ) -> responses.OperationResult:
        """``POST /orders/card_verification``: zero-amount card verification.

        ``purchase.amount`` is 0. No money moves. No later inquiry finds it."""
        reply = self._transport.exchange(
            "POST",
            "/orders/card_verification",
            order_id=purchase.order_id,
            body=lambda: payloads.verification(purchase, card),
            correlation_id=context.correlation_id,
            deadline=context.deadline,
        )
        answer = responses.parse_payment(reply.body, reply.cid)
        response_checks.require_match(answer, purchase, "", reply, context)
        return answer

    def contracts(
        self, customer_id: str, context: CallContext
    ) -> tuple[responses.ContractResult, ...]:
        """``GET /contracts/customers/{id}``.

        Raises ``Rejected`` with status 404 when this customer has no contract."""
        reply = self._transport.exchange(
            "GET",
            f"/contracts/customers/{quote(customer_id, safe='')}",
            correlation_id=context.correlation_id,
            deadline=context.deadline,
        )
        found = responses.parse_contracts(reply.body)
        if found is None:
            raise response_checks.missing_member("contracts", reply, context)
        return found

    def deactivate(self, contract_id: str, context: CallContext) -> None:
        """``POST /contracts/{id}/deactivation``. A 200 without a body means done."""
        self._transport.exchange(
            "POST",
            f"/contracts/{quote(contract_id, safe='')}/deactivation",
            body=dict,
            ignore_body=True,
            correlation_id=context.correlation_id,
            deadline=context.deadline,
        )

    # -- read-only calls ---------------------------------------------------------------

    def order(self, order_id: str, context: CallContext) -> responses.OrderResult:
        """``GET /orders/{orderId}``. ``Rejected`` with status 404: not known (yet)."""
        path = f"/orders/{quote(order_id, safe='')}"
        reply = self._get(path, context, order_id)
        answer = responses.parse_order(reply.body)
        if not answer.readable:
            raise response_checks.missing_member("operations", reply, context)
        if answer.order_id and answer.order_id != order_id:
            raise MismatchedResponse(
                "orderId", **response_checks.error_ids(reply, context)
            )
        return answer

    def operation(
        self, operation_id: str, context: CallContext
    ) -> responses.OperationResult:
        """``GET /operations/{operationId}``: the operation, without a wrapper."""
        reply = self._get(f"/operations/{quote(operation_id, safe='')}", context)
        answer = responses.parse_operation(reply.body)
        if answer.operation_id and answer.operation_id != operation_id:
            raise MismatchedResponse(
                "operationId", **response_checks.error_ids(reply, context)
            )
        return answer

    def orders(
        self,
        context: CallContext,
        *,
        since: datetime,
        until: datetime,
        limit: int = 500,
    ) -> tuple[responses.OrderResult, ...]:
        """``GET /orders``: totals without operations. At most one month, 500 rows."""
        reply = self._get(
            "/orders",
            context,
            fromTime=_utc_timestamp(since),
            toTime=_utc_timestamp(until),
            maxRecords=str(limit),
        )
        listed = reply.body.get("orders") if isinstance(reply.body, dict) else None
        if not isinstance(listed, list):
            raise response_checks.missing_member("orders", reply, context)
        return tuple(responses.parse_order({"orderStatus": item}) for item in listed)

    def operations(
        self,
        context: CallContext,
        *,
        since: datetime,
        until: datetime,
        limit: int = 500,
    ) -> tuple[responses.OperationResult, ...]:
        """``GET /operations``: operations of all orders. At most one month, 500 rows.

        ``limit`` is at most 500. That ``since`` and ``until`` are compared with
        ``operationTime``, both inclusive, is our interpretation. Raises
        ``UnknownOutcome`` if an entry is no object: such a list is not complete.
        """
        reply = self._get(
            "/operations",
            context,
            fromTime=_utc_timestamp(since),
            toTime=_utc_timestamp(until),
            maxRecords=str(limit),
        )
        listed = responses.parse_operations(reply.body)
        if listed is None:
            raise response_checks.missing_member("operations", reply, context)
        return listed

    def payment_methods(self, context: CallContext) -> tuple[PaymentMethod, ...]:
        """``GET /payment_methods``: what this terminal takes now, in Nexi's order.

        The cheapest call that shows whether Nexi accepts the API key.
        """
        return self.ping(context).payment_methods

    def ping(self, context: CallContext) -> responses.Ping:
        """``GET /payment_methods``: the methods, and the gateway's clock."""
        reply = self._get("/payment_methods", context)
        answer = responses.parse_ping(reply.body, reply.date)
        if answer is None:
            raise response_checks.missing_member("paymentMethods", reply, context)
        return answer

    def _get(
        self, path: str, context: CallContext, order_id: str = "", **query: str
    ) -> Reply:
        return self._transport.exchange(
            "GET",
            path,
            query=query,
            order_id=order_id,
            correlation_id=context.correlation_id,
            deadline=context.deadline,
        )


def _utc_timestamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
