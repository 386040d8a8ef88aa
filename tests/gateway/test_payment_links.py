"""Payment links of Nexi's: create, look up, renew, cancel."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from nexi_payments.exceptions import MismatchedResponse, Rejected, UnknownOutcome
from nexi_payments.gateway import hosted_responses
from nexi_payments.gateway.client import Client
from nexi_payments.gateway.hosted_payloads import BrowserUrls
from nexi_payments.gateway.hosted_responses import PaymentLink
from tests.gateway.test_hosted_page import CANCEL, NOTIFY, RESULT, SAMPLES, TOKEN
from tests.gateway.test_payloads import BARE, BASE, client, sent, trace, wire
from tests.support.hosted_page_schema import hosted_page_schema

__all__ = ["client", "wire"]  # fixtures

LAST_DAY = date(2026, 12, 31)
URL = "https://xpaysandbox.nexigroup.com/..."
CREATED = SAMPLES["PayByLinkCreated"]["value"]
LINK = PaymentLink("92864835", URL, "ACTIVE", LAST_DAY, TOKEN)
RENEWALS = "/paths/~1orders~1paybylink~1{linkId}~1renewals/post/requestBody"


def test_a_link_is_created(client: Client, wire: Any) -> None:
    wire.post(f"{BASE}/orders/paybylink", json=CREATED)
    link = client.create_payment_link(
        trace(),
        BARE,
        expires_on=LAST_DAY,
        language="it",
        urls=BrowserUrls(notification_url=NOTIFY),
    )
    assert link == LINK
    assert TOKEN not in repr(link)
    assert URL not in repr(link)
    request, body = sent(wire)
    hosted_page_schema("PayByLinkRequest").validate(body)
    assert body == {
        "order": {"orderId": "ORDER0000000000001", "amount": "1", "currency": "JPY"},
        "paymentSession": {
            "actionType": "PAY",
            "amount": "1",
            "recurrence": {"action": "NO_RECURRING"},
            "exemptions": "NO_PREFERENCE",
            "language": "ITA",
            "notificationUrl": NOTIFY,
        },
        "expirationDate": "2026-12-31",
    }
    assert "Idempotency-Key" not in request.headers


def test_a_link_with_ways_back(client: Client, wire: Any) -> None:
    wire.post(f"{BASE}/orders/paybylink", json=CREATED)
    client.create_payment_link(
        trace(),
        BARE,
        expires_on=LAST_DAY,
        language="en",
        urls=BrowserUrls(RESULT, CANCEL),
    )
    session = sent(wire)[1]["paymentSession"]
    assert (session["resultUrl"], session["cancelUrl"]) == (RESULT, CANCEL)
    assert "notificationUrl" not in session


def test_a_link_that_leads_nowhere(client: Client, wire: Any) -> None:
    body = {"paymentLink": {**CREATED["paymentLink"], "link": "http://x.example/"}}
    wire.post(f"{BASE}/orders/paybylink", json=body)
    with pytest.raises(MismatchedResponse) as caught:
        client.create_payment_link(trace(), BARE, expires_on=LAST_DAY, language="it")
    assert caught.value.cause == "link"


@pytest.mark.parametrize(
    "body", [{}, [], {"paymentLink": None}, {"paymentLink": {"linkId": None}}]
)
def test_an_answer_without_an_id(client: Client, wire: Any, body: Any) -> None:
    wire.post(f"{BASE}/orders/paybylink", json=body)
    wire.get(f"{BASE}/orders/paybylink/1", json=body)
    with pytest.raises(UnknownOutcome, match="no linkId"):
        client.create_payment_link(trace(), BARE, expires_on=LAST_DAY, language="it")
    with pytest.raises(UnknownOutcome, match="no linkId"):
        client.get_payment_link(trace(), "1")


def test_a_link_is_looked_up(client: Client, wire: Any) -> None:
    wire.get(f"{BASE}/orders/paybylink/a%2Fb", json={"paymentLink": {"linkId": "a/b"}})
    assert client.get_payment_link(trace(), "a/b") == PaymentLink(
        "a/b", "", "", None, ""
    )
    wire.get(f"{BASE}/orders/paybylink/1", json=CREATED)
    with pytest.raises(MismatchedResponse) as caught:
        client.get_payment_link(trace(), "1")
    assert caught.value.cause == "linkId"
    wire.get(f"{BASE}/orders/paybylink/2", status=404)
    with pytest.raises(Rejected) as refused:
        client.get_payment_link(trace(), "2")
    assert refused.value.status == 404


@pytest.mark.parametrize(
    ("members", "status", "expires_on", "token"),
    [
        ({"status": "deleted"}, "DELETED", None, ""),
        ({"status": "EXPIRED"}, "EXPIRED", None, ""),
        ({"status": "INACTIVE"}, "INACTIVE", None, ""),
        ({"status": "PAUSED"}, "PAUSED", None, ""),
        ({"expirationDate": "2026-12-31T23:59:59.000Z"}, "", LAST_DAY, ""),
        ({"expirationDate": "31/12/2026"}, "", None, ""),
        ({"securityToken": TOKEN}, "", None, TOKEN),
    ],
)
def test_what_a_link_says(
    members: dict[str, str], status: str, expires_on: date | None, token: str
) -> None:
    found = hosted_responses.parse_payment_link(
        {"paymentLink": {"linkId": 92864835, **members}}
    )
    assert found == PaymentLink("92864835", "", status, expires_on, token)


def test_a_link_is_renewed(client: Client, wire: Any) -> None:
    wire.post(f"{BASE}/orders/paybylink/92864835/renewals", json=CREATED)
    assert client.renew_payment_link(trace(), "92864835", LAST_DAY) == LINK
    request, body = sent(wire)
    hosted_page_schema(f"{RENEWALS}/content/application~1json/schema").validate(body)
    assert body == {"expirationDate": "2026-12-31"}
    assert request.headers["Content-Type"] == "application/json"


def test_a_link_is_cancelled(client: Client, wire: Any) -> None:
    """The path has no /orders, as documented."""
    wire.post(f"{BASE}/paybylink/92864835/cancels", body=b"")
    client.cancel_payment_link(trace(), "92864835")
    request, body = sent(wire)
    assert body == {}
    assert request.headers["Content-Type"] == "application/json"
    wire.replace(
        "POST",
        f"{BASE}/paybylink/92864835/cancels",
        status=400,
        json={"errors": [{"code": "PS0045"}]},
    )
    with pytest.raises(Rejected) as caught:
        client.cancel_payment_link(trace(), "92864835")
    assert caught.value.codes == ("PS0045",)
