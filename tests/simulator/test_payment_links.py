"""Payment links: one payment each, a last day, renewed and cancelled."""

from __future__ import annotations

from typing import Any

import pytest

from nexi_payments.simulator import Simulator
from tests.simulator.merchant_client import MerchantClient, hosted_order
from tests.simulator.test_hosted_orders import results
from tests.support.hosted_page_schema import hosted_page_schema


def link_body(last_day: str = "2027-01-20", order_id: str = "ORDER1") -> dict[str, Any]:
    body = hosted_order(order_id)
    for name in ("resultUrl", "cancelUrl"):
        del body["paymentSession"][name]
    return body | {"expirationDate": last_day}


def make(terminal: MerchantClient, last_day: str = "2027-01-20") -> str:
    answer = terminal.post("/orders/paybylink", link_body(last_day))
    return answer["paymentLink"]["linkId"]


def status(terminal: MerchantClient, link_id: str) -> str:
    return terminal.get(f"/orders/paybylink/{link_id}")["paymentLink"]["status"]


def test_a_link(terminal: MerchantClient, simulator: Simulator) -> None:
    body = link_body()
    hosted_page_schema("PayByLinkRequest").validate(body)
    answer = terminal.post("/orders/paybylink", body)
    link = answer["paymentLink"]
    assert link == {
        "linkId": link["linkId"],
        "amount": "1250",
        "expirationDate": "2027-01-20",
        "link": link["link"],
        "paidByOperationId": None,
        "status": "ACTIVE",
    }
    assert link["link"].endswith(f"/html?paymentid={link['linkId']}")
    assert len(answer["securityToken"]) == 32
    assert terminal.get(f"/orders/paybylink/{link['linkId']}") == answer
    assert terminal.call("GET", "/orders/ORDER1").status == 404
    simulator.hosted.open("ORDER1")
    assert terminal.get("/orders/ORDER1")["paymentLinks"] == [link]


def test_a_link_is_paid_once(terminal: MerchantClient, simulator: Simulator) -> None:
    link_id = make(terminal)
    simulator.hosted.pay("ORDER1", method="CARDS", card="declined")
    assert status(terminal, link_id) == "ACTIVE"
    visit = simulator.hosted.pay("ORDER1", method="PAYPAL")
    assert visit.return_url == ""
    link = terminal.get(f"/orders/paybylink/{link_id}")["paymentLink"]
    assert (link["status"], link["paidByOperationId"]) == (
        "INACTIVE",
        visit.operation_ids[0],
    )
    with pytest.raises(ValueError, match="the payment link of 'ORDER1' takes no"):
        simulator.hosted.pay("ORDER1", method="PAYPAL")
    assert results(terminal) == ["DECLINED", "EXECUTED"]
    path = f"/paybylink/{link_id}/cancels"
    assert terminal.rejected_code(path, {}) == "PS0045"
    renewal = {"expirationDate": "2027-01-21"}
    path = f"/orders/paybylink/{link_id}/renewals"
    assert terminal.rejected_code(path, renewal) == "PS0045"


@pytest.mark.parametrize("body", [None, {}])
def test_a_link_is_cancelled(
    terminal: MerchantClient, simulator: Simulator, body: Any
) -> None:
    link_id = make(terminal)
    simulator.hosted.pay("ORDER1", method="PAYPAL", ending="pay_late")
    reply = terminal.call("POST", f"/paybylink/{link_id}/cancels", body)
    assert (reply.status, reply.body) == (200, b"")
    assert status(terminal, link_id) == "DELETED"
    simulator.advance(3 * 3600)
    assert results(terminal) == []  # nobody could pay it any more
    assert simulator.charge_count("ORDER1") == 0
    assert terminal.rejected_code(f"/paybylink/{link_id}/cancels") == "PS0044"
    with pytest.raises(ValueError, match="takes no payment"):
        simulator.hosted.open("ORDER1")


def test_a_link_expires_and_is_renewed(
    terminal: MerchantClient, simulator: Simulator
) -> None:
    link_id = make(terminal)
    simulator.advance(5 * 24 * 3600)
    assert status(terminal, link_id) == "ACTIVE"
    simulator.advance(24 * 3600)
    assert status(terminal, link_id) == "EXPIRED"
    with pytest.raises(ValueError, match="takes no payment"):
        simulator.hosted.pay("ORDER1", method="PAYPAL")
    renewed = terminal.post(
        f"/orders/paybylink/{link_id}/renewals", {"expirationDate": "2027-04-20"}
    )
    assert renewed["paymentLink"]["expirationDate"] == "2027-04-20"
    assert renewed["paymentLink"]["status"] == "ACTIVE"
    simulator.hosted.pay("ORDER1", method="PAYPAL")
    assert results(terminal) == ["EXECUTED"]


@pytest.mark.parametrize("last_day", ["2027-04-21", "2027-01-15", "2027-02-30", "soon"])
def test_days_a_link_cannot_be_renewed_to(
    terminal: MerchantClient, last_day: str
) -> None:
    link_id = make(terminal)
    path = f"/orders/paybylink/{link_id}/renewals"
    assert terminal.rejected_code(path, {"expirationDate": last_day}) == "PS0026"
    found = terminal.get(f"/orders/paybylink/{link_id}")["paymentLink"]
    assert found["expirationDate"] == "2027-01-20"


@pytest.mark.parametrize(
    "last_day", ["2027-01-15", "2027-01-01", "2027-04-16", "2027-13-01"]
)
def test_days_a_link_cannot_have(terminal: MerchantClient, last_day: str) -> None:
    body = link_body(last_day)
    assert terminal.rejected_code("/orders/paybylink", body) == "PS0026"
    make(terminal, "2027-04-15")  # 90 days; the order id was not used


def test_links_and_orders_share_their_ids(terminal: MerchantClient) -> None:
    make(terminal)
    assert terminal.rejected_code("/orders/paybylink", link_body()) == "PS0026"
    assert terminal.rejected_code("/orders/hpp", hosted_order()) == "PS0026"


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/orders/paybylink/{}", None),
        ("POST", "/orders/paybylink/{}/renewals", {"expirationDate": "2027-01-21"}),
        ("POST", "/paybylink/{}/cancels", {}),
    ],
)
def test_links_that_do_not_exist(
    terminal: MerchantClient, simulator: Simulator, method: str, path: str, body: Any
) -> None:
    answer = terminal.post("/orders/hpp", hosted_order())
    page_id = answer["hostedPage"].rpartition("=")[2]  # a page is no link
    for link_id in ("1", page_id):
        assert terminal.call(method, path.format(link_id), body).status == 404
    assert simulator.counts[f"{method} {path.replace('{}', '{id}')}"] == 2


def test_a_cancel_has_no_members(terminal: MerchantClient) -> None:
    link_id = make(terminal)
    path = f"/paybylink/{link_id}/cancels"
    assert terminal.rejected_code(path, {"reason": "x"}) == "PS0026"
    assert status(terminal, link_id) == "ACTIVE"
