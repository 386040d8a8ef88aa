"""Cards on file: charges of a contract, and what else concerns contracts. Docs of Nexi:
docs/contracts.md."""

from __future__ import annotations

from urllib.parse import quote

from nexi_payments.card import Card
from nexi_payments.gateway import checking, codes, payloads, results
from nexi_payments.gateway.checking import Trace
from nexi_payments.gateway.payloads import Purchase
from nexi_payments.gateway.transport import Transport


class CardsOnFile:
    """A part of ``Client``."""

    _transport: Transport

    def charge_contract(
        self,
        purchase: Purchase,
        contract_id: str,
        capture_type: str,
        key: str,
        trace: Trace,
    ) -> results.OperationResult:
        """``POST /orders/mit``: charges the card of a contract, its owner not being
        there. Takes a key; we send once all the same (decision 27)."""
        reply = self._transport.exchange(
            "POST",
            "/orders/mit",
            order_id=purchase.order_id,
            body=lambda: payloads.mit(purchase, contract_id, capture_type),
            idempotency_key=key,
            correlation_id=trace.correlation_id,
            deadline=trace.deadline,
        )
        answer = results.payment(reply.body, reply.cid)
        checking.matches(answer, purchase, "", reply, trace)
        if answer.result in codes.CHARGED:
            checking.complete(answer, reply, trace)
        return answer

    def verify(
        self, purchase: Purchase, card: Card, trace: Trace
    ) -> results.OperationResult:
        """``POST /orders/card_verification``: is the account good? ``purchase.amount``
        is 0; no money moves, and nothing can be looked up later."""
        reply = self._transport.exchange(
            "POST",
            "/orders/card_verification",
            order_id=purchase.order_id,
            body=lambda: payloads.verification(purchase, card),
            correlation_id=trace.correlation_id,
            deadline=trace.deadline,
        )
        answer = results.payment(reply.body, reply.cid)
        checking.matches(answer, purchase, "", reply, trace)
        return answer

    def contracts(
        self, customer_id: str, trace: Trace
    ) -> tuple[results.ContractResult, ...]:
        """``GET /contracts/customers/{id}``. ``Refused`` with status 404 = nobody of
        that id has one."""
        reply = self._transport.exchange(
            "GET",
            f"/contracts/customers/{quote(customer_id, safe='')}",
            correlation_id=trace.correlation_id,
            deadline=trace.deadline,
        )
        found = results.contracts(reply.body)
        if found is None:
            raise checking.lacking("contracts", reply, trace)
        return found

    def deactivate(self, contract_id: str, trace: Trace) -> None:
        """``POST /contracts/{id}/deactivation``; a 200 without a body says "done"."""
        self._transport.exchange(
            "POST",
            f"/contracts/{quote(contract_id, safe='')}/deactivation",
            body=dict,
            bodiless=True,
            correlation_id=trace.correlation_id,
            deadline=trace.deadline,
        )
