"""Nexi's hosted page: what we ask for, and which answer sends the browser there."""

from __future__ import annotations

import logging
import traceback
import uuid
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from nexi_payments import telemetry
from nexi_payments.exceptions import (
    MismatchedResponse,
    NotSent,
    Rejected,
    UnknownOutcome,
)
from nexi_payments.gateway.client import Client
from nexi_payments.gateway.hosted_payloads import BrowserUrls, language_code
from nexi_payments.gateway.hosted_responses import HostedPage
from nexi_payments.gateway.payloads import ContractCreation, Purchase
from tests.gateway.socket_client import call_context, make_client
from tests.gateway.test_payloads import BARE, BASE, FULL, client, sent, trace, wire
from tests.support.hosted_page_schema import hosted_page_api, hosted_page_schema

__all__ = ["client", "wire"]  # fixtures

SAMPLES = hosted_page_api()["components"]["examples"]
PAGE = "https://xpaysandbox.nexigroup.com/monetaweb/page/hosted/2/html?paymentid=7"
TOKEN = "2f0ea5059b41414ca3744fe672327d85"
CREATED = {"hostedPage": PAGE, "securityToken": TOKEN, "warnings": []}
RESULT = "https://shop.example/hosted/a/b/"
CANCEL = "https://shop.example/hosted/a/c/"
NOTIFY = "https://shop.example/notify/a/d/"


def create(client: Client, purchase: Purchase = BARE, **changes: Any) -> HostedPage:
    wanted = {
        "payment_service": "PAYPAL",
        "urls": BrowserUrls(RESULT, CANCEL, NOTIFY),
        "language": "it",
    }
    return client.create_hosted_page(trace(), purchase, **wanted | changes)


def test_one_method(client: Client, wire: Any) -> None:
    wire.post(f"{BASE}/orders/hpp", json=CREATED)
    assert create(client) == HostedPage(PAGE, TOKEN, ())
    request, body = sent(wire)
    hosted_page_schema("HostedPageRequest").validate(body)
    assert body == {
        "order": {"orderId": "ORDER0000000000001", "amount": "1", "currency": "JPY"},
        "paymentSession": {
            "actionType": "PAY",
            "amount": "1",
            "recurrence": {"action": "NO_RECURRING"},
            "exemptions": "NO_PREFERENCE",
            "language": "ITA",
            "paymentService": "PAYPAL",
            "resultUrl": RESULT,
            "cancelUrl": CANCEL,
            "notificationUrl": NOTIFY,
        },
    }
    assert request.headers["X-Api-Key"] == "KEY"
    assert request.headers["Content-Type"] == "application/json"
    assert uuid.UUID(request.headers["Correlation-Id"]).version == 4
    assert "Idempotency-Key" not in request.headers


def test_any_method_and_no_notification(client: Client, wire: Any) -> None:
    wire.post(f"{BASE}/orders/hpp", json=CREATED)
    urls = BrowserUrls(RESULT, CANCEL)
    create(client, FULL, payment_service=None, urls=urls, language="en")
    _, body = sent(wire)
    hosted_page_schema("HostedPageRequest").validate(body)
    assert body["paymentSession"].keys() == {
        *("actionType", "amount", "recurrence", "exemptions", "language"),
        *("resultUrl", "cancelUrl"),
    }
    assert body["order"]["description"] == "x" * 255
    assert body["order"]["customerInfo"]["cardHolderName"] == "y" * 255


def test_contract_and_exemption_of_a_card_payment_are_not_sent(
    client: Client, wire: Any
) -> None:
    wire.post(f"{BASE}/orders/hpp", json=CREATED)
    purchase = replace(
        BARE, contract=ContractCreation("C1"), exemptions="CHALLENGE_REQUESTED"
    )
    create(client, purchase)
    _, body = sent(wire)
    assert body["paymentSession"]["recurrence"] == {"action": "NO_RECURRING"}
    assert body["paymentSession"]["exemptions"] == "NO_PREFERENCE"
    assert body.keys() == {"order", "paymentSession"}


@pytest.mark.parametrize(
    ("circuit", "service"),
    [
        ("GOOGLE_PAY", "GOOGLEPAY"),
        ("BANCOMATPAY", "BANCOMATPAY"),
        ("PAYPALBNPL", "PAYPAL_BNPL"),
        ("NEW_METHOD", "NEW_METHOD"),
    ],
)
def test_a_service_is_spelled_as_nexi_does(
    client: Client, wire: Any, circuit: str, service: str
) -> None:
    wire.post(f"{BASE}/orders/hpp", json=CREATED)
    create(client, payment_service=circuit)
    assert sent(wire)[1]["paymentSession"]["paymentService"] == service


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("it", "ITA"),
        ("en", "ENG"),
        ("de", "DEU"),
        ("fr", "FRA"),
        ("es", "SPA"),
        ("el", "ELL"),
        ("it-ch", "ITA"),
        ("PT_BR", "POR"),
        ("cs", "ENG"),
        ("", "ENG"),
    ],
)
def test_languages(ours: str, theirs: str) -> None:
    assert language_code(ours) == theirs


def test_the_published_page(client: Client, wire: Any) -> None:
    wire.post(f"{BASE}/orders/hpp", json=SAMPLES["HppCreated"]["value"])
    page = create(client)
    assert page.url == SAMPLES["HppCreated"]["value"]["hostedPage"]
    assert page.security_token == TOKEN


def test_warnings_are_kept_and_unknown_members_ignored(
    client: Client, wire: Any
) -> None:
    warnings = [{"code": "W1", "description": "x"}, "W2", 7, None, {"x": 1}]
    wire.post(f"{BASE}/orders/hpp", json=CREATED | {"warnings": warnings, "new": [1]})
    assert create(client) == HostedPage(PAGE, TOKEN, ("W1", "W2", "7"))


