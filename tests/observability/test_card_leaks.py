"""No card in a log line, a metric or a span, and a page that names them all."""

from __future__ import annotations

import json
import logging
import re
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import CollectorRegistry

from nexi_payments import flows, metrics
from nexi_payments.simulator import TEST_CARDS, Reply, Simulator
from nexi_payments.testing import CardDataScan
from tests.support.canary import AMEX
from tests.support.clerk import PERMISSIONS, Clerk, order_from_redirect
from tests.support.shopper import Shopper, new_order, parse_form

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.seen_on("sqlite", "postgresql"),
]

ROOT = Path(__file__).resolve().parents[2]


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
    with CardDataScan(card.number, card.cvv) as leaks:
        clerk = Clerk(*PERMISSIONS, headers={"X-Request-ID": card.number})
        order = order_from_redirect(clerk.create_order())
        clerk.submit_card(
            order, card_number=card.number, expiry=card.expiry, security_code=card.cvv
        )
        flows.reconcile(order)
        shown = told_everywhere(caplog, registry, spans)
        assert "nexi POST /orders/moto" in shown
        assert card.number not in shown
        assert card.cvv not in shown.replace("-", " ").split()
        assert leaks.findings() == []


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
    with CardDataScan(card.number) as leaks:
        response = shopper.submit_card(new_order(), card.ending)
        if response.status_code == 200 and b"ThreeDsRequest" in response.content:
            form = parse_form(response)
            shopper.return_from_issuer(form, shopper.answer_challenge(form))
        flows.reconcile()
        assert card.number not in told_everywhere(caplog, registry, spans)
        assert leaks.findings() == []


def test_the_page_names_every_metric_and_every_extra(
    registry: CollectorRegistry, shopper: Shopper, lines: Any
) -> None:
    page = (ROOT / "docs" / "observability.md").read_text()
    shopper.pay(new_order())
    body = metrics.exposition(registry)[0].decode()
    families = re.findall(r"^# TYPE (nexi_payments_\w+) (?!.*\bcreated)", body, re.M)
    ours = {name for name in families if not name.endswith("_created")}
    assert len(ours) == 12
    for name in ours:
        assert f"| `{name}` |" in page
    plain = set(vars(logging.makeLogRecord({}))) | {"message", "asctime"}
    for logger in ("nexi_payments.ledger", "nexi_payments.gateway"):
        row = re.search(rf"^\| `{re.escape(logger)}` INFO \|.*$", page, re.M)
        assert row is not None
        for name in vars(lines(logger)[0]).keys() - plain:
            assert f"`{name}`" in row[0], name
