"""The life of payments where the key of a user is no small number; run under
``tests.hosts.custom_user_settings`` for each of the user models of
``tests.hosts.people``."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from nexi_payments import audit, flows
from nexi_payments.enums import ContractState, OperationOutcome, OrderState
from nexi_payments.models import (
    CardVerification,
    Contract,
    Operation,
    PaymentOrder,
    raw_sql,
)
from nexi_payments.retention import archive, erasure
from nexi_payments.simulator import Simulator
from tests.support import as_querysets
from tests.support.api_clients import (
    ALL_PERMISSIONS,
    PayerClient,
    ShopServer,
    assert_problem,
    card_fields,
)
from tests.support.clerk import (
    ORDERS_URL,
    PERMISSIONS,
    Clerk,
    confirm_action,
    hidden_fields,
    order_from_redirect,
    order_url,
)
from tests.support.contracts import charge_contract, make_contract
from tests.support.in_doubt import charge_at_gateway as charge_at_nexi
from tests.support.in_doubt import payment_in_doubt, prove_absent, time_travel
from tests.support.shopper import Shopper, new_order

pytestmark = pytest.mark.django_db(transaction=True)
DAY = 86_400
INIT_ENDPOINT = "POST /orders/3steps/init"


@pytest.fixture(autouse=True)
def compared(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Each statement by hand is run as a queryset, too, and does the same."""
    return as_querysets.compare_all(monkeypatch)


@pytest.fixture
def giulia(shopper: Shopper) -> Any:
    """A shopper who is logged in."""
    user = get_user_model().objects.create_user("giulia")
    shopper.browser.force_login(user)
    return user


@pytest.fixture
def clerk(gateway: Simulator) -> Clerk:
    return Clerk(*PERMISSIONS)


@pytest.mark.parametrize("terminal", ["default", "two"])
def test_a_shopper_who_is_logged_in_pays(
    shopper: Shopper, giulia: Any, terminal: str
) -> None:
    order = shopper.pay(new_order(user=giulia, reference="R-1", terminal=terminal))
    assert (order.state, order.user_id, order.user) == ("paid", giulia.pk, giulia)
    status = f"/payments/status/{order.public_id}/"
    assert shopper.browser.get(status).json()["state"] == "paid"
    other = Client(HTTP_HOST="127.0.0.1:8000")
    assert other.get(status).status_code == 404
    other.force_login(get_user_model().objects.create_user("other"))
    assert other.get(status).status_code == 404


def test_who_is_declined_too_often_is_stopped_and_others_are_not(
    shopper: Shopper, gateway: Simulator, giulia: Any
) -> None:
    """Ten an hour, as it is by default."""
    for _ in range(10):
        order = shopper.pay(new_order(user=giulia), "declined")
        assert order.state == OrderState.FAILED
    before = gateway.counts[INIT_ENDPOINT]
    answer = shopper.submit_card(new_order(user=giulia))
    assert (answer.status_code, answer["Retry-After"]) == (429, "3600")
    assert gateway.counts[INIT_ENDPOINT] == before == 10
    other = get_user_model().objects.create_user("other")
    shopper.browser.force_login(other)
    assert shopper.pay(new_order(user=other)).state == OrderState.PAID


def test_such_a_key_in_each_statement(giulia: Any, compared: Counter[str]) -> None:
    order = new_order(user=giulia)
    other = get_user_model().objects.create_user("other")
    for key in (giulia.pk, str(giulia.pk)):
        mine = raw_sql.Rows(PaymentOrder, [{"user": key, "user__isnull": False}])
        both = raw_sql.Rows(PaymentOrder, [{"user__in": (other.pk, key)}])
        foreign = raw_sql.Rows(PaymentOrder, [{"user": other.pk}])
        assert raw_sql.exist(mine, both, foreign) == (True, True, False)
        assert raw_sql.get(PaymentOrder, order.pk, mine) == (order, True)
        assert raw_sql.update(PaymentOrder, {"user": key}, {"clerk": key}) == 1
        assert raw_sql.update(PaymentOrder, {"user": other.pk}, {"clerk": key}) == 0
    order.refresh_from_db()
    assert (order.user, order.clerk) == (giulia, giulia)


