"""What the app tells of itself: log lines, request ids, metrics, spans. And never a
card in any of them."""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError, connections, transaction
from django.test import RequestFactory
from django.utils import timezone
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import CollectorRegistry

from nexi_payments import flows, metrics, states, telemetry
from nexi_payments.flows import breaks, moves
from nexi_payments.gateway import observing
from nexi_payments.models import LastPass, Operation, PaymentOrder, database
from nexi_payments.pages import request_id_of
from nexi_payments.simulator import TEST_CARDS, Reply, Simulator
from nexi_payments.testing import Leaks
from tests.clerk import PERMISSIONS, Clerk, opened, order_page
from tests.doubt import in_doubt
from tests.shopper import CARDS, Shopper, form_on, new_order
from tests.test_canary import AMEX

pytestmark = pytest.mark.django_db(transaction=True)

ROOT = Path(__file__).resolve().parent.parent
PAN = CARDS["challenge"].number


# -- log lines -------------------------------------------------------------------------


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Any:
    caplog.set_level(logging.INFO, "nexi_payments")

    def of(logger: str = "nexi_payments.ledger") -> list[Any]:
        return [one for one in caplog.records if one.name == logger]

    return of


def test_a_line_for_each_transition(shopper: Shopper, lines: Any) -> None:
    order = shopper.pay(new_order(reference="A 17", description="two mugs"))
    found = lines()
    assert [(one.from_state, one.to_state) for one in found] == [
        ("init", "awaiting_3ds"),
        ("awaiting_3ds", "validated"),
        ("validated", "paying"),
        ("paying", "paid"),
    ]
    paid = found[-1]
    charge = Operation.objects.get(kind=states.PAYMENT)
    assert paid.getMessage() == f"order {order.order_id}: paying → paid paid"
    facts = {
        name: getattr(paid, name)
        for name in (
            *("order_id", "public_id", "channel", "terminal", "kind", "reason"),
            *("operation_kind", "outcome", "correlation_id", "cid", "request_id"),
        )
    }
    assert facts == {
        "order_id": order.order_id,
        "public_id": order.public_id,
        "channel": "shop",
        "terminal": "default",
        "kind": "paid",
        "reason": "",
        "operation_kind": "payment",
        "outcome": "done",
        "correlation_id": charge.correlation_id,
        "cid": charge.cid,
        "request_id": "",
    }
    told = " ".join(str(vars(one)) for one in found)
    for personal in ("A 17", "two mugs", "Giulia", "127.0.0.1"):
        assert personal not in told


def test_no_line_about_what_was_rolled_back(order: PaymentOrder, lines: Any) -> None:
    facts: list[telemetry.Fact] = []
    telemetry.listen(facts.append)
    try:
        with transaction.atomic():
            assert moves.move(order, states.FAILED, reason="expired")
            transaction.set_rollback(True)
        assert (lines(), facts) == ([], [])
        order.refresh_from_db()
        with transaction.atomic():
            assert moves.move(order, states.FAILED, reason="expired")
            assert (lines(), facts) == ([], [])
        assert [one.reason for one in lines()] == ["expired"]
        assert facts == [telemetry.Transition("init", "failed", "shop", "default")]
    finally:
        telemetry.forget(facts.append)


def test_a_gateway_call_names_its_endpoint_and_order(
    gateway: Simulator, shopper: Shopper, lines: Any
) -> None:
    order = shopper.pay(new_order())
    found = lines("nexi_payments.gateway")
    assert [(one.endpoint, one.outcome, one.http_status) for one in found] == [
        ("POST /orders/3steps/init", "Reply", 200),
        ("POST /orders/3steps/validation", "Reply", 200),
        ("POST /orders/3steps/payment", "Reply", 200),
    ]
    assert {one.order_id for one in found} == {order.order_id}
    flows.refund(order)
    refund, look = lines("nexi_payments.gateway")[3:5]
    assert refund.endpoint == "POST /operations/{id}/refunds"
    assert (look.endpoint, look.order_id) == ("GET /orders/{id}", order.order_id)


def test_templates_hold_no_ids() -> None:
    assert observing.template("/orders") == "/orders"
    assert observing.template("/orders/init5") == "/orders/{id}"
    assert observing.template(f"/x/{PAN}") == "/{id}/{id}"


