"""Other admin sites: no link and no redirect assumes what is registered there."""

from __future__ import annotations

import re
from html import unescape
from typing import Any
from urllib.parse import urljoin

import pytest

from nexi_payments import flows
from nexi_payments.enums import OrderState
from nexi_payments.models import CardVerification, Contract, PaymentOrder
from nexi_payments.simulator import Simulator
from nexi_payments.testing.forms import card_fields
from tests.support.clerk import PERMISSIONS, Clerk, hidden_fields
from tests.support.contracts import make_contract
from tests.support.shopper import Shopper, new_order

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.seen_on("sqlite"),
]
#: Pages that a site offers beside those of our models; a log-out needs a POST.
LEFT_OUT = re.compile(r"/(logout|jsi18n|password_change)/|^/static/|^/$|^mailto:")


@pytest.fixture(autouse=True)
def sites(settings: Any) -> None:
    settings.ROOT_URLCONF = "tests.hosts.admin_sites"


@pytest.fixture
def clerk(gateway: Simulator) -> Clerk:
    return Clerk(*PERMISSIONS)


@pytest.fixture
def rows(shopper: Shopper, clerk: Clerk) -> dict[str, Any]:
    """One of each kind: a payment with a contract, one in review, a verification."""
    contract = make_contract(shopper)
    order = contract.payments.get()
    flows.refund(order)
    shopper.pay(new_order(reference="R-9"))
    clerk.post(
        "/staff/verifications/nexi_payments/cardverification/verify/",
        currency="EUR",
        terminal="default",
        **card_fields("frictionless"),
    )
    verification = CardVerification.objects.first()
    assert verification is not None
    return {"contract": contract, "order": order, "verification": verification}


def links_of(page: str, base: str) -> set[str]:
    found = re.findall(r'(?:href|action|data-poll|data-self)="([^"]+)"', page)
    whole = {urljoin(base, unescape(one)) for one in found}
    return {one for one in whole if not LEFT_OUT.search(one)}


def read_all(clerk: Clerk, start: str) -> set[str]:
    """Follows each link inside the site; a POST-only address answers 302 or 405."""
    site = "/".join(start.split("/")[:3]) + "/"
    seen: set[str] = set()
    waiting = {start}
    while waiting:
        path = waiting.pop()
        seen.add(path)
        answer = clerk.get(path)
        assert answer.status_code in (200, 302, 400, 405), (path, answer.status_code)
        if answer.status_code == 302:
            targets = {urljoin(path, answer["Location"])}
        elif answer.get("Content-Type", "").startswith("text/html"):
            targets = links_of(answer.content.decode(), path)
        else:
            targets = set()
        for target in targets:
            assert target.startswith((site, "/payments/", "http")), (path, target)
            bare = target.partition("#")[0]
            if bare.startswith(site) and bare not in seen and "?" not in bare:
                waiting.add(bare)
    return seen


@pytest.mark.parametrize("site", ["all", "orders", "contracts", "verifications"])
def test_every_link_stays_in_its_site(
    clerk: Clerk, rows: dict[str, Any], site: str
) -> None:
    seen = read_all(clerk, f"/staff/{site}/")
    models = {path.split("/")[4] for path in seen if path.count("/") > 4}
    if site == "all":
        assert {"paymentorder", "contract", "cardverification"} <= models
        assert len(seen) > 20
    if site == "orders":
        assert "contract" not in models
        changed = f"paymentorder/{rows['order'].pk}/change/"
        assert f"/staff/orders/nexi_payments/{changed}" in seen
    if site == "contracts":
        assert "paymentorder" not in models
        contract = rows["contract"]
        assert f"/staff/contracts/nexi_payments/contract/{contract.pk}/change/" in seen


def test_entries_of_the_index_without_the_pages_they_lead_to(clerk: Clerk) -> None:
    for name in ("phoneorder", "reviewqueue", "dailyreport"):
        answer = clerk.get(f"/staff/links/nexi_payments/{name}/")
        assert answer.status_code == 404, name


@pytest.mark.parametrize("site", ["all", "orders"])
def test_a_phone_order_and_its_refund(clerk: Clerk, site: str) -> None:
    base = f"/staff/{site}/nexi_payments/paymentorder/"
    answer = clerk.post(
        f"{base}moto/", amount="12.50", currency="EUR", reference="R-1", terminal="moto"
    )
    order = PaymentOrder.objects.get(reference="R-1")
    assert answer["Location"] == f"{base}moto/{order.order_id}/card/"
    answer = clerk.post(answer["Location"], **card_fields("frictionless"))
    assert answer["Location"] == f"{base}moto/{order.order_id}/"
    assert "12.50" in clerk.get_text(answer["Location"])
    first = clerk.post(
        f"{base}{order.pk}/refund/", amount="12.50", expected_remaining="12.50"
    )
    done = clerk.post(
        f"{base}{order.pk}/refund/", **hidden_fields(first.content.decode())
    )
    assert done["Location"] == f"{base}{order.pk}/change/"
    order.refresh_from_db()
    assert order.state == OrderState.REFUNDED


def test_a_contract_is_charged_where_payments_are_not_registered(
    clerk: Clerk, shopper: Shopper
) -> None:
    contract = make_contract(shopper)
    base = f"/staff/contracts/nexi_payments/contract/{contract.pk}/"
    first = clerk.post(f"{base}charge/", amount="5.00", reference="C-1")
    done = clerk.post(f"{base}charge/", **hidden_fields(first.content.decode()))
    assert done.status_code == 302, done.content
    assert done["Location"].startswith("/staff/contracts/")
    assert clerk.get(done["Location"]).status_code == 200
    charged = Contract.objects.get(pk=contract.pk).payments.get(reference="C-1")
    assert charged.state == OrderState.PAID