def test_doubt_and_a_new_attempt(shopper: Shopper, giulia: Any) -> None:
    order = payment_in_doubt(shopper, user=giulia)
    prove_absent(order)
    assert order.state == OrderState.FAILED
    with time_travel(17 * 60):
        form = shopper.start(order)
        shopper.return_from_issuer(form, shopper.answer_challenge(form))
    again = PaymentOrder.objects.get(retry_of=order)
    assert (again.state, again.user) == (OrderState.PAID, giulia)


def daily_report_rows(reader: Clerk, **query: str) -> set[tuple[str, ...]]:
    answer: Any = reader.get(ORDERS_URL + "daily-report/", format="csv", **query)
    text = b"".join(answer.streaming_content).decode()
    return {tuple(row)[1:] for row in csv.reader(io.StringIO(text))} - {
        ("clerk", "currency", "method", "brand", "channel", "kind", "count", "amount")
    }


def test_a_clerk_charges_and_gives_back_and_the_till_knows_the_name(
    shopper: Shopper, clerk: Clerk
) -> None:
    order = clerk.take_phone_order()
    assert (order.state, order.clerk) == (OrderState.PAID, clerk.user)
    confirm_action(clerk, order, "refund", amount="2.00", expected_remaining="12.50")
    clerk.post(f"{ORDERS_URL}{order.pk}/inquire/")
    order.refresh_from_db()
    assert (order.state, order.refunded_amount) == (OrderState.PAID, 200)
    linked = order_from_redirect(
        clerk.create_order(link="1", reference="R-2", amount="30.00")
    )
    assert shopper.pay(linked).state == OrderState.PAID
    shopper.pay(new_order(amount=Decimal("5.00")))
    name = clerk.user.get_username()
    moto = (name, "EUR", "", "VISA", "moto")
    link = (name, "EUR", "", "VISA", "link")
    assert daily_report_rows(clerk) == {
        (*moto, "charged", "1", "12.50"),
        (*moto, "refund", "1", "2.00"),
        (*link, "charged", "1", "30.00"),
        ("", "EUR", "", "VISA", "shop", "charged", "1", "5.00"),
    }
    assert daily_report_rows(clerk, clerk=name) == {
        row for row in daily_report_rows(clerk) if row[0]
    }
    assert name in clerk.get_text(ORDERS_URL + "daily-report/")
    assert name in clerk.get_text(order_url(order))
    assert LogEntry.objects.filter(user=clerk.user).exists()
    assert b"R-2" in b"".join(clerk.get(ORDERS_URL + "export/").streaming_content)  # type: ignore[attr-defined]


def test_holding_capturing_releasing_and_resolving(
    shopper: Shopper, clerk: Clerk, giulia: Any
) -> None:
    held = shopper.pay(new_order(terminal="manual", user=giulia))
    confirm_action(clerk, held, "capture", amount="12.50", expected_remaining="12.50")
    other = shopper.pay(new_order(terminal="manual", user=giulia))
    confirm_action(clerk, other, "void", amount="12.50", expected_remaining="12.50")
    flows.reconcile()
    held.refresh_from_db()
    other.refresh_from_db()
    assert (held.state, other.state) == (OrderState.PAID, OrderState.VOIDED)
    late = shopper.pay(new_order(user=giulia), "declined")
    charge_at_nexi(shopper.gateway, late)
    flows.reconcile(late)
    clerk.post(f"{ORDERS_URL}{late.pk}/resolve/", state="paid", reason="seen")
    late.refresh_from_db()
    assert (late.state, late.discrepancies.get().resolved_by) == (
        OrderState.PAID,
        clerk.user,
    )


def test_a_card_is_verified(clerk: Clerk) -> None:
    page = "/admin/nexi_payments/cardverification/verify/"
    fields = card_fields() | {"currency": "EUR", "terminal": "moto"}
    clerk.post(page, **fields, **hidden_fields(clerk.get_text(page)))
    check = CardVerification.objects.get()
    assert (check.outcome, check.actor) == (OperationOutcome.DONE, clerk.user)