# -- the host's request id -------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("7f3a-43:b/x+y=1._", "7f3a-43:b/x+y=1._"),
        ("x" * 64, "x" * 64),
        ("x" * 65, ""),
        ("two words", ""),
        ("line\nbreak", ""),
        ("é", ""),
        (PAN, ""),
        (f"id-{PAN}", ""),
        ("-".join(PAN[i : i + 4] for i in range(0, 16, 4)), ""),
        ("", ""),
    ],
)
def test_a_request_id_from_the_header(header: str, found: str) -> None:
    request = RequestFactory().get("/", HTTP_X_REQUEST_ID=header)
    assert request_id_of(request) == found


@pytest.mark.parametrize("name", ["request_id", "correlation_id", "id"])
def test_a_request_id_from_a_middleware(name: str) -> None:
    request = RequestFactory().get("/", HTTP_X_REQUEST_ID="of-the-proxy")
    setattr(request, name, "of-the-host")
    assert request_id_of(request) == "of-the-host"
    setattr(request, name, None)
    assert request_id_of(request) == "of-the-proxy"


def test_the_request_id_goes_along(
    gateway: Simulator, shopper: Shopper, lines: Any
) -> None:
    shopper.browser.defaults["HTTP_X_REQUEST_ID"] = "req-1"
    order = new_order()
    form = shopper.start(order)
    shopper.browser.defaults["HTTP_X_REQUEST_ID"] = "req-2"
    shopper.browser.post(form.path, shopper.answer(form))
    order.refresh_from_db()
    assert order.state == states.PAID
    ids = list(Operation.objects.values_list("kind", "request_id"))
    assert ids == [
        ("authentication", "req-1"),
        ("validation", "req-2"),
        ("payment", "req-2"),
    ]
    assert lines()[0].request_id == "req-1"
    assert lines()[-1].request_id == "req-2"
    assert "req-2" not in str(gateway.record(order.order_id))


def test_staff_see_it_beside_the_other_ids(gateway: Simulator) -> None:
    clerk = Clerk(*PERMISSIONS, headers={"X-Request-ID": "desk-7"})
    order = opened(clerk.open())
    card = CARDS["frictionless"]
    clerk.card(
        order, card_number=card.number, expiry=card.expiry, security_code=card.cvv
    )
    operation = Operation.objects.get()
    assert (operation.kind, operation.request_id) == ("moto", "desk-7")
    page = clerk.read(order_page(order))
    assert "request id <code>desk-7</code>" in page
    assert f"correlation id <code>{operation.correlation_id}</code>" in page


# -- the reconciler's signature --------------------------------------------------------


def test_a_whole_pass_is_signed_and_one_order_is_not(
    gateway: Simulator, order: PaymentOrder
) -> None:
    flows.reconcile(order)
    assert not LastPass.objects.exists()
    before = timezone.now()
    flows.reconcile()
    flows.reconcile()
    last = LastPass.objects.get()
    assert last.name == "reconcile"
    assert last.host
    assert before < last.ended_at <= timezone.now()


