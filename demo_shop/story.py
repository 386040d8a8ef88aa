"""What the panel next to the shop tells about one payment. It only reads."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from demo_shop import diagram
from nexi_payments.models import Event, Operation, PaymentOrder
from nexi_payments.simulator import Call, Simulator

#: Calls that are shown, the newest first.
_MOST: Final = 30


@dataclass(frozen=True)
class Heard:
    """One call of the gateway, as a person reads it."""

    call: Call
    result: str
    well: bool
    asked: str
    answer: str

    @property
    def ms(self) -> str:
        return f"{self.call.ms:.0f}"


@dataclass(frozen=True)
class Story:
    payment: PaymentOrder
    drawing: SafeString
    calls: tuple[Heard, ...]
    operations: tuple[Operation, ...]
    events: tuple[Event, ...]


def payment_of(request: HttpRequest) -> PaymentOrder | None:
    """The newest of this visitor; of all, for staff who looks on."""
    payments = PaymentOrder.objects.order_by("-pk")
    user = getattr(request, "user", None)
    if user is None or not user.is_staff:
        own = request.session.get("orders", [])
        payments = payments.filter(reference__in=own)
    return payments.first()


def tell(payment: PaymentOrder, simulator: Simulator) -> Story:
    operations = tuple(payment.operations.all())
    events = tuple(payment.events.all())
    way = [(e.from_state, e.to_state) for e in events if e.from_state != e.to_state]
    said = _("The states of a payment. It is now: %(state)s. The way it took: %(way)s")
    passed = [pair[0] for pair in way] + [payment.state]
    words = {"state": payment.state, "way": " → ".join(passed)}
    calls = [call for call in simulator.calls if _is_about(call, payment, operations)]
    return Story(
        payment,
        diagram.draw(payment.state, way, said % words),
        tuple(_heard(call) for call in calls[: -_MOST - 1 : -1]),
        operations,
        events,
    )


def _is_about(
    call: Call, payment: PaymentOrder, operations: tuple[Operation, ...]
) -> bool:
    own = {payment.order_id, payment.gateway_operation_id}
    own |= {operation.gateway_operation_id for operation in operations}
    named = {call.order_id, call.operation_id, *call.path.split("/")}
    return bool((own & (named | _ids_in(call.asked))) - {""})


def _ids_in(asked: Any) -> set[str]:
    if not isinstance(asked, dict):
        return set()
    order = asked.get("order")
    found = [asked.get("operationId")]
    found += [order.get("orderId")] if isinstance(order, dict) else []
    return {one for one in found if isinstance(one, str)}


def _heard(call: Call) -> Heard:
    results = {"cut": _("answer lost"), "refused": _("not reached")}
    return Heard(
        call,
        results.get(call.fault, str(call.status)),
        not call.fault and call.status < 300,
        _pretty(call.asked),
        _pretty(call.answer),
    )


def _pretty(body: Any) -> str:
    if isinstance(body, str):
        return body
    return json.dumps(body, indent=1, ensure_ascii=False)
