"""Each gateway call is a span, and no tracer costs a payment."""

from __future__ import annotations

import logging
import sys
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from nexi_payments.enums import OperationKind, OrderState
from nexi_payments.gateway import instrumentation
from nexi_payments.models import Operation
from nexi_payments.simulator import Reply, Simulator
from tests.support.shopper import CARDS, Shopper, new_order

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.seen_on("sqlite", "postgresql"),
]


PAN = CARDS["challenge"].number


def test_each_gateway_call_is_a_span(
    shopper: Shopper, gateway: Simulator, spans: InMemorySpanExporter
) -> None:
    order = shopper.pay(new_order())
    found = spans.get_finished_spans()
    assert [one.name for one in found] == [
        "nexi POST /orders/3steps/init",
        "nexi POST /orders/3steps/validation",
        "nexi POST /orders/3steps/payment",
    ]
    charge = Operation.objects.get(kind=OperationKind.PAYMENT)
    facts = dict(found[-1].attributes or {})
    assert charge.cid
    assert facts == {
        "nexi.cid": charge.cid,
        "nexi.correlation_id": charge.correlation_id,
        "nexi.order_id": order.order_id,
        "nexi.outcome": "Reply",
        "http.request.method": "POST",
        "http.response.status_code": 200,
    }
    assert found[-1].kind is trace.SpanKind.CLIENT


def test_a_call_without_an_answer_is_an_error(
    shopper: Shopper, gateway: Simulator, spans: InMemorySpanExporter
) -> None:
    gateway.next_reply("/orders/3steps/init", Reply(0, fault="cut"))
    shopper.submit_card(new_order())
    found = spans.get_finished_spans()[0]
    assert found.status.status_code is trace.StatusCode.ERROR
    assert (found.attributes or {})["error.type"] == "UnknownOutcome"
    assert found.events == ()


def test_the_span_is_a_child_and_nothing_of_it_leaves(
    shopper: Shopper,
    gateway: Simulator,
    spans: InMemorySpanExporter,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sent: list[str] = []
    real = gateway.handle

    def spy(method: str, url: str, headers: Any, body: bytes) -> Any:
        sent.extend(name.lower() for name in headers)
        return real(method, url, headers, body)

    monkeypatch.setattr(gateway, "handle", spy)
    with trace.get_tracer("host").start_as_current_span("checkout") as host:
        shopper.start(new_order())
    found = spans.get_finished_spans()[0]
    assert found.parent is not None
    assert found.parent.span_id == host.get_span_context().span_id
    assert "correlation-id" in sent
    assert not {"traceparent", "tracestate", "baggage", "x-request-id"} & set(sent)


@pytest.mark.parametrize("where", ["start", "end"])
def test_a_broken_tracer_costs_no_payment(
    shopper: Shopper, monkeypatch: pytest.MonkeyPatch, lines: Any, where: str
) -> None:
    class Broken:
        def start_span(self, *args: Any, **kwargs: Any) -> Any:
            if where == "start":
                raise RuntimeError(PAN)
            return self

        def set_attribute(self, *args: Any) -> None:
            raise RuntimeError(PAN)

    monkeypatch.setattr(trace, "get_tracer", lambda name: Broken())
    assert shopper.pay(new_order()).state == OrderState.PAID
    told = {
        one.getMessage()
        for one in lines("nexi_payments.gateway")
        if one.levelno == logging.WARNING
    }
    words = {"start": "span not started", "end": "span not ended"}[where]
    assert told == {f"{words}: RuntimeError"}


def test_without_opentelemetry_nothing_happens(
    shopper: Shopper, monkeypatch: pytest.MonkeyPatch
) -> None:
    instrumentation._otel_trace.cache_clear()
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    try:
        assert shopper.pay(new_order()).state == OrderState.PAID
        assert instrumentation._otel_trace() is None
    finally:
        instrumentation._otel_trace.cache_clear()
