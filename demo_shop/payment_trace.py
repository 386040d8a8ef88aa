"""Data of the simulator panel about one payment. Read-only."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from demo_shop import state_diagram
from nexi_payments.models import Event, Operation, PaymentOrder
from nexi_payments.simulator import Call, Delivery, Simulator

#: Maximum number of calls shown, newest first.
_MAX_CALLS: Final = 30


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


def latest_payment(request: HttpRequest) -> PaymentOrder | None:
    """The newest payment of this visitor; for staff, the newest of all."""
    payments = PaymentOrder.objects.order_by("-pk")
    user = getattr(request, "user", None)
    if user is None or not user.is_staff:
        own = request.session.get("orders", [])
        payments = payments.filter(reference__in=own)
    return payments.first()


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