def test_first_passes_at_the_same_moment(
    gateway: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each sees no row, each writes one: one of them stays."""
    pass_ = sys.modules["nexi_payments.flows.reconcile"]  # the function hides it
    both = threading.Barrier(2)

    class AtOnce:
        @staticmethod
        def atomic() -> Any:
            both.wait(5)
            return database.atomic()

    monkeypatch.setattr(pass_, "database", AtOnce)
    raised: list[Exception] = []

    def run() -> None:
        try:
            pass_._sign()  # type: ignore[attr-defined]
        except Exception as error:
            raised.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert raised == []
    assert LastPass.objects.count() == 1


# -- metrics ---------------------------------------------------------------------------


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[CollectorRegistry]:
    monkeypatch.delenv("PROMETHEUS_MULTIPROC_DIR", raising=False)
    monkeypatch.setattr(metrics, "_started", {})
    fresh = CollectorRegistry()
    metrics.start(fresh)
    metrics.start(fresh)  # twice is once
    yield fresh
    telemetry.forget(metrics._started["counters"].count)


def scraped(registry: CollectorRegistry) -> dict[str, float]:
    body, kind = metrics.exposition(registry)
    assert kind.startswith("text/plain")
    rows = (row.rpartition(" ") for row in body.decode().splitlines())
    return {name: float(value) for name, _, value in rows if name[:1] != "#"}


def test_transitions_and_calls_are_counted(
    registry: CollectorRegistry, shopper: Shopper, gateway: Simulator
) -> None:
    shopper.pay(new_order())
    gateway.next_reply("/orders/3steps/init", Reply(400))
    shopper.enter(new_order())
    found = scraped(registry)
    name = "nexi_payments_transitions_total"
    labels = 'channel="shop",from_state="paying",terminal="default",to_state="paid"'
    assert found[f"{name}{{{labels}}}"] == 1
    calls = 'nexi_payments_gateway_calls_total{endpoint="POST /orders/3steps/init"'
    assert found[f'{calls},outcome="Reply"}}'] == 1
    assert found[f'{calls},outcome="Refused"}}'] == 1
    count = "nexi_payments_gateway_seconds_count"
    assert found[f'{count}{{endpoint="POST /orders/3steps/init"}}'] == 2


def test_what_waits_is_looked_up_at_each_scrape(
    registry: CollectorRegistry, shopper: Shopper
) -> None:
    before = scraped(registry)
    assert before["nexi_payments_orders_in_doubt"] == 0
    assert before["nexi_payments_reconcile_age_seconds"] == float("inf")
    order = in_doubt(shopper)
    breaks.record(order, "mismatch", "1250", "1251")
    LastPass.objects.create(name="reconcile", ended_at=timezone.now())
    found = scraped(registry)
    assert found["nexi_payments_orders_in_doubt"] == 1
    assert found["nexi_payments_orders_under_review"] == 0
    assert found["nexi_payments_breaks"] == 1
    assert found["nexi_payments_undelivered_events"] == 0
    assert 0 <= found["nexi_payments_reconcile_age_seconds"] < 60
    assert found["nexi_payments_database_up"] == 1


def test_counters_are_shown_without_a_database(
    registry: CollectorRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away() -> Any:
        raise OperationalError("gone")

    monkeypatch.setattr(metrics, "_gauges", away)
    telemetry.tell(telemetry.Exchange("GET /orders", "Unsent", 0.1))
    found = scraped(registry)
    assert found["nexi_payments_database_up"] == 0
    assert "nexi_payments_breaks" not in found
    unsent = 'endpoint="GET /orders",outcome="Unsent"'
    assert found[f"nexi_payments_gateway_calls_total{{{unsent}}}"] == 1


def test_many_processes_are_added_up(tmp_path: Path) -> None:
    """prometheus-client decides at its import, so in processes of their own."""
    program = (
        "import sys, django; django.setup()\n"
        "from nexi_payments import metrics, telemetry\n"
        "metrics.start()\n"
        "metrics.Waiting.collect = lambda self: ()\n"
        "telemetry.tell(telemetry.Transition('paying', 'paid', 'shop', 'default'))\n"
        "sys.stdout.write(metrics.exposition()[0].decode())\n"
    )
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "PROMETHEUS_MULTIPROC_DIR": str(tmp_path),
    }
    for count in (1, 2):
        done = subprocess.run(
            [sys.executable, "-c", program],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        row = re.search(r"^nexi_payments_transitions_total\{.*\} (.*)$", done.stdout, 8)
        assert row is not None
        assert float(row[1]) == count


def test_a_listener_that_raises_costs_nothing(shopper: Shopper, lines: Any) -> None:
    def broken(fact: telemetry.Fact) -> None:
        raise ValueError(PAN)

    telemetry.listen(broken)
    try:
        assert shopper.pay(new_order()).state == states.PAID
    finally:
        telemetry.forget(broken)
        telemetry.forget(broken)
    told = {one.getMessage() for one in lines("nexi_payments.telemetry")}
    assert told == {"a listener raised ValueError"}


# -- spans -----------------------------------------------------------------------------


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer", provider.get_tracer)
    yield exporter
    provider.shutdown()


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
    charge = Operation.objects.get(kind=states.PAYMENT)
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
    shopper.enter(new_order())
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
    assert shopper.pay(new_order()).state == states.PAID
    told = {
        one.getMessage()
        for one in lines("nexi_payments.gateway")
        if one.levelno == logging.WARNING
    }
    words = {"start": "no span", "end": "a span was lost"}[where]
    assert told == {f"{words}: RuntimeError"}


def test_without_opentelemetry_nothing_happens(
    shopper: Shopper, monkeypatch: pytest.MonkeyPatch
) -> None:
    observing._trace.cache_clear()
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    try:
        assert shopper.pay(new_order()).state == states.PAID
        assert observing._trace() is None
    finally:
        observing._trace.cache_clear()


# -- and no card in any of it ----------------------------------------------------------


def formatter() -> logging.Formatter:
    """The one in docs/observability.md."""
    page = (ROOT / "docs" / "observability.md").read_text()
    code = re.search(r"```python\n# shop/logs.py\n(.*?)```", page, re.DOTALL)
    assert code is not None
    names: dict[str, Any] = {}
    exec(code[1], names)
    made: logging.Formatter = names["JsonFormatter"]()
    return made


def test_json_lines_have_our_extras(shopper: Shopper, lines: Any) -> None:
    shopper.pay(new_order())
    shown = [json.loads(formatter().format(one)) for one in lines()]
    assert shown[-1]["to_state"] == "paid"
    assert shown[-1]["logger"] == "nexi_payments.ledger"
    assert "args" not in shown[-1]


def told_everywhere(
    caplog: pytest.LogCaptureFixture,
    registry: CollectorRegistry,
    spans: InMemorySpanExporter,
) -> str:
    assert spans.get_finished_spans()
    return "\n".join(
        (
            *(formatter().format(one) for one in caplog.records),
            metrics.exposition(registry)[0].decode(),
            *(one.to_json() for one in spans.get_finished_spans()),
        )
    )


@pytest.mark.parametrize("ending", ["challenge", "declined", "cut", "garbage"])
def test_no_card_of_the_desk_in_logs_metrics_or_spans(
    gateway: Simulator,
    registry: CollectorRegistry,
    spans: InMemorySpanExporter,
    caplog: pytest.LogCaptureFixture,
    ending: str,
) -> None:
    caplog.set_level(logging.DEBUG)
    card = AMEX
    odd = {
        "cut": Reply(0, fault="cut"),
        "garbage": Reply(200, f'{{"card":"{card.number}"}}'.encode()),
        "declined": Reply(400, f'{{"errors":[{{"code":"{card.number}"}}]}}'.encode()),
    }
    if ending in odd:
        gateway.next_reply("/orders/moto", odd[ending])
    with Leaks(card.number, card.cvv) as leaks:
        clerk = Clerk(*PERMISSIONS, headers={"X-Request-ID": card.number})
        order = opened(clerk.open())
        clerk.card(
            order, card_number=card.number, expiry=card.expiry, security_code=card.cvv
        )
        flows.reconcile(order)
        shown = told_everywhere(caplog, registry, spans)
        assert "nexi POST /orders/moto" in shown
        assert card.number not in shown
        assert card.cvv not in shown.replace("-", " ").split()
        assert leaks.found() == []


@pytest.mark.parametrize("card", TEST_CARDS, ids=lambda card: card.ending)
def test_no_card_in_logs_metrics_or_spans(
    shopper: Shopper,
    gateway: Simulator,
    registry: CollectorRegistry,
    spans: InMemorySpanExporter,
    caplog: pytest.LogCaptureFixture,
    card: Any,
) -> None:
    """Even when the request id is the card."""
    caplog.set_level(logging.DEBUG)
    shopper.browser.defaults["HTTP_X_REQUEST_ID"] = card.number
    with Leaks(card.number) as leaks:
        response = shopper.enter(new_order(), card.ending)
        if response.status_code == 200 and b"ThreeDsRequest" in response.content:
            form = form_on(response)
            shopper.come_back(form, shopper.answer(form))
        flows.reconcile()
        assert card.number not in told_everywhere(caplog, registry, spans)
        assert leaks.found() == []


def test_the_page_names_every_metric_and_every_extra(
    registry: CollectorRegistry, shopper: Shopper, lines: Any
) -> None:
    page = (ROOT / "docs" / "observability.md").read_text()
    shopper.pay(new_order())
    body = metrics.exposition(registry)[0].decode()
    families = re.findall(r"^# TYPE (nexi_payments_\w+) (?!.*\bcreated)", body, re.M)
    ours = {name for name in families if not name.endswith("_created")}
    assert len(ours) == 9
    for name in ours:
        assert f"| `{name}` |" in page
    plain = set(vars(logging.makeLogRecord({}))) | {"message", "asctime"}
    for logger in ("nexi_payments.ledger", "nexi_payments.gateway"):
        row = re.search(rf"^\| `{re.escape(logger)}` INFO \|.*$", page, re.M)
        assert row is not None
        for name in vars(lines(logger)[0]).keys() - plain:
            assert f"`{name}`" in row[0], name