@pytest.mark.parametrize("token", [None, "", " ", [], "a\nb"])
def test_a_page_without_a_token_is_a_page(
    client: Client, wire: Any, token: Any
) -> None:
    wire.post(f"{BASE}/orders/hpp", json=CREATED | {"securityToken": token})
    assert create(client) == HostedPage(PAGE, "", ())


@pytest.mark.parametrize(
    "page",
    [
        None,
        "",
        7,
        "page",
        "//xpay.nexigroup.com/x",
        "http://xpay.nexigroup.com/x",
        "https:///x",
        "https://[x",
        "javascript:alert(1)",
        " " + PAGE,
        PAGE + "\n",
        "https://xpay.nexigroup.com/a b",
    ],
)
def test_no_page_to_go_to(client: Client, wire: Any, page: Any) -> None:
    wire.post(
        f"{BASE}/orders/hpp",
        json=CREATED | {"hostedPage": page},
        headers={"cid": "c-1"},
    )
    with pytest.raises(MismatchedResponse) as caught:
        create(client)
    assert (caught.value.cause, caught.value.status, caught.value.cid) == (
        "hostedPage",
        200,
        "c-1",
    )


@pytest.mark.parametrize("body", [[], "x", {}])
def test_an_answer_that_is_no_object(client: Client, wire: Any, body: Any) -> None:
    wire.post(f"{BASE}/orders/hpp", json=body)
    with pytest.raises(MismatchedResponse, match="hostedPage"):
        create(client)


def test_http_is_for_a_simulator_on_its_own_origin(wire: Any) -> None:
    local = Client(base_url="http://localhost:8900/api", api_key="KEY")
    page = "http://localhost:8900/monetaweb/page/1"
    wire.post(
        "http://localhost:8900/api/orders/hpp", json=CREATED | {"hostedPage": page}
    )
    assert create(local).url == page
    for other in ("http://localhost:8901/x", "http://127.0.0.1:8900/x"):
        wire.replace(
            "POST",
            "http://localhost:8900/api/orders/hpp",
            json=CREATED | {"hostedPage": other},
        )
        with pytest.raises(MismatchedResponse):
            create(local)


def test_refusals_and_doubts(client: Client, wire: Any) -> None:
    wire.post(f"{BASE}/orders/hpp", status=400, json={"errors": [{"code": "PS0026"}]})
    with pytest.raises(Rejected) as caught:
        create(client)
    assert caught.value.codes == ("PS0026",)
    wire.replace("POST", f"{BASE}/orders/hpp", status=500)
    with pytest.raises(UnknownOutcome):
        create(client)
    wire.replace("POST", f"{BASE}/orders/hpp", body=b"<html>")
    with pytest.raises(UnknownOutcome, match="body is not JSON"):
        create(client)


def test_a_page_that_was_not_asked_for() -> None:
    client = make_client("https://no.such.host.invalid")
    with pytest.raises(NotSent):
        client.create_hosted_page(
            call_context(),
            BARE,
            payment_service=None,
            urls=BrowserUrls(RESULT, CANCEL),
            language="it",
        )


def frames_of(error: BaseException) -> str:
    """What a tracker prints of an error: its text, and the locals of our frames."""
    seen = [repr(vars(error)), *traceback.format_exception(error)]
    for frame, _ in traceback.walk_tb(error.__traceback__):
        if "/tests/" not in frame.f_code.co_filename:
            seen.extend(repr(value) for value in frame.f_locals.values())
    return "\n".join(seen)


def test_the_token_shows_nowhere(
    client: Client, wire: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    facts: list[telemetry.Fact] = []
    telemetry.subscribe(facts.append)
    try:
        wire.post(f"{BASE}/orders/hpp", json=CREATED, headers={"cid": TOKEN + "!"})
        page = create(client)
        wire.replace("POST", f"{BASE}/orders/hpp", json=CREATED | {"hostedPage": "x"})
        with pytest.raises(MismatchedResponse) as caught:
            create(client)
    finally:
        telemetry.unsubscribe(facts.append)
    lines = [repr(vars(r)) for r in caplog.records if r.name.startswith("nexi")]
    assert len(lines) == 2
    shown = "\n".join((repr(page), str(page), repr(facts), *lines))
    shown += frames_of(caught.value)
    assert TOKEN not in shown
    assert PAGE not in shown
    endpoints = {
        one.endpoint for one in facts if isinstance(one, telemetry.GatewayRequest)
    }
    assert endpoints == {"POST /orders/hpp"}


def test_the_published_examples_are_what_we_would_send(
    client: Client, wire: Any
) -> None:
    """Every member of Nexi's plugin is there, and no other."""
    sample = SAMPLES["HppPayPal"]["value"]
    wire.post(f"{BASE}/orders/hpp", json=CREATED)
    purchase = Purchase(
        "SHOP2026000123",
        3545,
        "EUR",
        description="Order 123",
        cardholder="Ada Rossi",
        email="ada@example.com",
    )
    session = sample["paymentSession"]
    create(
        client,
        purchase,
        urls=BrowserUrls(
            session["resultUrl"], session["cancelUrl"], session["notificationUrl"]
        ),
    )
    assert sent(wire)[1] == sample


def test_a_day_is_a_date() -> None:
    """The schema's ``format: date`` is checked where these tests use it."""
    schema = hosted_page_schema("PayByLinkRequest")
    body = SAMPLES["PayByLinkWeek"]["value"]
    schema.validate(body)
    assert not schema.is_valid(body | {"expirationDate": "2026-31-12"})
    assert schema.is_valid(body | {"expirationDate": date(2026, 12, 31).isoformat()})
