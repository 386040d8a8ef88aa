"""Data of the simulator panel about one payment and one saved card. Read-only."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.conf import settings
from django.db.models import Q
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from demo_shop import state_diagram
from nexi_payments.enums import ContractState
from nexi_payments.models import Contract, Event, Operation, PaymentOrder
from nexi_payments.simulator import Call, Delivery, Simulator

#: Maximum number of calls shown, newest first.
_MAX_CALLS: Final = 30
#: Contracts whose first payment was not made are not shown.
_SHOWN_CONTRACTS: Final = (
    ContractState.ACTIVE,
    ContractState.SUSPENDED,
    ContractState.ENDING,
    ContractState.ENDED,
)


@dataclass(frozen=True)
class TracedCall:
    """One gateway call, formatted for display."""

    call: Call
    result: str
    succeeded: bool
    request: str
    response: str

    @property
    def ms(self) -> str:
        return f"{self.call.duration_ms:.0f}"


@dataclass(frozen=True)
class PaymentTrace:
    """State diagram, gateway calls, notifications and ledger of one payment."""

    payment: PaymentOrder
    diagram: SafeString
    calls: tuple[TracedCall, ...]
    notifications: tuple[Delivery, ...]
    operations: tuple[Operation, ...]
    events: tuple[Event, ...]


@dataclass(frozen=True)
class ContractTrace:
    """A saved card, and its payments, newest first."""

    contract: Contract
    payments: tuple[PaymentOrder, ...]


def latest_payment(request: HttpRequest) -> PaymentOrder | None:
    """The newest payment of this visitor; for staff, the newest of all.

    A member's recurring payments are theirs, too, though no visit makes them."""
    payments = PaymentOrder.objects.order_by("-pk")
    user = getattr(request, "user", None)
    if user is None or not user.is_staff:
        own = Q(reference__in=request.session.get("orders", []))
        if user is not None and user.is_authenticated:
            own |= Q(user=user.pk)
        payments = payments.filter(own)
    return payments.first()


def latest_contract(request: HttpRequest) -> Contract | None:
    """The newest saved card of this visitor, active ones first; for staff, of all."""
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return None
    contracts = Contract.objects.filter(state__in=_SHOWN_CONTRACTS).order_by("-pk")
    if not user.is_staff:
        contracts = contracts.filter(user=user.pk)
    return contracts.filter(state=ContractState.ACTIVE).first() or contracts.first()


def trace_contract(contract: Contract) -> ContractTrace:
    return ContractTrace(contract, tuple(contract.payments.order_by("-pk")[:6]))


def limited_until(payment: PaymentOrder) -> datetime | None:
    """When this order takes a card again, if too many were declined; else ``None``.

    Only the limit by reference: the demo lifts the others, as all who try it may have
    one address."""
    limits = settings.NEXI_PAYMENTS.get("RATE_LIMITS")
    if not isinstance(limits, dict) or not payment.reference or payment.is_successful:
        return None
    most, seconds = limits["reference"]
    window = timedelta(seconds=seconds)
    attempts = PaymentOrder.objects.filter(
        reference=payment.reference, attempted_at__gte=timezone.now() - window
    ).order_by("-attempted_at")
    times = attempts.values_list("attempted_at", flat=True)[:most]
    return times[most - 1] + window if len(times) == most else None


def trace_payment(payment: PaymentOrder, simulator: Simulator) -> PaymentTrace:
    operations = tuple(payment.operations.all())
    events = tuple(payment.events.all())
    path = [(e.from_state, e.to_state) for e in events if e.from_state != e.to_state]
    text = _("The states of a payment. It is now: %(state)s. The way it took: %(way)s")
    passed = [pair[0] for pair in path] + [payment.state]
    values = {"state": payment.state, "way": " → ".join(passed)}
    calls = [call for call in simulator.calls if _is_about(call, payment, operations)]
    return PaymentTrace(
        payment,
        state_diagram.draw(payment.state, path, text % values),
        tuple(_traced_call(call) for call in calls[: -_MAX_CALLS - 1 : -1]),
        tuple(
            one
            for one in reversed(simulator.hosted.deliveries)
            if one.order_id == payment.order_id
        ),
        operations,
        events,
    )


def _is_about(
    call: Call, payment: PaymentOrder, operations: tuple[Operation, ...]
) -> bool:
    ids = {payment.order_id, payment.gateway_operation_id}
    ids |= {operation.gateway_operation_id for operation in operations}
    named = {call.order_id, call.operation_id, *call.path.split("/")}
    return bool((ids & (named | _ids_in(call.request_body))) - {""})


def _ids_in(asked: Any) -> set[str]:
    if not isinstance(asked, dict):
        return set()
    order = asked.get("order")
    found = [asked.get("operationId")]
    found += [order.get("orderId")] if isinstance(order, dict) else []
    return {one for one in found if isinstance(one, str)}


def _traced_call(call: Call) -> TracedCall:
    results = {"cut": _("answer lost"), "refused": _("not reached")}
    return TracedCall(
        call,
        results.get(call.fault, str(call.status)),
        not call.fault and call.status < 300,
        _pretty(call.request_body),
        _pretty(call.response_body),
    )


def _pretty(body: Any) -> str:
    if isinstance(body, str):
        return body
    return json.dumps(body, indent=1, ensure_ascii=False)