def test_a_shop_without_pages(shopper: Shopper) -> None:
    server = ShopServer(*ALL_PERMISSIONS)
    purchase = {"amount": "12.50", "currency": "EUR", "reference": "R-1"}
    made = server.post("orders/", purchase, "a-key-of-mine")
    again = server.post("orders/", purchase, "a-key-of-mine")
    assert (again.status_code, again["Idempotency-Replayed"]) == (201, "true")
    assert again.json()["id"] == made.json()["id"]
    other = ShopServer(*ALL_PERMISSIONS).post("orders/", purchase, "a-key-of-mine")
    assert "Idempotency-Replayed" not in other
    payer = PayerClient(made.json())
    fields = payer.pay().json()["next_action"]["fields"]
    back = shopper.gateway.answer_challenge(fields["transactionId"], "approve")
    token = fields["ReturnUrl"].split("/")[-2]
    payer.post(f"checkout/{payer.id}/continue/", {"token": token, **back})
    assert payer.get_checkout()["state"] == "paid"
    done = server.post(f"orders/{payer.id}/refund/", {"amount": "2.00"}).json()
    assert done["order"]["refunded"] == "2.00"
    asked = {
        **purchase,
        "reference": "R-2",
        "terminal": "moto",
        **card_fields("frictionless"),
    }
    taken = server.post("moto/", asked)
    assert taken.json()["state"] == "paid"
    assert Operation.objects.filter(actor=server.user).count() == 2
    assert_problem(ShopServer().get("orders/"), 403, "permission_denied")


def test_a_card_on_file(shopper: Shopper, clerk: Clerk, giulia: Any) -> None:
    contract = make_contract(shopper, user=giulia)
    assert (contract.state, contract.user) == (ContractState.ACTIVE, giulia)
    number = contract.customer_id
    assert number.startswith("U")
    assert 10 < len(number) <= 27
    assert number[1:].isalpha()
    assert "giulia" not in number.lower()
    second = make_contract(shopper, user=giulia)
    assert second.customer_id == number
    other = get_user_model().objects.create_user("other")
    shopper.browser.force_login(other)
    assert make_contract(shopper, user=other).customer_id != number
    assert charge_contract(contract).state == OrderState.PAID
    page = clerk.get_text(f"/admin/nexi_payments/contract/{contract.pk}/change/")
    assert str(giulia) in page
    assert str(giulia) in clerk.get_text("/admin/nexi_payments/contract/")
    described = flows.describe_customer(giulia)
    assert described["account"].attempts_today == 2  # type: ignore[union-attr]


def test_a_payment_is_for_a_row_with_such_a_key(shopper: Shopper, giulia: Any) -> None:
    order = shopper.pay(new_order(content_object=giulia))
    found = PaymentOrder.objects.get(pk=order.pk)
    assert found.content_object == giulia
    assert len(found.object_id) > 15


def test_a_user_who_is_not_saved_yet_has_a_key_all_the_same() -> None:
    user = get_user_model()(pk=get_user_model().objects.create_user("x").pk)
    with pytest.raises(ValueError, match="user is not saved yet"):
        new_order(user=user)
    with pytest.raises(ValueError, match="content_object is not saved yet"):
        new_order(content_object=user)
    assert not PaymentOrder.objects.exists()


def test_what_is_old_goes(
    shopper: Shopper, clerk: Clerk, giulia: Any, change_settings: Any, tmp_path: Path
) -> None:
    change_settings(RETENTION=30 * DAY)
    order = shopper.pay(new_order(user=giulia, reference="R-1"))
    taken = clerk.take_phone_order("frictionless", reference="R-2", amount="7.00")
    audit.append_due()  # what the trail lacks is not archived
    with time_travel(401 * DAY):
        call_command("nexi_purge", stdout=io.StringIO())
        order.refresh_from_db()
        assert order.cardholder_name == ""
        before = timezone.now() - timedelta(days=400)
        done = archive.archive(tmp_path, before, 10)
        assert done is not None
        assert done.removed == 2
    (file,) = tmp_path.iterdir()
    rows = [line["order"] for line in archive.read_archive(file)]
    assert [row["order_id"] for row in rows] == [order.order_id, taken.order_id]
    assert "@" not in json.dumps(rows)
    assert erasure.erase() == 0


def test_a_user_who_goes_leaves_the_payment(shopper: Shopper, giulia: Any) -> None:
    order = shopper.pay(new_order(user=giulia))
    make_contract(shopper, user=giulia)
    giulia.delete()
    order.refresh_from_db()
    assert (order.state, order.user_id) == (OrderState.PAID, None)
    assert Contract.objects.get().user is None
